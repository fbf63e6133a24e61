/** Roles: the owner migrates, the app works, people and dashboards read. The owner gives the rights, and needs no superuser. */
import type { Client } from 'pg';
import { APP_RIGHTS, CLOSED, HIDDEN, TABLES, type Table } from './rights.ts';

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
  for (const role of [app, read]) if (role !== null) await refuseUnfit(client, role);
  await client.query('BEGIN');
  try {
    if (app !== null) await grant(client, app, rightsOfApp);
    if (read !== null) await grant(client, read, await rightsOfReader(client));
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

async function refuseUnfit(client: Client, role: string): Promise<void> {
  const { rows } = await client.query<{ owned: string | null }>(
    `SELECT (SELECT min(c.oid::regclass::text) FROM pg_class c
       WHERE c.oid = ANY ($2::regclass[]) AND pg_has_role(r.oid, c.relowner, 'USAGE')) AS owned
     FROM pg_roles r WHERE r.rolname = $1`,
    [role, TABLES],
  );
  const [found] = rows;
  if (found === undefined) {
    throw new UnfitRole(
      `PostgreSQL has no role "${role}". Whoever may create roles makes it first: ` +
        `CREATE ROLE ${role} LOGIN PASSWORD '…'; deploy/roles.sql makes all three.`,
    );
  }
  if (found.owned !== null) {
    throw new UnfitRole(
      `The role "${role}" owns the table ${found.owned}, or may act as its owner: no right can be kept from it. ` +
        'Name another role.',
    );
  }
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

const rightsOfApp = (table: Table): string => APP_RIGHTS[table];

async function rightsOfReader(client: Client): Promise<(table: Table) => string> {
  const { rows } = await client.query<{ table: string; columns: string[] }>(
    `SELECT table_schema || '.' || table_name AS table, array_agg(column_name::text) AS columns
     FROM information_schema.columns WHERE table_schema IN ('public', 'settlement') GROUP BY 1`,
  );
  const columnsOf = new Map(rows.map(({ table, columns }) => [table, columns]));
  return (table) => {
    if (CLOSED.includes(table)) return '';
    const hidden = HIDDEN[table];
    if (hidden === undefined) return 'SELECT';
    const shown = (columnsOf.get(table) ?? []).filter((column) => !hidden.includes(column));
    return `SELECT (${shown.map((column) => client.escapeIdentifier(column)).join(', ')})`;
  };
}
