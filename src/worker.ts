/** The composition root: configuration in, one worker process out. Everything is made here and passed down. */
import { Runtime, Worker, type WorkerOptions } from '@temporalio/worker';
import type { Logger } from 'pino';
import {
  horizonActivities,
  reconcileActivities,
  settlementActivities,
  watcherActivities,
  webhookActivities,
} from './activities/index.ts';
import { createBell, type Bell } from './activities/bell.ts';
import type { ReconcileDeps } from './activities/reconcile/deps.ts';
import { plainErrors } from './activities/plain-errors.ts';
import { heartbeatInterceptor } from './activities/heartbeat.ts';
import { ConfigError, loadConfig, senderOptions, type Config } from './config.ts';
import { connect } from './db/connection.ts';
import { createSettleQueue } from './db/settle-queue.ts';
import { noteAdoption } from './db/reconcile-runs.ts';
import { createHorizonSource } from './horizon/source.ts';
import { countersOf, installRuntime } from './runtime.ts';
import { createLog } from './log.ts';
import { NotReady, refuseUnfit } from './fitness.ts';
import { keepCheckingHorizon } from './horizon-check.ts';
import { ensureSchedule } from './schedule.ts';
import { serveChecks } from './health.ts';
import { tellStanding } from './standing.ts';
import { startTracing, traced, type Tracing } from './tracing.ts';
import {
  connectTemporal,
  ensureWatcher,
  isRunning,
  wakeSession,
  type Temporal,
} from './temporal.ts';
import { printError } from './cli/output.ts';
import { createWebhookSender } from './webhook/post.ts';
import { versioning, workflowCode } from './worker-code.ts';
import {
  HORIZON_QUEUE,
  sessionWorkflowId,
  SETTLEMENT_QUEUE,
  watcherWorkflowId,
  WEBHOOKS_QUEUE,
} from './workflows/contract.ts';

/** A cached run costs some 0.6 MB; an evicted one costs a replay of a few events. */
const CACHED_RUNS = 500;
/** POSTs under way in this process; each may take 15 s. */
const POSTS_AT_ONCE = 50;
/** Activities that ask Horizon: the watcher, and reports. */
const HORIZON_AT_ONCE = 20;
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
  const deps = traced(made, tracing);
  const closings: (() => unknown)[] = [deps.sender, deps.source, deps.database, temporal].map(
    (open) => () => open.close(),
  );
  try {
    await refuseUnfit(deps, temporal);
    await noteAdoption(deps.database.db);
    const requestsPerHour = config.HORIZON_REQUESTS_PER_HOUR;
    closings.unshift(keepCheckingHorizon({ ...deps, requestsPerHour }));
    const workers: Worker[] = [];
    closings.unshift(await serveChecks(config, deps, temporal, workers));
    // Last of what may fail: workers that were made and never ran cannot be ended, and hold the connection.
    workers.push(...(await createWorkers(config, deps, temporal, tracing)));
    const ensuring = keepWatching(temporal, config, log);
    closings.unshift(() => clearInterval(ensuring));
    closings.unshift(tellStanding(Runtime.instance(), deps.database.db, log));
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

/** The SDK drains by the same signals, but tells activities only when their grace is over. */
function untilAskedToEnd(): AbortSignal {
  const ending = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => ending.abort());
  return ending.signal;
}

/** Makes what the activities work with. */
function createDeps(
  config: Config,
  log: Logger,
  temporal: Temporal,
  settledBell: Bell,
  draining: AbortSignal,
): ReconcileDeps {
  const counters = countersOf(Runtime.instance());
  counters.budget(config.HORIZON_REQUESTS_PER_HOUR);
  const database = connect(config.DATABASE_URL, {
    max: config.DATABASE_POOL,
    applicationName: 'settlement worker',
    onError: (error) => log.warn({ err: error }, 'A connection to PostgreSQL was lost.'),
  });
  return {
    database,
    queue: createSettleQueue(database, (cost) => {
      counters.committed(cost);
      log.debug(cost, 'A settle transaction committed.');
    }),
    source: createHorizonSource({
      url: config.HORIZON_URL,
      requestsPerHour: config.HORIZON_REQUESTS_PER_HOUR,
      onAnswer: (status) => counters.asked(status),
    }),
    sender: createWebhookSender(senderOptions(config)),
    secretKeys: config.WEBHOOK_SECRET_KEYS ?? null,
    wake: (sessionId) => wakeSession(temporal.client, sessionId),
    settledBell,
    log,
    counters,
    pollIntervalMs: config.POLL_INTERVAL_MS,
    readStrategy: config.READ_STRATEGY,
    networkPassphrase: config.NETWORK_PASSPHRASE,
    draining,
    networkName: config.networkName,
    isRunning: (sessionId) => isRunning(temporal.client, sessionWorkflowId(sessionId)),
    watcher: {
      isRunning: () => isRunning(temporal.client, watcherWorkflowId(config.networkName)),
      start: () => ensureWatcher(temporal.client, config.networkName),
    },
    requestsToReadAgain: requestsToReadAgain(config),
  };
}

/** Half of what the request budget allows in one interval, and never too little to read a page: its head, and itself. */
function requestsToReadAgain({ HORIZON_REQUESTS_PER_HOUR, RECONCILE_INTERVAL_MS }: Config): number {
  if (HORIZON_REQUESTS_PER_HOUR === 0) return Number.POSITIVE_INFINITY;
  const half = (HORIZON_REQUESTS_PER_HOUR / 2) * (RECONCILE_INTERVAL_MS / 3_600_000);
  return Math.max(2, Math.floor(half));
}

async function createWorkers(
  config: Config,
  deps: ReconcileDeps,
  temporal: Temporal,
  tracing: Tracing | null,
): Promise<Worker[]> {
  const common = {
    ...temporal.worker,
    ...versioning(config),
    connection: temporal.native,
    namespace: temporal.namespace,
    interceptors: {
      activity: [
        ...(tracing === null ? [] : [tracing.activity]),
        () => ({ inbound: heartbeatInterceptor() }),
        () => ({ inbound: plainErrors() }),
      ],
      ...(tracing === null ? {} : { workflowModules: [...tracing.workflowModules] }),
    },
    ...(tracing === null ? {} : { sinks: tracing.sinks }),
    // Temporal hands out work again as soon as a worker says that it leaves; what is in flight gets this long.
    shutdownGraceTime: config.SHUTDOWN_GRACE_MS,
    maxHeartbeatThrottleInterval: '1 second',
    defaultHeartbeatThrottleInterval: '1 second',
  } satisfies Partial<WorkerOptions>;
  return Promise.all([
    Worker.create({
      ...common,
      ...workflowCode(temporal, tracing),
      taskQueue: SETTLEMENT_QUEUE,
      activities: settlementActivities(deps),
      maxCachedWorkflows: CACHED_RUNS,
      // A worker that died keeps its runs' sticky queue: others get its tasks after this, not after 10 s.
      stickyQueueScheduleToStartTimeout: '2 seconds',
    }),
    Worker.create({
      ...common,
      taskQueue: WEBHOOKS_QUEUE,
      activities: webhookActivities(deps),
      maxConcurrentActivityTaskExecutions: POSTS_AT_ONCE,
    }),
    Worker.create({
      ...common,
      taskQueue: HORIZON_QUEUE,
      activities: {
        ...horizonActivities(deps),
        ...watcherActivities(deps),
        ...reconcileActivities(deps),
      },
      maxConcurrentActivityTaskExecutions: HORIZON_AT_ONCE,
    }),
  ]);
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
