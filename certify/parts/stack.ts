/** The whole system on real parts, each of which can be killed and comes back at the same address. */
import { chmodSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { Pool } from 'pg';
import { settlementClient, type SettlementClient } from '../../src/client.ts';
import { networkName } from '../../src/config.ts';
import { migrate } from '../../src/db/migrate.ts';
import { isAlive } from '../../src/sandbox/child.ts';
import {
  startSandboxLedger,
  type SandboxLedger,
  type SandboxLedgerOptions,
} from '../../src/sandbox/ledger/start.ts';
import { startPostgres, type Postgres } from '../../src/sandbox/postgres.ts';
import { startTemporalServer, type TemporalServer } from '../../src/sandbox/temporal-server.ts';
import { SA_NAMES } from '../../src/temporal.ts';
import { SEARCH_ATTRIBUTES } from '../../src/workflows/search-attributes.ts';
import { prepare, type Cast } from './cast.ts';
import { within } from './deadline.ts';
import { createDiary, recorded, type Diary } from './diary.ts';
import type { Arm } from './failpoint.ts';
import { makeFolder, removeFolder } from './folder.ts';
import { startLink, type Link } from './link.ts';
import { startMerchant, type Merchant } from './merchant.ts';
import { startPostgresProxy, type PostgresProxy } from './postgres-proxy.ts';
import { startCertifiedWorker, type CertifiedWorker } from './worker.ts';

/** Everything that runs. */
export type Stack = Cast & {
  readonly ledger: SandboxLedger;
  readonly merchant: Merchant;
  readonly proxy: PostgresProxy;
  /** Between the workers and Temporal. */
  readonly link: Link;
  /** What is asked by it is written down in the diary. */
  readonly client: SettlementClient;
  readonly diary: Diary;
  readonly temporal: Client;
  readonly network: string;
  readonly databaseUrl: string;
  /** Those that run, or are frozen. */
  readonly workers: readonly CertifiedWorker[];
  /** Rows of a statement, past the proxy; asked again while PostgreSQL is away. */
  rows<T extends Record<string, unknown>>(statement: string, values?: unknown[]): Promise<T[]>;
  addWorker(env?: NodeJS.ProcessEnv): Promise<CertifiedWorker>;
  /** As many workers as in the beginning: faults that strike side by side may have replaced one twice. */
  restaff(): Promise<void>;
  /** Arms a failpoint in every worker, now and in those that are added; the first one to get there strikes. */
  arm(arm: Omit<Arm, 'mark'>): { mark: string; disarm(): void };
  killTemporal(): Promise<void>;
  restartTemporal(): Promise<void>;
  /** The server is there, and does nothing. */
  signalTemporal(name: 'SIGSTOP' | 'SIGCONT'): void;
  /** `-m immediate`: no checkpoint, every backend is cut off. */
  stopPostgres(): Promise<void>;
  restartPostgres(): Promise<void>;
  /** Workers that ended though nobody had asked them to, and how. */
  readonly unasked: string[];
  logged(): string;
  stop(): Promise<void>;
};

/** Fast enough for a ledger a second. */
const POLL_MS = '500';

/** A worker that is asked to end drains first. */
const ENDS_WITHIN_MS = 120_000;
/** A part that does not stop is left to end with this process. */
const STOPS_WITHIN_MS = 30_000;

async function stopAll(stops: readonly (() => Promise<unknown>)[]): Promise<void> {
  for (const stop of stops.toReversed()) {
    await within(STOPS_WITHIN_MS, () => 'a part was stopped', stop()).catch(() => undefined);
  }
}

/** What may differ from the certificate's own stack. */
export type StackOptions = {
  /** How many workers there are; two unless given. */
  readonly workers?: number;
  /** Changes the environment of every worker. */
  readonly env?: (usual: NodeJS.ProcessEnv) => NodeJS.ProcessEnv;
  /** How the sandbox ledger is started. */
  readonly ledger?: SandboxLedgerOptions;
  /** Stands for Node in every worker: a program that ends by becoming Node with the arguments it was given. */
  readonly execPath?: string;
};

/** Starts everything. `bundle` is the workflows' code. */
export async function startStack(bundle: string, options: StackOptions = {}): Promise<Stack> {
  const dir = makeFolder('stack');
  chmodSync(dir, 0o755); // PostgreSQL runs as another user
  const stops: (() => Promise<unknown>)[] = [];
  try {
    return await assemble(dir, bundle, options, stops);
  } catch (error) {
    await stopAll(stops);
    throw error;
  }
}

async function assemble(
  dir: string,
  bundle: string,
  {
    workers: count = 2,
    env: change = (usual) => usual,
    ledger: ledgerOptions,
    execPath,
  }: StackOptions,
  stops: (() => Promise<unknown>)[],
): Promise<Stack> {
  const silent = () => undefined;
  const temporalOptions = {
    progress: silent,
    dbFilename: join(dir, 'temporal.db'),
    searchAttributes: SEARCH_ATTRIBUTES.map(({ name, type }) => [name, SA_NAMES[type]] as const),
  };
  const dataDir = join(dir, 'postgres');
  let [temporalServer, postgres]: [TemporalServer, Postgres] = await Promise.all([
    startTemporalServer(temporalOptions),
    startPostgres({ progress: silent, dataDir }),
  ]);
  stops.push(() => temporalServer.stop());
  stops.push(() => postgres.stop());
  const ports = {
    port: Number(new URL(`http://${temporalServer.address}`).port),
    uiPort: Number(new URL(temporalServer.uiUrl).port),
  };
  const databaseUrl = await postgres.createDatabase('certify');
  const postgresPort = Number(new URL(databaseUrl).port);
  const [ledger, merchant, proxy, link] = await Promise.all([
    startSandboxLedger(ledgerOptions),
    startMerchant(),
    startPostgresProxy(postgresPort),
    startLink(ports.port),
  ]);
  stops.push(() => Promise.all([ledger.stop(), merchant.stop(), proxy.stop(), link.stop()]));
  const diary = createDiary(ledger);
  await migrate(databaseUrl, { networkPassphrase: ledger.networkPassphrase });

  const writes = '-c default_transaction_read_only=off'; // also while the database is read-only for everybody else
  // A fault may hold a lock of a row that is asked about: then it is asked about again, not waited for.
  const limits = `${writes} -c statement_timeout=10000`;
  const pool = new Pool({
    connectionString: databaseUrl,
    max: 4,
    options: limits,
    connectionTimeoutMillis: 10_000,
    query_timeout: 15_000,
  });
  pool.on('error', silent);
  pool.on('connect', (client) => client.on('error', silent));
  stops.push(() => pool.end());
  const rows: Stack['rows'] = async <T extends Record<string, unknown>>(
    statement: string,
    values: unknown[] = [],
  ) => {
    for (const end = Date.now() + 60_000; ; await sleep(100)) {
      try {
        return (await pool.query<T>(statement, values)).rows;
      } catch (error) {
        // Errors of ours have a class of their own; away is a socket code, a shutdown, a cut or a blocked connection.
        const { code, message } = error as { code?: string; message: string };
        const away =
          /^(E[A-Z]+|57014|57P0.|08...|53300)$/.test(code ?? '') ||
          /terminated|timeout/.test(message);
        if (!away || Date.now() > end) throw error;
      }
    }
  };

  const { address } = temporalServer;
  const connection = await Connection.connect({ address });
  // Never closed: who asks again after a pause would meet a closed channel where nobody can catch that.
  const temporal = new Client({ connection });

  const proxied = new URL(databaseUrl);
  proxied.port = String(proxy.port);
  const env = change({
    ...process.env,
    DATABASE_URL: proxied.toString(),
    HORIZON_URL: ledger.url,
    NETWORK_PASSPHRASE: ledger.networkPassphrase,
    HORIZON_REQUESTS_PER_HOUR: '0',
    POLL_INTERVAL_MS: POLL_MS,
    RECONCILE_INTERVAL_MS: '15000',
    WEBHOOK_ALLOW: merchant.host,
    TEMPORAL_ADDRESS: link.address,
    WORKFLOW_BUNDLE: bundle,
    LOG_LEVEL: 'warn',
  });
  const logFile = join(dir, 'workers.log');
  const running = new Set<CertifiedWorker>();
  const unasked: string[] = [];
  let arms: Arm[] = [];
  const marked: string[] = [];
  const bury = async (worker: CertifiedWorker) => {
    const how = await worker.ended;
    running.delete(worker);
    // A failpoint has its worker killed without asking us.
    const struck = marked.some((mark) => ownerOf(mark) === worker.pid);
    if (!worker.expected && !struck) unasked.push(`worker ${worker.pid}: ${how}`);
  };
  const addWorker = async (changes: NodeJS.ProcessEnv = {}) => {
    const worker = await persistently(() =>
      startCertifiedWorker({ ...env, ...changes }, logFile, execPath),
    );
    running.add(worker);
    worker.arm(arms);
    void bury(worker);
    return worker;
  };
  stops.push(async () => {
    for (const worker of running) worker.signal('SIGKILL');
    await Promise.all([...running].map((worker) => worker.ended));
  });
  const cast = await prepare(ledger, merchant, rows);
  await Promise.all(Array.from({ length: count }, () => addWorker()));
  return {
    ledger,
    merchant,
    proxy,
    link,
    temporal,
    client: recorded(settlementClient(temporal, 20_000), diary),
    diary,
    network: networkName(ledger.networkPassphrase),
    databaseUrl,
    ...cast,
    get workers() {
      return [...running];
    },
    rows,
    addWorker,
    restaff: async () => {
      const surplus = [...running].slice(count);
      for (const worker of surplus) worker.signal('SIGTERM');
      await within(
        ENDS_WITHIN_MS,
        () => 'workers that were asked to end',
        Promise.all(surplus.map((worker) => worker.ended)),
      );
      while (running.size < count) await addWorker();
    },
    arm: (wanted) => {
      const arm = { ...wanted, mark: join(dir, `struck-${marked.length}`) };
      marked.push(arm.mark);
      arms = [...arms, arm];
      for (const worker of running) worker.arm(arms);
      const disarm = () => {
        arms = arms.filter((one) => one !== arm);
        for (const worker of running) worker.arm(arms);
      };
      return { mark: arm.mark, disarm };
    },
    killTemporal: async () => {
      process.kill(temporalServer.pid, 'SIGKILL');
      while (isAlive(temporalServer.pid)) await sleep(20);
    },
    restartTemporal: async () => {
      temporalServer = await startTemporalServer({ ...temporalOptions, ...ports });
    },
    signalTemporal: (name) => void process.kill(temporalServer.pid, name),
    stopPostgres: async () => {
      process.kill(postgres.pid, 'SIGQUIT');
      while (isAlive(postgres.pid)) await sleep(20);
    },
    restartPostgres: async () => {
      postgres = await startPostgres({ progress: silent, dataDir, port: postgresPort });
    },
    unasked,
    logged: () => readFileSync(logFile, 'utf8'),
    stop: async () => {
      await stopAll(stops);
      removeFolder(dir);
    },
  };
}

/** A worker does not start while PostgreSQL or Temporal is away, or the machine too busy to answer. */
async function persistently<T>(start: () => Promise<T>): Promise<T> {
  for (const end = Date.now() + 90_000; ; await sleep(200)) {
    try {
      return await start();
    } catch (error) {
      if (Date.now() > end) throw error;
    }
  }
}

/** The pid of the worker that struck at a failpoint; null before that. */
export function ownerOf(mark: string): number | null {
  try {
    return Number(readFileSync(mark, 'utf8').split(' ')[0]);
  } catch {
    return null;
  }
}
