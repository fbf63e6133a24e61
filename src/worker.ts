/** The composition root: configuration in, one worker process out. Everything is made here and passed down. */
import { fileURLToPath } from 'node:url';
import { DefaultLogger, Runtime, Worker, type WorkerOptions } from '@temporalio/worker';
import { pino, type Logger } from 'pino';
import {
  horizonActivities,
  settlementActivities,
  watcherActivities,
  webhookActivities,
} from './activities/index.ts';
import type { Counters, Deps } from './activities/deps.ts';
import { heartbeatInterceptor } from './activities/heartbeat.ts';
import { ConfigError, loadConfig, type Config } from './config.ts';
import { connect } from './db/connection.ts';
import { createSettleQueue } from './db/settle-queue.ts';
import { schemaProblems } from './db/check.ts';
import { createHorizonSource } from './horizon/source.ts';
import {
  connectTemporal,
  ensureWatcher,
  namespaceProblems,
  wakeSession,
  type Temporal,
} from './temporal.ts';
import { createWebhookSender } from './webhook/post.ts';
import { HORIZON_QUEUE, SETTLEMENT_QUEUE, WEBHOOKS_QUEUE } from './workflows/contract.ts';

/** The worker must not start like this; every reason is named. */
export class NotReady extends Error {
  override readonly name = 'NotReady';
  constructor(problems: readonly string[]) {
    super(`The worker cannot start:\n${problems.map((p) => `  ${p}`).join('\n')}`);
  }
}

/** A cached run costs some 0.6 MB; an evicted one costs a replay of a few events. */
const CACHED_RUNS = 500;
/** POSTs under way in this process; each may take 15 s. */
const POSTS_AT_ONCE = 50;
/** Activities that ask Horizon: the watcher, and reports. */
const HORIZON_AT_ONCE = 20;
/** How often the watcher's existence is made sure of: a Temporal store that was lost heals by itself. */
const ENSURE_EVERY_MS = 60_000;

/** Runs a worker until SIGTERM or SIGINT, then drains. @throws ConfigError, NotReady */
export async function runWorker(env: NodeJS.ProcessEnv, onReady?: () => void): Promise<void> {
  const config = loadConfig(env);
  const log = pino({ level: config.LOG_LEVEL });
  installRuntime(log, config.METRICS_ADDRESS);
  const temporal = await connectTemporal();
  const deps = createDeps(config, log, temporal, untilAskedToEnd());
  try {
    await refuseUnfit(deps, temporal);
    const workers = await createWorkers(config, deps, temporal);
    const ensuring = keepWatcher(temporal, config.networkName, log);
    log.info({ network: config.networkName, temporal: temporal.address }, 'The worker runs.');
    onReady?.();
    try {
      await Promise.all(workers.map((worker) => worker.run()));
    } finally {
      clearInterval(ensuring);
    }
    log.info('The worker has drained and stops.');
  } finally {
    await deps.sender.close();
    await deps.source.close();
    await deps.database.close();
    await temporal.close();
  }
}

function installRuntime(log: Logger, metricsAddress: string | undefined): void {
  const levels = {
    TRACE: 'trace',
    DEBUG: 'debug',
    INFO: 'info',
    WARN: 'warn',
    ERROR: 'error',
  } as const;
  Runtime.install({
    logger: new DefaultLogger('WARN', ({ level, message, meta }) => {
      // Two of the three task queues have activities only, and that is as it should be.
      if (message.startsWith('No workflows registered')) return;
      log[levels[level]]({ ...meta, sdk: true }, message);
    }),
    shutdownSignals: ['SIGTERM', 'SIGINT'],
    ...(metricsAddress === undefined
      ? {}
      : {
          telemetryOptions: {
            metrics: {
              prometheus: {
                bindAddress: metricsAddress,
                countersTotalSuffix: true,
                unitSuffix: true,
                useSecondsForDurations: true,
              },
            },
          },
        }),
  });
}

/** Our own counters, beside the SDK's on the same page. */
function countersOf({ metricMeter }: Runtime): Counters {
  const judged = metricMeter.createCounter('settlement_payments_judged');
  const late = metricMeter.createCounter('settlement_found_after_ending');
  return {
    judged: (verdict) => judged.add(1, { verdict }),
    foundAfterEnding: () => late.add(1),
  };
}

/** The SDK drains by the same signals, but tells activities only when their grace is over. */
function untilAskedToEnd(): AbortSignal {
  const ending = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => ending.abort());
  return ending.signal;
}

/** Makes what the activities work with. */
function createDeps(config: Config, log: Logger, temporal: Temporal, draining: AbortSignal): Deps {
  const database = connect(config.DATABASE_URL, {
    max: config.DATABASE_POOL,
    applicationName: 'settlement worker',
    onError: (error) => log.warn({ err: error }, 'A connection to PostgreSQL was lost.'),
  });
  return {
    database,
    queue: createSettleQueue(database, ({ sessions, retries, ms }) =>
      log.debug({ sessions, retries, ms }, 'A settle transaction committed.'),
    ),
    source: createHorizonSource({
      url: config.HORIZON_URL,
      requestsPerHour: config.HORIZON_REQUESTS_PER_HOUR,
    }),
    sender: createWebhookSender({ allowPrivate: config.WEBHOOK_ALLOW }),
    wake: (sessionId) => wakeSession(temporal.client, sessionId),
    log,
    counters: countersOf(Runtime.instance()),
    pollIntervalMs: config.POLL_INTERVAL_MS,
    readStrategy: config.READ_STRATEGY,
    networkPassphrase: config.NETWORK_PASSPHRASE,
    draining,
  };
}

/** Database, network and namespace must all fit; every problem is told at once. */
async function refuseUnfit(deps: Deps, temporal: Temporal): Promise<void> {
  const problems = [
    ...(await schemaProblems(deps.database.db, deps.networkPassphrase)),
    ...(await horizonProblems(deps)),
    ...(await namespaceProblems(temporal)),
  ];
  if (problems.length > 0) throw new NotReady(problems);
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

async function createWorkers(config: Config, deps: Deps, temporal: Temporal): Promise<Worker[]> {
  const common = {
    connection: temporal.native,
    namespace: temporal.namespace,
    interceptors: { activity: [() => ({ inbound: heartbeatInterceptor() })] },
    // Temporal hands out work again as soon as a worker says that it leaves; what is in flight gets this long.
    shutdownGraceTime: config.SHUTDOWN_GRACE_MS,
    maxHeartbeatThrottleInterval: '1 second',
    defaultHeartbeatThrottleInterval: '1 second',
  } satisfies Partial<WorkerOptions>;
  return Promise.all([
    Worker.create({
      ...common,
      ...workflowCode(),
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
      activities: { ...horizonActivities(deps), ...watcherActivities(deps) },
      maxConcurrentActivityTaskExecutions: HORIZON_AT_ONCE,
    }),
  ]);
}

/** A bundle made beforehand (tests, images) or the sources, which are bundled at start. */
function workflowCode(): Pick<WorkerOptions, 'workflowBundle' | 'workflowsPath'> {
  const codePath = process.env['WORKFLOW_BUNDLE'];
  if (codePath) return { workflowBundle: { codePath } };
  // TypeScript in the repository, JavaScript in an image.
  const ending = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  return { workflowsPath: fileURLToPath(new URL(`./workflows/index${ending}`, import.meta.url)) };
}

/** Starts the watcher now and makes sure of it every minute. */
function keepWatcher({ client }: Temporal, network: string, log: Logger): NodeJS.Timeout {
  const ensure = () => {
    ensureWatcher(client, network).catch((error: unknown) =>
      log.error({ err: error }, 'The watcher could not be started; tried again in a minute.'),
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
    process.stderr.write(
      `${known ? error.message : String(error instanceof Error ? error.stack : error)}\n`,
    );
    process.exitCode = known ? 2 : 1;
  }
}
