/** One worker for each task queue, with slots of its own: nobody's work waits behind work of another kind. */
import { Worker, type WorkerOptions } from '@temporalio/worker';
import type { Deps } from './activities/deps.ts';
import { heartbeatInterceptor } from './activities/heartbeat.ts';
import {
  horizonActivities,
  reconcileActivities,
  settlementActivities,
  watcherActivities,
  webhookActivities,
} from './activities/index.ts';
import { plainErrors } from './activities/plain-errors.ts';
import type { ReconcileDeps } from './activities/reconcile/deps.ts';
import type { Config } from './config.ts';
import type { Temporal } from './temporal.ts';
import type { Tracing } from './tracing.ts';
import { versioning, workflowCode } from './worker-code.ts';
import {
  HORIZON_QUEUE,
  SETTLEMENT_QUEUE,
  WATCHER_QUEUE,
  WEBHOOKS_QUEUE,
} from './workflows/contract.ts';

/** A cached run costs some 0.6 MB; an evicted one costs a replay of a few events. */
const CACHED_RUNS = 500;
/**
 * Workflow tasks of sessions in progress. They are milliseconds of one thread. Tasks beyond these wait at the server, which hands
 * them out by priority and by account in turn; a task that is in the process already waits behind all others there.
 */
const RUNS_AT_ONCE = 8;
/** POSTs under way in this process; each may take 15 s. */
const POSTS_AT_ONCE = 50;
/** Reports that are asked about at once. None of them waits in its slot, and a merchant has a quarter of them. */
const REPORTS_AT_ONCE = 20;
/** One watcher and three runs of reconciliation (scheduled, by hand, dry), and as much again for those taken over. */
const READER_AT_ONCE = 8;

/** What the activities of each kind work with. */
export type WorkerDeps = {
  /** Sessions, webhooks and reports. */
  readonly sessions: Deps;
  /** Watcher, waker and reconciliation: the same, over connections of their own. */
  readonly reader: ReconcileDeps;
};

/** Makes the workers of this process, one for each task queue; none of them runs yet. @throws what the SDK throws */
export async function createWorkers(
  config: Config,
  { sessions, reader }: WorkerDeps,
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
  const workflows = {
    ...workflowCode(temporal, tracing),
    // A worker that died keeps its runs' sticky queue: others get its tasks after this, not after 10 s.
    stickyQueueScheduleToStartTimeout: '2 seconds',
  } as const;
  const ofReader = { ...watcherActivities(reader), ...reconcileActivities(reader) };
  return Promise.all([
    Worker.create({
      ...common,
      ...workflows,
      taskQueue: SETTLEMENT_QUEUE,
      activities: settlementActivities(sessions),
      maxCachedWorkflows: CACHED_RUNS,
      maxConcurrentWorkflowTaskExecutions: RUNS_AT_ONCE,
    }),
    Worker.create({
      ...common,
      ...workflows,
      taskQueue: WATCHER_QUEUE,
      activities: ofReader,
      maxCachedWorkflows: READER_AT_ONCE,
      maxConcurrentActivityTaskExecutions: READER_AT_ONCE,
    }),
    Worker.create({
      ...common,
      taskQueue: WEBHOOKS_QUEUE,
      activities: webhookActivities(sessions),
      maxConcurrentActivityTaskExecutions: POSTS_AT_ONCE,
    }),
    Worker.create({
      ...common,
      taskQueue: HORIZON_QUEUE,
      // Runs that an earlier version began have theirs on this queue, until they begin anew.
      activities: { ...horizonActivities(sessions), ...ofReader },
      maxConcurrentActivityTaskExecutions: REPORTS_AT_ONCE,
    }),
  ]);
}
