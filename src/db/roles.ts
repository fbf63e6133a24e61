/** Roles: the owner migrates, the app works, people and dashboards read. The owner gives the rights, and needs no superuser. */
import type { Client } from 'pg';
import { excessOf, standingOf } from './effective-rights.ts';
import { APP_RIGHTS, readRights, TABLES, type Table } from './rights.ts';

/** The roles that get rights; null: nobody. */
export type Roles = { readonly app: string | null; readonly read: string | null };

/** A role that was named cannot have these rights; nothing was granted. */
export class UnfitRole extends Error {
  override readonly name = 'UnfitRole';
}

/**
 * Gives both roles exactly the rights of this version, in one transaction: what they had before on these tables is taken
 * from them first, so that running it again after an upgrade is enough. The client is the owner's.
 * @throws UnfitRole when a role is not there, or owns a table: it would lose its own rights, and could take them back
 */
export async function grantRights(client: Client, { app, read }: Roles): Promise<void> {
  await refuseUnfitRoles(client, { app, read });
  await client.query('BEGIN');
  try {
    for (const { name, rightsOf } of rolesOf({ app, read })) {
      await grant(client, name, rightsOf);
      refuseExcess(name, await excessOf(client, name, rightsOf));
    }
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

/** The roles that were named, each with what it may do with a table. */
export function rolesOf({
  app,
  read,
}: Roles): { name: string; rightsOf: (table: Table) => string }[] {
  return [
    ...(app === null ? [] : [{ name: app, rightsOf: (table: Table) => APP_RIGHTS[table] }]),
    ...(read === null ? [] : [{ name: read, rightsOf: readRights }]),
  ];
}

function refuseExcess(role: string, excess: readonly string[]): void {
  if (excess.length === 0) return;
  throw new UnfitRole(
    `The role "${role}" may do more than this version gives it: ${excess.join('; ')}. ` +
      'Take that away (REVOKE, ALTER ROLE), or name another role; no right was given.',
  );
}

/**
 * Refuses roles that no list of rights can bind: absent ones, owners, superusers, members of other roles. To be asked
 * before anything is written. @throws UnfitRole
 */
export async function refuseUnfitRoles(client: Client, { app, read }: Roles): Promise<void> {
  for (const role of [app, read]) if (role !== null) await refuseUnfit(client, role);
}

async function refuseUnfit(client: Client, role: string): Promise<void> {
  const standing = await standingOf(client, role);
  if (standing === null) {
    throw new UnfitRole(
      `PostgreSQL has no role "${role}". Whoever may create roles makes it first: ` +
        `CREATE ROLE ${role} LOGIN PASSWORD '…'; deploy/roles.sql makes all three.`,
    );
  }
  refuseExcess(role, standing);
}

async function grant(
  client: Client,
  name: string,
  rightsOf: (table: Table) => string,
): Promise<void> {
  const role = client.escapeIdentifier(name);
  await client.query(`GRANT USAGE ON SCHEMA public, settlement TO ${role}`);
  for (const table of TABLES) {
    // Taking a right from a table takes it from its columns, too.
    await client.query(`REVOKE ALL ON ${table} FROM ${role}`);
    const rights = rightsOf(table);
    if (rights !== '') await client.query(`GRANT ${rights} ON ${table} TO ${role}`);
  }
}
