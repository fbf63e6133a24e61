/** Preflight of `settle migrate --check` and of the worker: rights and code in the database that are not what this version gives. It changes nothing. */
import { Client } from 'pg';
import { SEARCH_PATH, type Database } from './connection.ts';
import { excessOf, standingOf } from './effective-rights.ts';
import { foreignCode } from './foreign-code.ts';
import { APP_RIGHTS } from './rights.ts';
import { rolesOf, type Roles } from './roles.ts';
import { databaseVersion } from './versions.ts';

/** Each problem is one sentence; none when all is as `settle migrate` leaves it. */
export async function rightsProblems(
  url: string,
  { roles, trusted = [] }: { roles: Roles; trusted?: readonly string[] },
): Promise<string[]> {
  const client = new Client({
    connectionString: url,
    application_name: 'settle migrate --check',
    options: SEARCH_PATH,
  });
  await client.connect();
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const problems = (await foreignCode(client, trusted)).map((what) => `Not ours: ${what}.`);
    const { rows } = await client.query<{ there: boolean }>(
      `SELECT to_regclass('settlement.network') IS NOT NULL AS there`,
    );
    for (const { name, rightsOf } of rolesOf(roles)) {
      const standing = await standingOf(client, name);
      if (standing === null) problems.push(`PostgreSQL has no role "${name}".`);
      const more = rows[0]?.there ? await excessOf(client, name, rightsOf) : (standing ?? []);
      problems.push(...more.map((what) => `More than ours: "${name}" ${saying(what)}.`));
    }
    return problems;
  } finally {
    await client.end();
  }
}

/** A right begins in capitals, and needs a verb. */
function saying(what: string): string {
  return /^[A-Z]{4}/.test(what) ? `has ${what}` : what;
}

/** What a worker finds at its start: each entry is one sentence. */
export type WorkerFindings = {
  /** The worker must not start with these. */
  readonly refused: readonly string[];
  /** It may start, and its log says so each time. */
  readonly warned: readonly string[];
};

/**
 * Compares what the worker's own role can do, and the code on its tables, with what this version gives. An entry of `trusted`
 * turns a refusal into a warning: a right or a piece of code by its words, without commas.
 *
 * Two findings only warn. A database that a newer version has migrated has rights and code that this version does not know:
 * during a rolling upgrade a worker must be able to restart. A role that owns the tables, or is a superuser, is an installation
 * without separate roles: `requiresRoles` (the public network) refuses it.
 * @throws when the database is away
 */
export async function workerFindings(
  { pool, db }: Pick<Database, 'pool' | 'db'>,
  { trusted, requiresRoles }: { trusted: readonly string[]; requiresRoles: boolean },
): Promise<WorkerFindings> {
  const refused: string[] = [];
  const warned: string[] = [];
  const { stands } = await databaseVersion(db);
  const client = await pool.connect();
  try {
    const { rows } = await client.query<Self>(WHO_AM_I);
    const [me] = rows;
    if (me === undefined) throw new Error('PostgreSQL gave no row for its own role.');
    const mayWarn = (what: string) => stands === 'ahead' || trusted.includes(bare(what));
    for (const found of await foreignCode(client)) {
      const isKnown = mayWarn(found.slice(0, found.indexOf(': ')));
      (isKnown ? warned : refused).push(`The database has code that is not ours: ${found}.`);
    }
    for (const what of await excessOf(client, me.role, (table) => APP_RIGHTS[table])) {
      const isWhole = me.isOwner && !requiresRoles;
      const sentence = `The role of DATABASE_URL may do more than ours: "${me.role}" ${saying(what)}.`;
      (isWhole || mayWarn(what) ? warned : refused).push(sentence);
    }
  } finally {
    client.release();
  }
  if (refused.length > 0) refused.push(WHAT_TO_DO);
  return { refused, warned };
}

type Self = { role: string; isOwner: boolean };

const WHO_AM_I = `
  SELECT r.rolname AS role, r.rolsuper OR EXISTS (SELECT FROM pg_class c
    WHERE c.oid = to_regclass('settlement.session_journal') AND c.relowner = r.oid) AS "isOwner"
  FROM pg_roles r WHERE r.rolname = current_user`;

const WHAT_TO_DO =
  'Drop that code, take the rights away (REVOKE, ALTER ROLE), and run `settle migrate` as the owner with APP_ROLE set to the role of workers. ' +
  'What you have read and trust, name in TRUSTED_DATABASE_CODE: code by the words before the colon, a right by its words, without commas.';

/** Entries of TRUSTED_DATABASE_CODE are separated by commas. */
const bare = (what: string): string => what.replaceAll(',', '');
