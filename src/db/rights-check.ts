/** `settle migrate --check`: rights and code in the database that are not what this version gives. It changes nothing. */
import { Client } from 'pg';
import { SEARCH_PATH } from './connection.ts';
import { excessOf, standingOf } from './effective-rights.ts';
import { foreignCode } from './foreign-code.ts';
import { rolesOf, type Roles } from './roles.ts';

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
