/** The whole system on real parts, each of which can be killed and comes back at the same address. */
import { randomUUID } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Keypair, Operation, type Memo } from '@stellar/stellar-sdk';
import { Client, Connection } from '@temporalio/client';
import { Pool } from 'pg';
import { settlementClient, type SettlementClient } from '../../src/client.ts';
import { networkName } from '../../src/config.ts';
import { merchantEndpointId } from '../../src/db/ids.ts';
import { migrate } from '../../src/db/migrate.ts';
import { isAlive } from '../../src/sandbox/child.ts';
import { startSandboxLedger, type SandboxLedger } from '../../src/sandbox/ledger/start.ts';
import { assetOf, SandboxWallet } from '../../src/sandbox/ledger/wallet.ts';
import { startPostgres, type Postgres } from '../../src/sandbox/postgres.ts';
import { startTemporalServer, type TemporalServer } from '../../src/sandbox/temporal-server.ts';
import { SA_NAMES } from '../../src/temporal.ts';
import { SEARCH_ATTRIBUTES } from '../../src/workflows/search-attributes.ts';
import type { Arm } from './failpoint.ts';
import { startLink, type Link } from './link.ts';
import { startMerchant, type Merchant } from './merchant.ts';
import { startPostgresProxy, type PostgresProxy } from './postgres-proxy.ts';
import { startCertifiedWorker, type CertifiedWorker } from './worker.ts';

/** An endpoint as the receiver knows it: the name in its path, its secret, and the events it asked for. */
export type Endpoint = {
  readonly id: string;
  readonly name: string;
  /** The current one first; the receiver knows the older ones, too. */
  readonly secrets: string[];
  readonly wantsExceptions: boolean;
};

export type Shop = {
  readonly wallet: SandboxWallet;
  readonly merchantId: string;
  readonly endpoints: readonly Endpoint[];
};

export type Stack = {
  readonly ledger: SandboxLedger;
  readonly merchant: Merchant;
  readonly proxy: PostgresProxy;
  /** Between the workers and Temporal. */
  readonly link: Link;
  readonly client: SettlementClient;
  readonly temporal: Client;
  readonly network: string;
  readonly databaseUrl: string;
  readonly shops: readonly Shop[];
  readonly customer: SandboxWallet;
  /** USDC, and the same code of somebody else. */
  readonly usdc: string;
  readonly fake: string;
  /** Those that run, or are frozen. */
  readonly workers: readonly CertifiedWorker[];
  /** Rows of a statement, past the proxy; asked again while PostgreSQL is away. */
  rows<T extends Record<string, unknown>>(statement: string, values?: unknown[]): Promise<T[]>;
  addWorker(env?: NodeJS.ProcessEnv): Promise<CertifiedWorker>;
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

const SHOPS = 6;
/** Fast enough for a ledger a second. */
const POLL_MS = '250';

/** Starts everything with `workers` workers. `bundle` is the workflows' code. */
export async function startStack(bundle: string, workers = 2): Promise<Stack> {
  const dir = mkdtempSync(join(tmpdir(), 'certify-'));
  chmodSync(dir, 0o755); // PostgreSQL runs as another user
  const stops: (() => Promise<unknown>)[] = [];
  try {
    return await assemble(dir, bundle, workers, stops);
  } catch (error) {
    for (const stop of stops.toReversed()) await stop().catch(() => undefined);
    throw error;
  }
}

async function assemble(
  dir: string,
  bundle: string,
  count: number,
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
    startSandboxLedger(),
    startMerchant(),
    startPostgresProxy(postgresPort),
    startLink(ports.port),
  ]);
  stops.push(() => Promise.all([ledger.stop(), merchant.stop(), proxy.stop(), link.stop()]));
  await migrate(databaseUrl, { networkPassphrase: ledger.networkPassphrase });

  const writes = '-c default_transaction_read_only=off'; // also while the database is read-only for everybody else
  const pool = new Pool({ connectionString: databaseUrl, max: 4, options: writes });
  pool.on('error', silent);
  pool.on('connect', (client) => client.on('error', silent));
  stops.push(() => pool.end());
  const rows: Stack['rows'] = async <T extends Record<string, unknown>>(
    statement: string,
    values: unknown[] = [],
  ) => {
    for (const end = Date.now() + 30_000; ; await sleep(100)) {
      try {
        return (await pool.query<T>(statement, values)).rows;
      } catch (error) {
        // Errors of ours have a class of their own; away is a socket code, a shutdown, or a cut connection.
        const { code, message } = error as { code?: string; message: string };
        const away = /^(E[A-Z]+|57P0.|08...|53300)$/.test(code ?? '') || /terminated/.test(message);
        if (!away || Date.now() > end) throw error;
      }
    }
  };

  const { address } = temporalServer;
  const connection = await Connection.connect({ address });
  const temporal = new Client({ connection });
  stops.push(() => connection.close());

  const proxied = new URL(databaseUrl);
  proxied.port = String(proxy.port);
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    DATABASE_URL: proxied.toString(),
    HORIZON_URL: ledger.url,
    NETWORK_PASSPHRASE: ledger.networkPassphrase,
    HORIZON_REQUESTS_PER_HOUR: '0',
    POLL_INTERVAL_MS: POLL_MS,
    RECONCILE_INTERVAL_MS: '10000',
    WEBHOOK_ALLOW: merchant.host,
    TEMPORAL_ADDRESS: link.address,
    WORKFLOW_BUNDLE: bundle,
    LOG_LEVEL: 'warn',
  };
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
    const worker = await persistently(() => startCertifiedWorker({ ...env, ...changes }, logFile));
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
    client: settlementClient(temporal, 20_000),
    network: networkName(ledger.networkPassphrase),
    databaseUrl,
    ...cast,
    get workers() {
      return [...running];
    },
    rows,
    addWorker,
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
      for (const stop of stops.toReversed()) await stop().catch(() => undefined);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** A worker does not start while PostgreSQL or Temporal is away. */
async function persistently<T>(start: () => Promise<T>): Promise<T> {
  for (const end = Date.now() + 30_000; ; await sleep(200)) {
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

type Cast = Pick<Stack, 'shops' | 'customer' | 'usdc' | 'fake'>;

/** Accounts with money and trust, merchants with one endpoint or two. */
async function prepare(
  ledger: SandboxLedger,
  merchant: Merchant,
  rows: Stack['rows'],
): Promise<Cast> {
  const wallet = () => new SandboxWallet(ledger);
  const [customer, issuer, faker] = [wallet(), wallet(), wallet()];
  const wallets = Array.from({ length: SHOPS }, wallet);
  const [usdc, fake] = [`USDC:${issuer.address}`, `USDC:${faker.address}`];
  const root = new SandboxWallet(ledger, Keypair.fromSecret(ledger.rootSecret));
  const create = (to: SandboxWallet, lumens: string) =>
    Operation.createAccount({ destination: to.address, startingBalance: lumens });
  await submit(ledger, root, [
    create(customer, '100000000'),
    ...[issuer, faker, ...wallets].map((one) => create(one, '1000')),
  ]);
  ledger.closeLedger();
  for (const one of [customer, ...wallets]) {
    const lines = [usdc, fake].map((asset) => Operation.changeTrust({ asset: assetOf(asset) }));
    await submit(ledger, one, lines);
  }
  ledger.closeLedger();
  for (const [by, asset] of [
    [issuer, usdc],
    [faker, fake],
  ] as const) {
    const gift = {
      destination: customer.address,
      asset: assetOf(asset),
      amount: '90000000',
    };
    await submit(ledger, by, [Operation.payment(gift)]);
  }
  ledger.closeLedger();
  const shops: Shop[] = [];
  for (const [index, one] of wallets.entries()) {
    shops.push(await addShop(one, index, merchant, rows));
  }
  return { shops, customer, usdc, fake };
}

async function addShop(
  wallet: SandboxWallet,
  index: number,
  merchant: Merchant,
  rows: Stack['rows'],
): Promise<Shop> {
  const merchantId = randomUUID();
  const secret = (digit: number) => `${index}${digit}`.repeat(32);
  const name = (which: number) => `shop-${index}-${which}`;
  await rows(
    `INSERT INTO merchants (id, wallet_address, business_name, email, webhook_url, webhook_secret)
     VALUES ($1, $2, 'A shop', $3, $4, $5)`,
    [merchantId, merchantId, `${merchantId}@example.com`, `${merchant.url}/${name(0)}`, secret(0)],
  );
  const first = {
    id: merchantEndpointId(merchantId),
    name: name(0),
    secrets: [secret(0)],
    wantsExceptions: false,
  };
  if (index % 2 === 0) return { wallet, merchantId, endpoints: [first] };
  const id = randomUUID();
  const all = ['payment.confirmed', 'session.expired', 'session.cancelled', 'payment.exception'];
  await rows(
    `INSERT INTO webhook_endpoints (id, merchant_id, url, secret, events, is_active)
     VALUES ($1, $2, $3, $4, $5, true)`,
    [id, merchantId, `${merchant.url}/${name(1)}`, secret(1), JSON.stringify(all)],
  );
  const second = { id, name: name(1), secrets: [secret(1)], wantsExceptions: true };
  return { wallet, merchantId, endpoints: [first, second] };
}

type Builder = Parameters<SandboxWallet['run']>[0][number];

/** One transaction of an account is signed after the other: each needs the number of the one before. */
const turns = new WeakMap<SandboxWallet, Promise<unknown>>();

/** Hands signed operations over for the next ledger, whatever Horizon's API is suffering from. Returns the hash. */
export async function submit(
  ledger: SandboxLedger,
  by: SandboxWallet,
  operations: readonly Builder[],
  { memo, bumped = false }: { memo?: Memo | undefined; bumped?: boolean } = {},
): Promise<string> {
  const mine = (turns.get(by) ?? Promise.resolve()).then(async () => {
    const sequence = ledger.chain.lastSequence(by.address);
    if (sequence === null) throw new Error(`${by.address} does not exist.`);
    const inner = await by.build(operations, {
      sequence: sequence + 1n,
      ...(memo === undefined ? {} : { memo }),
    });
    const envelope = bumped ? by.bump(inner, '2000') : inner;
    const { done } = ledger.chain.submit(envelope.toXdr());
    const refused = await Promise.race([done, Promise.resolve(null)]);
    if (refused?.kind === 'refused') throw new Error('The ledger refused a transaction.');
    return Buffer.from(envelope.hash()).toString('hex');
  });
  turns.set(
    by,
    mine.catch(() => undefined),
  );
  return mine;
}
