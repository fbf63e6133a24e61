/** The whole system as it is in production: processes that can be killed, real time, a Temporal dev server. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Memo } from '@stellar/stellar-sdk';
import { connectSettlement, type OpenRequest, type SettlementClient } from '../../src/client.ts';
import { startSandboxLedger, type SandboxLedger } from '../../src/sandbox/ledger/start.ts';
import { SandboxWallet } from '../../src/sandbox/ledger/wallet.ts';
import { startReceiver, type Receiver } from '../../src/sandbox/receiver.ts';
import { startTemporalServer, type TemporalServer } from '../../src/sandbox/temporal-server.ts';
import { startWorker, type WorkerProcess } from '../../src/sandbox/worker-process.ts';
import { SA_NAMES } from '../../src/temporal.ts';
import { SEARCH_ATTRIBUTES } from '../../src/workflows/search-attributes.ts';
import { createTestDatabase, insertMerchant, type TestDatabase } from './database.ts';

export type System = {
  readonly temporal: TemporalServer;
  readonly database: TestDatabase;
  readonly ledger: SandboxLedger;
  readonly receiver: Receiver;
  readonly client: SettlementClient;
  readonly merchantId: string;
  readonly shop: SandboxWallet;
  readonly customer: SandboxWallet;
  /** The worker's environment: it works as the role that may delete nothing of worth. */
  readonly env: NodeJS.ProcessEnv;
  /** Starts a worker; `close` ends those that are left. */
  worker(env?: NodeJS.ProcessEnv): Promise<WorkerProcess>;
  /** What all workers have logged. */
  logged(): string;
  /** Opens a session of 10 lumens. */
  open(request?: Partial<OpenRequest>): Promise<{ id: string; memo: string }>;
  /** Pays it; resolves when the payment is in a ledger. */
  pay(memo: string, amount?: string): Promise<string>;
  close(): Promise<void>;
};

/** Starts everything but a worker. */
export async function startSystem(): Promise<System> {
  const [temporal, database, ledger, receiver] = await Promise.all([
    startTemporalServer({
      progress: () => undefined,
      searchAttributes: SEARCH_ATTRIBUTES.map(({ name, type }) => [name, SA_NAMES[type]] as const),
    }),
    createTestDatabase(),
    startSandboxLedger(),
    startReceiver(),
  ]);
  const network = { url: ledger.url, networkPassphrase: ledger.networkPassphrase };
  const [shop, customer] = [new SandboxWallet(network), new SandboxWallet(network)];
  await Promise.all([shop, customer].map(({ address }) => ledger.fund(address, '10000')));
  const merchantId = await insertMerchant(database, { webhookUrl: `${receiver.url}/hook` });
  const client = await connectSettlement({ address: temporal.address });
  const logFile = join(mkdtempSync(join(tmpdir(), 'settle-test-')), 'worker.log');
  const workers = new Set<WorkerProcess>();
  const env = {
    ...process.env,
    DATABASE_URL: database.appUrl,
    HORIZON_URL: ledger.url,
    NETWORK_PASSPHRASE: ledger.networkPassphrase,
    HORIZON_REQUESTS_PER_HOUR: '0',
    POLL_INTERVAL_MS: '200',
    WEBHOOK_ALLOW: receiver.host,
    TEMPORAL_ADDRESS: temporal.address,
  };
  return {
    temporal,
    database,
    ledger,
    receiver,
    client,
    merchantId,
    shop,
    customer,
    env,
    worker: async (changes = {}) => {
      const worker = await startWorker({ ...env, ...changes }, logFile);
      workers.add(worker);
      return worker;
    },
    logged: () => readFileSync(logFile, 'utf8'),
    open: async (request = {}) => {
      const id = randomUUID();
      const { memo } = await client.openSession(id, {
        ...tenLumens(merchantId, shop.address),
        ...request,
      });
      return { id, memo };
    },
    pay: async (memo, amount = '10') => {
      const paid = await customer.pay(shop.address, amount, 'native', { memo: Memo.id(memo) });
      if (!paid.successful) throw new Error(`The payment failed: ${paid.codes.join(', ')}.`);
      return paid.hash;
    },
    close: async () => {
      await Promise.all([...workers].map((worker) => worker.kill()));
      await client.close();
      await Promise.all([ledger.stop(), receiver.stop(), database.close()]);
      await temporal.stop();
    },
  };
}

/** What a backend asks for where nothing else matters: ten lumens within half an hour. */
export function tenLumens(merchantId: string, receivingAccount: string): OpenRequest {
  return {
    merchantId,
    amount: '10',
    asset: { code: 'XLM', issuer: null },
    receivingAccount,
    expiresAt: new Date(Date.now() + 30 * 60_000).toISOString(),
  };
}

/** Asks until the answer is wanted. Rejects after `withinMs` with the last answer. */
export async function until<T>(
  ask: () => Promise<T>,
  wanted: (answer: T) => boolean,
  withinMs = 90_000,
): Promise<T> {
  const end = Date.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (wanted(answer)) return answer;
    if (Date.now() > end) throw new Error(`It never became so; last: ${JSON.stringify(answer)}`);
    await sleep(50);
  }
}
