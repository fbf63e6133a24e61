import { isGrpcServiceError, type Client } from '@temporalio/client';
import { describeSchedule } from '../schedule.ts';
import { isRunning } from '../temporal.ts';
import { SESSION_WORKFLOW, SETTLEMENT_QUEUE, watcherWorkflowId } from '../workflows/contract.ts';
import { withTemporal } from './temporal.ts';

/** Temporal's numbers of the kinds of tasks that workers poll for (temporal.api.enums.v1.TaskQueueType). */
const WORKFLOW_TASKS = 1;

/** What gRPC says of a query that names an attribute that the server does not have: INVALID_ARGUMENT. */
const UNKNOWN_ATTRIBUTE: ReadonlySet<number> = new Set([3]);

/** A poll waits for a minute; Temporal remembers those of workers that are gone for five. */
const POLLED_WITHIN_MS = 120_000;
const DAY_MS = 24 * 3_600_000;

/** What Temporal says of the whole. */
export type Runs = {
  readonly serverVersion: string;
  readonly watcherRuns: boolean;
  readonly schedule: 'running' | 'paused' | 'missing';
  readonly nextRun: string | null;
  /** Those that polled for workflow tasks within two minutes, by the name they give themselves. */
  readonly workers: readonly string[];
  /** Runs of sessions that are open, and that failed within a day; none should. */
  readonly openRuns: number;
  readonly failedRuns: number;
  /** Open runs of any kind whose tasks fail; null where this server does not tell (before 1.29, or switched off). */
  readonly troubledRuns: number | null;
};

/** Asks; null where Temporal does not answer. */
export async function askTemporal(networkName: string): Promise<Runs | null> {
  try {
    return await withTemporal(async (client) => {
      const [schedule, watcherRuns, workers, info, openRuns, failedRuns, troubledRuns] =
        await Promise.all([
          describeSchedule(client, networkName),
          isRunning(client, watcherWorkflowId(networkName)),
          pollers(client),
          client.workflowService.getSystemInfo({}),
          sessions(client, 'ExecutionStatus = "Running"'),
          sessions(
            client,
            `ExecutionStatus = "Failed" AND CloseTime > "${new Date(Date.now() - DAY_MS).toISOString()}"`,
          ),
          countTroubled(client),
        ]);
      return {
        serverVersion: info.serverVersion ?? 'unknown',
        watcherRuns,
        schedule: schedule === null ? 'missing' : schedule.state.paused ? 'paused' : 'running',
        nextRun: schedule?.info.nextActionTimes[0]?.toISOString() ?? null,
        workers,
        openRuns,
        failedRuns,
        troubledRuns,
      };
    });
  } catch {
    return null;
  }
}

async function sessions(client: Client, which: string): Promise<number> {
  const { count } = await client.workflow.count(
    `WorkflowType = "${SESSION_WORKFLOW}" AND ${which}`,
  );
  return count;
}

/**
 * Open runs whose last workflow tasks failed or timed out, of whatever type: one of a foreign type under a session's
 * workflow id keeps that session from its own. Null where the server has no such attribute.
 */
export async function countTroubled(client: Client): Promise<number | null> {
  try {
    const { count } = await client.workflow.count(
      'ExecutionStatus = "Running" AND TemporalReportedProblems IN ("category=WorkflowTaskFailed", "category=WorkflowTaskTimedOut")',
    );
    return count;
  } catch (error) {
    const { cause } = error as { cause?: unknown };
    if (isGrpcServiceError(cause) && UNKNOWN_ATTRIBUTE.has(cause.code)) return null;
    throw error;
  }
}

async function pollers(client: Client): Promise<string[]> {
  const { pollers: found } = await client.workflowService.describeTaskQueue({
    namespace: client.options.namespace,
    taskQueue: { name: SETTLEMENT_QUEUE },
    taskQueueType: WORKFLOW_TASKS,
  });
  const lately = (found ?? []).filter(
    ({ lastAccessTime }) =>
      Number(lastAccessTime?.seconds ?? 0) * 1000 > Date.now() - POLLED_WITHIN_MS,
  );
  return [...new Set(lately.map(({ identity }) => identity ?? 'unnamed'))].sort();
}
