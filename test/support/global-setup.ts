/** Once for a test run: a PostgreSQL with a migrated template database, the workflow bundle, the Temporal servers' files. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { Client } from 'pg';
import { BUNDLED } from '../../src/worker-code.ts';
import { migrate } from '../../src/db/migrate.ts';
import { findTemporalCli } from '../../src/sandbox/find-temporal.ts';
import { SANDBOX_PASSPHRASE } from '../../src/sandbox/ledger/start.ts';
import { startPostgres } from '../../src/sandbox/postgres.ts';
import { timeSkippingServer } from '../../src/sandbox/test-server.ts';
import { ROLE_PASSWORD, ROLES } from './database.ts';
import { startedForAllTests } from './started.ts';
import { give } from './given.ts';

/** The database that each test's own is a copy of. */
export const TEMPLATE = 'settlement_template';

const say = (line: string) => process.stderr.write(`  ${line}\n`);

export default async function setup(): Promise<void> {
  const [postgres, bundle, testServer] = await Promise.all([
    startPostgres({ progress: say, fsync: false }),
    bundleOnce(),
    timeSkippingServer(say),
    findTemporalCli(say),
  ]);
  startedForAllTests().push(postgres);
  const template = await postgres.createDatabase(TEMPLATE);
  await createRoles(postgres.url);
  await migrate(template, { networkPassphrase: SANDBOX_PASSPHRASE, roles: ROLES });
  give('postgres', postgres.url);
  give('bundle', bundle);
  give('timeSkippingServer', testServer);
}

/** As a superuser: roles belong to the server, not to one database. */
async function createRoles(url: string): Promise<void> {
  const asSuperuser = new URL(url);
  asSuperuser.username = 'postgres';
  const client = new Client({ connectionString: asSuperuser.toString() });
  await client.connect();
  for (const role of Object.values(ROLES)) {
    await client.query(`CREATE ROLE ${role} LOGIN PASSWORD '${ROLE_PASSWORD}'`);
    // So that tests may end the connections of workers.
    await client.query(`GRANT ${role} TO ${new URL(url).username}`);
  }
  await client.end();
}

/** Bundling takes 2 s; every worker of every test uses the same file. */
async function bundleOnce(): Promise<string> {
  const { code } = await bundleWorkflowCode({
    ...BUNDLED,
    logger: new DefaultLogger('WARN'),
  });
  const path = join(mkdtempSync(join(tmpdir(), 'settle-test-')), 'workflows.js');
  writeFileSync(path, code);
  return path;
}
