import { sql } from 'drizzle-orm';
import type { Db } from './connection.ts';
import { allowedBy, APP_RIGHTS, TABLES } from './rights.ts';
import { errorCode } from './sqlstate.ts';

/** What keeps a worker from using this database, in words; empty when it fits. */
export async function schemaProblems(db: Db, networkPassphrase: string): Promise<string[]> {
  try {
    const { rows } = await db.execute<{ passphrase: string | null; indexes: number }>(sql`
      SELECT (SELECT passphrase FROM settlement.network) AS passphrase,
        (SELECT count(*)::int FROM pg_index
          WHERE indexrelid = to_regclass('public.payments_one_live_per_session') AND indisvalid) AS indexes`);
    const [found] = rows;
    const passphrase = found?.passphrase ?? null;
    if (passphrase !== null && passphrase !== networkPassphrase) {
      return [
        `The database settles the network "${passphrase}", but NETWORK_PASSPHRASE is "${networkPassphrase}".`,
      ];
    }
    if (passphrase !== null && found?.indexes === 1) return await missingRights(db);
    const missing = passphrase === null ? 'its network' : 'an index';
    return [
      `The database is not migrated to the end (${missing} is missing): run \`settle migrate\`.`,
    ];
  } catch (error) {
    const code = errorCode(error);
    if (code === '42P01' || code === '3F000') {
      return ['The database has no settlement tables: run `settle migrate`.'];
    }
    if (code === '42501') return [NO_RIGHTS];
    return [`DATABASE_URL cannot be used: ${rootMessage(error)}`];
  }
}

const NO_RIGHTS =
  'The role of DATABASE_URL has no rights on the settlement tables: run `settle migrate` as their owner, with APP_ROLE set to it.';

/** An upgrade may have brought tables or columns that this role was not given. */
async function missingRights(db: Db): Promise<string[]> {
  const { rows } = await db.execute<{ name: string }>(sql`
    SELECT DISTINCT r.name FROM jsonb_to_recordset(${NEEDED}::jsonb) AS r(name text, privilege text, "column" text)
    WHERE CASE WHEN r.column IS NULL THEN NOT has_table_privilege(r.name, r.privilege)
      ELSE NOT has_column_privilege(r.name, r.column, r.privilege) END ORDER BY 1`);
  if (rows.length === 0) return [];
  return [
    `The role of DATABASE_URL lacks rights on ${rows.map(({ name }) => name).join(', ')}: ` +
      'run `settle migrate` as the owner, with APP_ROLE set to it.',
  ];
}

/** Each right of the app role, one by one, as JSON. */
const NEEDED = JSON.stringify(
  TABLES.flatMap((name) =>
    [...allowedBy(APP_RIGHTS[name])].flatMap(([privilege, columns]) =>
      (columns === '*' ? [null] : [...columns]).map((column) => ({ name, privilege, column })),
    ),
  ),
);

/** The passphrase of the network that this database settles; null when it was never migrated to the end. */
export async function settledNetwork(db: Db): Promise<string | null> {
  const { rows } = await db.execute<{ passphrase: string }>(
    sql`SELECT passphrase FROM settlement.network`,
  );
  return rows[0]?.passphrase ?? null;
}

function rootMessage(error: unknown): string {
  let message = String(error);
  for (let e = error; e instanceof Error; e = e.cause) message = e.message || message;
  return message;
}
