/** The composition root: configuration in, one worker process out. Everything is made here and passed down. */
import { Runtime, type Worker } from '@temporalio/worker';
import type { Logger } from 'pino';
import { createBell, type Bell } from './activities/bell.ts';
import { ACCOUNTS_AT_ONCE } from './activities/watch/accounts-reader.ts';
import type { ReconcileDeps } from './activities/reconcile/deps.ts';
import { ConfigError, loadConfig, senderOptions, type Config } from './config.ts';
import { connect } from './db/connection.ts';
import { createSettleQueue } from './db/settle-queue.ts';
import { noteAdoption } from './db/reconcile-runs.ts';
import { SHARES } from './horizon/budget.ts';
import { createHorizonSource } from './horizon/source.ts';
import { countersOf, installRuntime } from './runtime.ts';
import { createLog } from './log.ts';
import { NotReady, refuseUnfit } from './fitness.ts';
import { keepCheckingHorizon } from './horizon-check.ts';
import { ensureSchedule } from './schedule.ts';
import { serveChecks } from './health.ts';
import { tellStanding } from './standing.ts';
import { startTracing, traced } from './tracing.ts';
import {
  connectTemporal,
  endRun,
  ensureWatcher,
  isRunning,
  runState,
  wakeSession,
  type Temporal,
} from './temporal.ts';
import { printError } from './cli/output.ts';
import { createWebhookSender } from './webhook/post.ts';
import { createWorkers, type WorkerDeps } from './worker-queues.ts';
import { sessionWorkflowId, watcherWorkflowId } from './workflows/contract.ts';

/**
 * Connections of the reader, in addition to DATABASE_POOL: one for each account that a turn reads, and one each for the turn, its
 * background jobs, the commit queue, the waker, and up to three runs of reconciliation. No other work uses them.
 */
const READER_CONNECTIONS = 8 + ACCOUNTS_AT_ONCE;
/** How often watcher and schedule are made sure of: a Temporal store that was lost heals by itself. */
const ENSURE_EVERY_MS = 60_000;

/**
 * Runs a worker until SIGTERM or SIGINT, then drains. Who settles beside it in the same process rings its bell.
 * @throws ConfigError, NotReady
 */
export async function runWorker(
  env: NodeJS.ProcessEnv,
  onReady?: () => void,
  settledBell: Bell = createBell(),
): Promise<void> {
  const config = loadConfig(env);
  const tracing = await startTracing(env, 'stellar-settlement-worker');
  const log = createLog(config.LOG_LEVEL, tracing?.logFields);
  installRuntime(log, config.METRICS_ADDRESS);
  const temporal = await connectTemporal();
  const made = createDeps(config, log, temporal, settledBell, untilAskedToEnd());
  const { sessions: deps, reader } = {
    sessions: traced(made.sessions, tracing),
    reader: traced(made.reader, tracing),
  };
  const closings: (() => unknown)[] = [
    deps.sender,
    deps.source,
    deps.database,
    reader.database,
    temporal,
  ].map((open) => () => open.close());
  try {
    await refuseUnfit(deps, temporal, config);
    await noteAdoption(deps.database.db);
    const requestsPerHour = config.HORIZON_REQUESTS_PER_HOUR;
    closings.unshift(keepCheckingHorizon({ ...deps, requestsPerHour }));
    const workers: Worker[] = [];
    closings.unshift(await serveChecks(config, deps, temporal, workers));
    // Last of what may fail: workers that were made and never ran cannot be ended, and hold the connection.
    workers.push(...(await createWorkers(config, { sessions: deps, reader }, temporal, tracing)));
    const ensuring = keepWatching(temporal, config, log);
    closings.unshift(() => clearInterval(ensuring));
    closings.unshift(
      tellStanding(Runtime.instance(), reader.database.db, log, poolsOf(deps, reader)),
    );
    log.info({ network: config.networkName, temporal: temporal.address }, 'The worker runs.');
    onReady?.();
    await Promise.all(workers.map((worker) => worker.run()));
    log.info('The worker has drained and stops.');
  } finally {
    for (const close of closings) {
      try {
        await close();
      } catch (error) {
        // It must not hide why the worker ends.
        log.warn({ err: error }, 'Something stayed open.');
      }
    }
    await tracing?.flush();
  }
}

type HasDatabase = Pick<ReconcileDeps, 'database'>;

const poolsOf = (sessions: HasDatabase, reader: HasDatabase) => ({
  sessions: sessions.database.pool,
  reader: reader.database.pool,
});

/** The SDK drains by the same signals, but tells activities only when their grace is over. */
function untilAskedToEnd(): AbortSignal {
  const ending = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => ending.abort());
  return ending.signal;
}

/** Makes what the activities work with: the reader has connections of its own, and commits go over them. */
function createDeps(
  config: Config,
  log: Logger,
  temporal: Temporal,
  settledBell: Bell,
  draining: AbortSignal,
): WorkerDeps {
  const counters = countersOf(Runtime.instance());
  counters.budget(config.HORIZON_REQUESTS_PER_HOUR);
  const open = (max: number, applicationName: string) =>
    connect(config.DATABASE_URL, {
      max,
      applicationName,
      onError: (error) => log.warn({ err: error }, 'A connection to PostgreSQL was lost.'),
    });
  const database = open(config.DATABASE_POOL, 'settlement worker');
  const ofReader = open(READER_CONNECTIONS, 'settlement reader');
  // One queue for both, so that one commit is in flight: two would retry each other.
  const queue = createSettleQueue({ pool: ofReader.pool, db: database.db }, (cost) => {
    counters.committed(cost);
    log.debug(cost, 'A settle transaction committed.');
  });
  const sessions: ReconcileDeps = {
    database,
    queue,
    source: createHorizonSource({
      url: config.HORIZON_URL,
      requestsPerHour: config.HORIZON_REQUESTS_PER_HOUR,
      onAnswer: (status) => counters.asked(status),
      onNoBudget: (use) => counters.notAsked(use),
    }),
    sender: createWebhookSender(senderOptions(config)),
    secretKeys: config.WEBHOOK_SECRET_KEYS ?? null,
    wake: (sessionId, account) => wakeSession(temporal.client, sessionId, account),
    settledBell,
    log,
    counters,
    pollIntervalMs: config.POLL_INTERVAL_MS,
    readStrategy: config.READ_STRATEGY,
    networkPassphrase: config.NETWORK_PASSPHRASE,
    draining,
    networkName: config.networkName,
    runOf: (sessionId) => runState(temporal.client, sessionWorkflowId(sessionId)),
    endRun: (id, reason) => endRun(temporal.client, sessionWorkflowId(id), reason),
    watcher: {
      isRunning: () => isRunning(temporal.client, watcherWorkflowId(config.networkName)),
      start: () => ensureWatcher(temporal.client, config.networkName),
    },
    requestsToReadAgain: requestsToReadAgain(config),
  };
  return { sessions, reader: { ...sessions, database: ofReader } };
}

/** Reconciliation's share of the request budget of one interval, and never too little to read a page: head, chain, and itself. */
function requestsToReadAgain({ HORIZON_REQUESTS_PER_HOUR, RECONCILE_INTERVAL_MS }: Config): number {
  if (HORIZON_REQUESTS_PER_HOUR === 0) return Number.POSITIVE_INFINITY;
  const share = SHARES.reconciliation * HORIZON_REQUESTS_PER_HOUR;
  return Math.max(3, Math.floor(share * (RECONCILE_INTERVAL_MS / 3_600_000)));
}

/** Starts the watcher and makes the schedule now, and makes sure of both every minute. */
function keepWatching({ client }: Temporal, config: Config, log: Logger): NodeJS.Timeout {
  const { networkName, RECONCILE_INTERVAL_MS: everyMs } = config;
  const ensure = () => {
    ensureWatcher(client, networkName).catch((error: unknown) =>
      log.error({ err: error }, 'The watcher could not be started; tried again in a minute.'),
    );
    ensureSchedule(client, { networkName, everyMs }).catch((error: unknown) =>
      log.error({ err: error }, 'The schedule could not be made; tried again in a minute.'),
    );
  };
  ensure();
  return setInterval(ensure, ENSURE_EVERY_MS);
}

if (import.meta.url === `file://${process.argv[1] ?? ''}`) {
  try {
    await runWorker(process.env, () => process.send?.('ready'));
  } catch (error) {
    const known = error instanceof ConfigError || error instanceof NotReady;
    printError(known ? error.message : String(error instanceof Error ? error.stack : error));
    process.exit(known ? 2 : 1); // as src/cli.ts does, and for its reason
  }
}
