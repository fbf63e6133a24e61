/** The whole system in this process, on skipped time: real PostgreSQL, Temporal, HTTP and signed transactions. */
import { randomUUID } from 'node:crypto';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { pino } from 'pino';
import {
  horizonActivities,
  reconcileActivities,
  settlementActivities,
  webhookActivities,
} from '../../src/activities/index.ts';
import { createBell } from '../../src/activities/bell.ts';
import type { ReconcileDeps } from '../../src/activities/reconcile/deps.ts';
import { plainErrors } from '../../src/activities/plain-errors.ts';
import { heartbeatInterceptor } from '../../src/activities/heartbeat.ts';
import { takeTurn } from '../../src/activities/watch/turn.ts';
import { wakeDue } from '../../src/activities/watch/wake-due.ts';
import { settlementClient, type OpenRequest, type SettlementClient } from '../../src/client.ts';
import { connect } from '../../src/db/connection.ts';
import { createSettleQueue } from '../../src/db/settle-queue.ts';
import { createHorizonSource } from '../../src/horizon/source.ts';
import { startSandboxLedger, type SandboxLedger } from '../../src/sandbox/ledger/start.ts';
import { SandboxWallet } from '../../src/sandbox/ledger/wallet.ts';
import { startReceiver, type Receiver } from '../../src/sandbox/receiver.ts';
import { endRun, runState, SA_TYPES, wakeSession } from '../../src/temporal.ts';
import { createWebhookSender } from '../../src/webhook/post.ts';
import {
  HORIZON_QUEUE,
  sessionWorkflowId,
  SETTLEMENT_QUEUE,
  WATCHER_QUEUE,
  WEBHOOKS_QUEUE,
} from '../../src/workflows/contract.ts';
import { SEARCH_ATTRIBUTES } from '../../src/workflows/search-attributes.ts';
import { countingCounters } from './counters.ts';
import { createTestDatabase, insertMerchant, type TestDatabase } from './database.ts';
import { given } from './given.ts';

export type Stage = {
  readonly env: TestWorkflowEnvironment;
  readonly client: SettlementClient;
  readonly database: TestDatabase;
  readonly ledger: SandboxLedger;
  readonly receiver: Receiver;
  readonly deps: ReconcileDeps;
  readonly merchantId: string;
  /** Receives; has a trustline for nothing but lumens. */
  readonly shop: SandboxWallet;
  readonly customer: SandboxWallet;
  /** Time as the ledger and the workflows see it. */
  now(): Promise<Date>;
  /** Opens a session of 10 lumens that lasts 30 minutes, unless the request says otherwise. */
  open(request?: Partial<OpenRequest>): Promise<{ id: string; memo: string; expiresAt: Date }>;
  /** Skips time, on the ledger, too, which closes one at the end of it. */
  skip(ms: number): Promise<void>;
  /** Closes a ledger, reads it, settles, and wakes whom it concerns. */
  watch(): Promise<void>;
  /** The result of the session's latest run, when it has ended; time is skipped meanwhile. */
  runEnd(sessionId: string): Promise<unknown>;
  close(): Promise<void>;
};

let installed = false;

/** Builds the stage; one for each test file, since skipped time is global to its server. */
export async function setStage(): Promise<Stage> {
  const env = await skipTime();
  await registerSearchAttributes(env);
  const database = await createTestDatabase();
  const ours = connect(database.appUrl);
  const receiver = await startReceiver();
  let ledgerTime = new Date();
  const ledger = await startSandboxLedger({ closeEveryMs: null, clock: () => ledgerTime });
  const network = {
    url: ledger.url,
    networkPassphrase: ledger.networkPassphrase,
    closeLedger: () => ledger.closeLedger(),
  };
  const [shop, customer] = [new SandboxWallet(network), new SandboxWallet(network)];
  for (const { address } of [shop, customer]) await ledger.fund(address, '10000');
  const deps: ReconcileDeps = {
    database: ours,
    secretKeys: null,
    queue: createSettleQueue(ours),
    source: createHorizonSource({ url: ledger.url, requestsPerHour: 0 }),
    sender: createWebhookSender({ allowPrivate: [receiver.host] }),
    wake: (sessionId) => wakeSession(env.client, sessionId),
    settledBell: createBell(),
    log: pino({ level: 'silent' }),
    counters: countingCounters(),
    pollIntervalMs: 1,
    readStrategy: 'accounts',
    networkPassphrase: ledger.networkPassphrase,
    draining: new AbortController().signal,
    networkName: 'sandbox',
    runOf: (sessionId) => runState(env.client, sessionWorkflowId(sessionId)),
    endRun: (id, reason) => endRun(env.client, sessionWorkflowId(id), reason),
    watcher: { isRunning: () => Promise.resolve(true), start: () => Promise.resolve() },
    requestsToReadAgain: 100,
  };
  const workers = await createWorkers(env, deps);
  const running = Promise.all(workers.map((worker) => worker.run()));
  const merchantId = await insertMerchant(database, { webhookUrl: `${receiver.url}/hook` });
  const client = settlementClient(env.client);
  const now = async () => new Date(await env.currentTimeMs());
  return {
    env,
    client,
    database,
    ledger,
    receiver,
    deps,
    merchantId,
    shop,
    customer,
    now,
    open: async (request = {}) => {
      const id = randomUUID();
      const expiresAt = new Date((await env.currentTimeMs()) + 30 * 60_000);
      const { memo } = await client.openSession(id, {
        merchantId,
        amount: '10',
        asset: { code: 'XLM', issuer: null },
        receivingAccount: shop.address,
        expiresAt: expiresAt.toISOString(),
        ...request,
      });
      return { id, memo, expiresAt };
    },
    skip: async (ms) => {
      await env.sleep(ms);
      ledgerTime = new Date(await env.currentTimeMs());
      ledger.closeLedger();
    },
    watch: async () => {
      ledger.closeLedger();
      const { signal } = new AbortController();
      await takeTurn(deps, { isFirst: false, thorough: false, signal });
      await wakeDue(deps);
    },
    runEnd: (sessionId) => env.client.workflow.getHandle(sessionWorkflowId(sessionId)).result(),
    close: async () => {
      for (const worker of workers) worker.shutdown();
      await running;
      await env.teardown();
      await Promise.all([deps.source.close(), deps.sender.close(), ledger.stop(), receiver.stop()]);
      await Promise.all([ours.close(), database.close()]);
    },
  };
}

/** A Temporal server on skipped time, alone. */
export async function skipTime(): Promise<TestWorkflowEnvironment> {
  if (!installed) Runtime.install({ logger: new DefaultLogger('ERROR') });
  installed = true;
  const path = given('timeSkippingServer');
  const env = await TestWorkflowEnvironment.createTimeSkipping({
    server: { executable: { type: 'existing-path', path } },
  });
  waitForOneResultAtATime(env);
  return env;
}

/**
 * Who waits for a result takes the server's lock on time away until it is there. Two who wait at once take it twice: its
 * count falls below zero, the server drops out of the middle of a change, and every call after that hangs.
 */
function waitForOneResultAtATime({ client }: TestWorkflowEnvironment): void {
  const { workflow } = client;
  const result = workflow.result.bind(workflow);
  let awaited: string | null = null;
  workflow.result = async (workflowId, ...rest) => {
    if (awaited !== null) {
      throw new Error(`Wait for the result of ${awaited} first, and then for ${workflowId}'s.`);
    }
    awaited = workflowId;
    return result(workflowId, ...rest).finally(() => (awaited = null)) as never;
  };
}

async function createWorkers(env: TestWorkflowEnvironment, deps: ReconcileDeps): Promise<Worker[]> {
  const common = {
    connection: env.nativeConnection,
    interceptors: {
      activity: [() => ({ inbound: heartbeatInterceptor() }), () => ({ inbound: plainErrors() })],
    },
  };
  const codePath = given('bundle');
  return Promise.all([
    Worker.create({
      ...common,
      workflowBundle: { codePath },
      taskQueue: SETTLEMENT_QUEUE,
      activities: settlementActivities(deps),
    }),
    Worker.create({
      ...common,
      taskQueue: WEBHOOKS_QUEUE,
      activities: webhookActivities(deps),
    }),
    Worker.create({
      ...common,
      taskQueue: HORIZON_QUEUE,
      activities: horizonActivities(deps),
    }),
    Worker.create({
      ...common,
      workflowBundle: { codePath },
      taskQueue: WATCHER_QUEUE,
      activities: reconcileActivities(deps),
    }),
  ]);
}

/** Without them, the first run of a session that shows itself cannot go on. */
export async function registerSearchAttributes(env: TestWorkflowEnvironment): Promise<void> {
  await env.connection.operatorService.addSearchAttributes({
    namespace: 'default',
    searchAttributes: Object.fromEntries(
      SEARCH_ATTRIBUTES.map(({ name, type }) => [name, SA_TYPES[type]]),
    ),
  });
}
