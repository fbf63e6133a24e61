/** Everything the demo plays on: PostgreSQL, Temporal, a ledger, a merchant's receiver, on free ports. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client as PgClient } from 'pg';
import { NETWORKS } from '../../config.ts';
import { migrate } from '../../db/migrate.ts';
import { createHorizonSource } from '../../horizon/source.ts';
import { SA_NAMES } from '../../temporal.ts';
import { SEARCH_ATTRIBUTES } from '../../workflows/search-attributes.ts';
import { freePort, type Progress } from '../child.ts';
import { startSandboxLedger, type SandboxLedger } from '../ledger/start.ts';
import { startPostgres } from '../postgres.ts';
import { startReceiver, type Receiver } from '../receiver.ts';
import { startTemporalServer } from '../temporal-server.ts';

/** What runs, and where. */
export type Stage = {
  readonly horizonUrl: string;
  readonly networkPassphrase: string;
  /** Null when the demo plays on a real network. */
  readonly sandbox: SandboxLedger | null;
  readonly databaseUrl: string;
  readonly temporalAddress: string;
  /** Null when somebody else's Temporal is used. */
  readonly temporalUi: string | null;
  readonly receiver: Receiver;
  /** Where `settle listen` may listen: a port that nobody uses, to which the worker may send. */
  readonly listenPort: number;
  /** The worker's environment. */
  readonly env: NodeJS.ProcessEnv;
  readonly logFile: string;
  stop(): Promise<void>;
};

/** The sandbox closes ledgers every second; a real network every five. */
const SANDBOX_POLL_MS = '500';
const NETWORK_POLL_MS = '2000';

/** Starts what is missing, all at once, and migrates a new database. `horizonUrl` names a real network. */
export async function setStage(
  horizonUrl: string | null,
  env: NodeJS.ProcessEnv,
  progress: Progress,
): Promise<Stage> {
  const stops: (() => Promise<void>)[] = [];
  const keep = <T extends { stop(): Promise<void> }>(part: T): T => {
    stops.unshift(() => part.stop());
    return part;
  };
  const stop = async () => {
    for (const end of stops) await end().catch((error: unknown) => progress(String(error)));
  };
  try {
    const [database, temporal, ledger, receiver, listenPort] = await Promise.all([
      findDatabase(env, progress).then(keep),
      findTemporal(env, progress).then(keep),
      findLedger(horizonUrl).then(keep),
      startReceiver().then(keep),
      freePort(),
    ]);
    const { url: databaseUrl } = database;
    await migrate(databaseUrl, { networkPassphrase: ledger.networkPassphrase });
    progress('PostgreSQL, Temporal, the ledger and the receiver run; the database is migrated.');
    return {
      horizonUrl: ledger.url,
      networkPassphrase: ledger.networkPassphrase,
      sandbox: ledger.sandbox,
      databaseUrl,
      temporalAddress: temporal.address,
      temporalUi: temporal.uiUrl,
      receiver,
      listenPort,
      env: {
        ...env,
        DATABASE_URL: databaseUrl,
        HORIZON_URL: ledger.url,
        NETWORK_PASSPHRASE: ledger.networkPassphrase,
        HORIZON_REQUESTS_PER_HOUR: ledger.sandbox ? '0' : '3600',
        POLL_INTERVAL_MS: ledger.sandbox ? SANDBOX_POLL_MS : NETWORK_POLL_MS,
        WEBHOOK_ALLOW: `${receiver.host},127.0.0.1:${listenPort}`,
        TEMPORAL_ADDRESS: temporal.address,
      },
      logFile: join(mkdtempSync(join(tmpdir(), 'settle-demo-')), 'worker.log'),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A database of the demo's own: on the server of DATABASE_URL, whose other databases are left alone, or on a new one. */
async function findDatabase(env: NodeJS.ProcessEnv, progress: Progress) {
  const name = `settlement_demo_${Date.now()}`;
  if (!env['DATABASE_URL']) {
    const postgres = await startPostgres({ progress, fsync: false });
    return { url: await postgres.createDatabase(name), stop: () => postgres.stop() };
  }
  const server = env['DATABASE_URL'];
  const run = async (statement: string) => {
    const client = new PgClient({ connectionString: server });
    await client.connect();
    try {
      await client.query(statement);
    } finally {
      await client.end();
    }
  };
  await run(`CREATE DATABASE ${name}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return { url: url.toString(), stop: () => run(`DROP DATABASE ${name} WITH (FORCE)`) };
}

async function findTemporal(env: NodeJS.ProcessEnv, progress: Progress) {
  const address = env['TEMPORAL_ADDRESS'];
  if (address) return { address, uiUrl: null, stop: () => Promise.resolve() };
  return startTemporalServer({
    progress,
    searchAttributes: SEARCH_ATTRIBUTES.map(({ name, type }) => [name, SA_NAMES[type]] as const),
  });
}

async function findLedger(horizonUrl: string | null) {
  if (horizonUrl === null) {
    const sandbox = await startSandboxLedger();
    const { url, networkPassphrase } = sandbox;
    return { url, networkPassphrase, sandbox, stop: () => sandbox.stop() };
  }
  const networkPassphrase = await passphraseOf(horizonUrl);
  if (networkPassphrase === NETWORKS['public']) {
    throw new Error('The demo makes accounts and spends; it does not run on the public network.');
  }
  return { url: horizonUrl, networkPassphrase, sandbox: null, stop: () => Promise.resolve() };
}

async function passphraseOf(url: string): Promise<string> {
  const source = createHorizonSource({ url, requestsPerHour: 0 });
  try {
    return (await source.head()).networkPassphrase;
  } finally {
    await source.close();
  }
}
