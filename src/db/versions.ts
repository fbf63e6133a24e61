/** Which versions of what a database is of: the server's, and how far it is migrated. */
import { readFileSync } from 'node:fs';
import { sql } from 'drizzle-orm';
import type { Db } from './connection.ts';

const JOURNAL = new URL('../../drizzle/meta/_journal.json', import.meta.url);

/** `migration` names the last one that was run, or says how many were that this version does not know. */
export type DatabaseVersion = {
  readonly postgresql: string;
  readonly migration: string;
  /** Against what this version knows. */
  readonly stands: 'right' | 'behind' | 'ahead';
};

/** Asks the database, and compares with the migrations that this version brings. */
export async function databaseVersion(db: Db): Promise<DatabaseVersion> {
  const { entries } = JSON.parse(readFileSync(JOURNAL, 'utf8')) as {
    entries: { when: number; tag: string }[];
  };
  const { rows } = await db.execute<{ postgresql: string; last: string | null }>(sql`
    SELECT current_setting('server_version') AS postgresql,
      (SELECT max(created_at)::text FROM settlement.migrations) AS last`);
  const { postgresql = 'unknown', last = null } = rows[0] ?? {};
  const known = entries.findIndex(({ when }) => when === Number(last));
  const newest = entries.at(-1);
  const isNewer = last !== null && newest !== undefined && Number(last) > newest.when;
  return {
    postgresql,
    migration: isNewer ? `newer than ${newest.tag}` : (entries[known]?.tag ?? 'none'),
    stands: isNewer ? 'ahead' : known === entries.length - 1 ? 'right' : 'behind',
  };
}
