import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { drizzle } from 'drizzle-orm/node-postgres';
import { migrate as runMigrations } from 'drizzle-orm/node-postgres/migrator';
import { SEARCH_PATH } from './connection.ts';
import { refuseForeignCode } from './foreign-code.ts';
import { grantRights, refuseUnfitRoles, type Roles } from './roles.ts';
import { ensureIndexes, supersedeDoubledPayments, validateForeignKey } from './indexes.ts';
import { errorCode } from './sqlstate.ts';
import { WrongNetwork } from './wrong-network.ts';

const MIGRATIONS_FOLDER = fileURLToPath(new URL('../../drizzle', import.meta.url));

/** A table of the backend may be busy: give up the lock quickly, let its traffic pass, try again. */
const LOCK_TIMEOUT_MS = 2_000;
const LOCK_TRIES = 30;

/**
 * Tables of the session come last, so that none can stand for one of ours; a policy that would hide rows is an error.
 */
const MIGRATION_SETTINGS = `${SEARCH_PATH},pg_temp -c row_security=off`;

/** For which network, and how far back what an older backend has ended is judged anew. */
export type MigrationOptions = {
  readonly networkPassphrase: string;
  /** Stored by the first migration only; without it, 30 days before that. */
  readonly historyFrom?: Date | null;
  /** Roles that get the rights of this version. */
  readonly roles?: Roles;
  /** Code on our tables that is not ours and may stay, as foreign-code.ts names it. */
  readonly trusted?: readonly string[];
};

/** What a migration did. */
export type MigrationReport = {
  readonly network: string;
  readonly supersededPayments: number;
  /** As stored, ISO 8601; null in a database of an early version. */
  readonly historyFrom: string | null;
};

/**
 * Brings a database to the schema of this version: creates or adopts the backend's tables, adds ours, builds
 * the indexes. Two processes may run it at once (one waits), and running it again changes nothing.
 * @throws WrongNetwork before anything is changed; ForeignCode likewise; UnfitRole before anything is changed where the role can be bound by no rights,
 * and when everything but the rights is done where another role or PUBLIC gives it more
 */
export async function migrate(
  url: string,
  {
    networkPassphrase,
    historyFrom = null,
    roles = { app: null, read: null },
    trusted = [],
  }: MigrationOptions,
): Promise<MigrationReport> {
  const client = new Client({
    connectionString: url,
    application_name: 'settle migrate',
    options: MIGRATION_SETTINGS,
  });
  await client.connect();
  try {
    await takeMigrationLock(client);
    await refuseOtherNetwork(client, networkPassphrase);
    await refuseForeignCode(client, trusted);
    await refuseUnfitRoles(client, roles);
    await withPatience(client, () =>
      runMigrations(drizzle(client), {
        migrationsFolder: MIGRATIONS_FOLDER,
        migrationsSchema: 'settlement',
        migrationsTable: 'migrations',
      }),
    );
    await client.query(
      `INSERT INTO settlement.network (id, passphrase, history_from)
       VALUES (1, $1, coalesce($2, now() - interval '30 days')) ON CONFLICT DO NOTHING`,
      [networkPassphrase, historyFrom],
    );
    await refuseOtherNetwork(client, networkPassphrase);
    // Once more before rows are written: what was hung on the tables meanwhile would run as their owner.
    await refuseForeignCode(client, trusted);
    const supersededPayments = await supersedeDoubledPayments(client);
    await validateForeignKey(client);
    await ensureIndexes(client);
    await grantRights(client, roles);
    return {
      network: networkPassphrase,
      supersededPayments,
      historyFrom: await storedHistory(client),
    };
  } finally {
    await client.end();
  }
}

/** How far back what an older backend ended is judged anew, ISO 8601; null: all of it. */
export async function storedHistory(client: Client): Promise<string | null> {
  const { rows } = await client.query<{ at: Date | null }>(
    'SELECT history_from AS at FROM settlement.network',
  );
  return rows[0]?.at?.toISOString() ?? null;
}

/**
 * A session lock on this one connection: drizzle's migrator does not guard against a second one. It is polled, since
 * a statement that waits for a lock holds a snapshot, and CREATE INDEX CONCURRENTLY of the other waits for that.
 */
async function takeMigrationLock(client: Client): Promise<void> {
  for (;;) {
    const { rows } = await client.query<{ taken: boolean }>(
      `SELECT pg_try_advisory_lock(hashtextextended('settlement.migrate', 0)) AS taken`,
    );
    if (rows[0]?.taken) return;
    await sleep(200);
  }
}

async function refuseOtherNetwork(client: Client, wanted: string): Promise<void> {
  const { rows } = await client.query<{ there: string | null }>(
    `SELECT to_regclass('settlement.network')::text AS there`,
  );
  if (!rows[0]?.there) return;
  const found = await client.query<{ passphrase: string }>(
    'SELECT passphrase FROM settlement.network',
  );
  const passphrase = found.rows[0]?.passphrase;
  if (passphrase !== undefined && passphrase !== wanted) throw new WrongNetwork(passphrase, wanted);
}

async function withPatience(client: Client, run: () => Promise<void>): Promise<void> {
  await client.query(`SET lock_timeout = ${LOCK_TIMEOUT_MS}`);
  for (let attempt = 1; ; attempt += 1) {
    try {
      await run();
      break;
    } catch (error) {
      if (errorCode(error) !== '55P03' || attempt === LOCK_TRIES) throw error;
      await sleep(500);
    }
  }
  await client.query('SET lock_timeout = 0');
}
