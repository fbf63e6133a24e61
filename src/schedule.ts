/** The schedule of reconciliation: made, brought in line, and told about. */
import {
  ScheduleAlreadyRunning,
  ScheduleNotFoundError,
  ScheduleOverlapPolicy,
  type Client,
  type ScheduleDescription,
} from '@temporalio/client';
import type { ReconcileReport } from './domain/discrepancy.ts';
import { NotAnswered } from './domain/failure.ts';
import { reconcileScheduleId, WATCHER_QUEUE } from './workflows/contract.ts';

/** A run that could not start for this long is not made up for: the next one finds the same. */
const CATCHUP_WINDOW_MS = 60_000;

/** Which network's database is reconciled, and how often. */
export type Cadence = { readonly networkName: string; readonly everyMs: number };

/**
 * Makes the schedule, or brings it to this cadence; does nothing when it is right already. Safe to run twice, and at once
 * with another worker. A schedule that an operator has paused stays paused.
 */
export async function ensureSchedule(
  client: Client,
  { networkName, everyMs }: Cadence,
): Promise<'created' | 'updated' | 'unchanged'> {
  const scheduleId = reconcileScheduleId(networkName);
  try {
    await client.schedule.create({
      scheduleId,
      spec: { intervals: [{ every: everyMs }] },
      policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: CATCHUP_WINDOW_MS },
      action: {
        type: 'startWorkflow',
        workflowType: 'reconcile',
        workflowId: `reconcile:${networkName}`,
        taskQueue: WATCHER_QUEUE,
        args: [{}],
        staticSummary: `repairs what is inconsistent on ${networkName}`,
      },
    });
    return 'created';
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
  }
  const handle = client.schedule.getHandle(scheduleId);
  const { spec, action } = await handle.describe();
  const [interval, ...others] = spec.intervals ?? [];
  const isRight = interval?.every === everyMs && others.length === 0;
  if (isRight && action.taskQueue === WATCHER_QUEUE) return 'unchanged';
  await handle.update((before) => ({
    ...before,
    spec: { intervals: [{ every: everyMs }] },
    // Earlier versions ran it on the sessions' queue.
    action: { ...before.action, taskQueue: WATCHER_QUEUE },
  }));
  return 'updated';
}

/** The schedule as Temporal knows it; null when nobody has made it. */
export async function describeSchedule(
  client: Client,
  networkName: string,
): Promise<ScheduleDescription | null> {
  try {
    return await client.schedule.getHandle(reconcileScheduleId(networkName)).describe();
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return null;
    throw error;
  }
}

/** A worker takes a run up at once; after this, none is there. */
const TAKEN_UP_WITHIN_MS = 20_000;

/**
 * Runs reconciliation now and waits for its report. One that is under way by the same command is waited for instead.
 * Without a worker it is given up. @throws NotAnswered
 */
export async function reconcileNow(
  client: Client,
  networkName: string,
  { dryRun, within = TAKEN_UP_WITHIN_MS }: { dryRun: boolean; within?: number },
): Promise<ReconcileReport> {
  const run = await client.workflow.start('reconcile', {
    workflowId: `reconcile:${networkName}:${dryRun ? 'dry-run' : 'by-hand'}`,
    taskQueue: WATCHER_QUEUE,
    args: [{ dryRun }],
    workflowIdConflictPolicy: 'USE_EXISTING',
    staticSummary: `${dryRun ? 'looks for' : 'repairs'} what is inconsistent on ${networkName}, by hand`,
  });
  const report = run.result() as Promise<ReconcileReport>;
  // Should it fail while it is asked about, that is told by who waits for it.
  report.catch(() => undefined);
  let timer: NodeJS.Timeout | undefined;
  const waited = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), within);
  });
  const first = await Promise.race([report, waited]).finally(() => clearTimeout(timer));
  if (first !== null) return first;
  const { events } = await run.fetchHistory();
  if (events?.some((event) => event.workflowTaskCompletedEventAttributes)) return report;
  await run.terminate('No worker took it up.');
  throw new NotAnswered('No worker takes reconciliation up. Is one running?');
}
