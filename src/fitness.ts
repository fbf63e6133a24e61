import type { Deps } from './activities/deps.ts';
import { NETWORKS, type Config } from './config.ts';
import { schemaProblems } from './db/check.ts';
import { workerFindings } from './db/rights-check.ts';
import { secretProblems } from './db/secrets.ts';
import { namespaceProblems, type Temporal } from './temporal.ts';

/** The worker must not start like this; every reason is named. */
export class NotReady extends Error {
  override readonly name = 'NotReady';
  constructor(problems: readonly string[]) {
    super(`The worker cannot start:\n${problems.map((p) => `  ${p}`).join('\n')}`);
  }
}

/** Database, network and namespace must all fit; every problem is told at once. @throws NotReady */
export async function refuseUnfit(
  deps: Deps,
  temporal: Temporal,
  config: Pick<Config, 'TRUSTED_DATABASE_CODE'>,
): Promise<void> {
  const problems = [
    ...(await databaseProblems(deps, config.TRUSTED_DATABASE_CODE)),
    ...(await horizonProblems(deps)),
    ...(await namespaceProblems(temporal)),
  ];
  if (problems.length > 0) throw new NotReady(problems);
}

async function databaseProblems(
  { database, networkPassphrase, secretKeys, log }: Deps,
  trusted: readonly string[],
): Promise<readonly string[]> {
  const problems = await schemaProblems(database.db, networkPassphrase);
  if (problems.length > 0) return problems;
  const requiresRoles = networkPassphrase === NETWORKS['public'];
  const { refused, warned } = await workerFindings(database, { trusted, requiresRoles });
  if (warned.length > 0) {
    log.warn({ event: 'database.trusted', findings: warned }, 'More rights or code than ours.');
  }
  return [...refused, ...(await secretProblems(database.db, secretKeys))];
}

async function horizonProblems({ source, networkPassphrase }: Deps): Promise<string[]> {
  try {
    const head = await source.head();
    if (head.networkPassphrase === networkPassphrase) return [];
    return [
      `HORIZON_URL serves the network "${head.networkPassphrase}", but NETWORK_PASSPHRASE is "${networkPassphrase}".`,
    ];
  } catch (error) {
    return [
      `HORIZON_URL does not answer: ${error instanceof Error ? error.message : String(error)}`,
    ];
  }
}
