import {
  Client,
  Connection,
  WorkflowNotFoundError,
  type ConnectionOptions,
} from '@temporalio/client';
import { NativeConnection, type WorkerOptions } from '@temporalio/worker';
import type { RunState } from './activities/reconcile/deps.ts';
import { temporalSettings } from './temporal-settings.ts';
import {
  SESSION_WORKFLOW,
  SETTLEMENT_QUEUE,
  sessionWorkflowId,
  WATCHER_QUEUE,
  wakeSignal,
  watcherWorkflowId,
} from './workflows/contract.ts';
import { PRIORITIES, WORKFLOW_TASK_TIMEOUT } from './workflows/options.ts';
import { SEARCH_ATTRIBUTES } from './workflows/search-attributes.ts';

/** The worker's two connections to Temporal: one to poll for work, one to wake and to start. */
export type Temporal = {
  readonly native: NativeConnection;
  readonly client: Client;
  /** How workers read payloads, and encrypt them where that is on. */
  readonly worker: { readonly dataConverter: NonNullable<WorkerOptions['dataConverter']> };
  readonly namespace: string;
  readonly address: string;
  close(): Promise<void>;
};

/** Connects as TEMPORAL_ADDRESS and its kin, or temporal.toml, say. */
export async function connectTemporal(): Promise<Temporal> {
  const { connectionOptions, namespace = 'default', ...converters } = temporalSettings();
  const options: ConnectionOptions = connectionOptions;
  const address = options.address ?? 'localhost:7233';
  const native = await NativeConnection.connect(connectionOptions);
  const connection = await Connection.connect(options);
  return {
    native,
    client: new Client({ ...converters.client, connection, namespace }),
    worker: converters.worker,
    namespace,
    address,
    close: async () => {
      await connection.close();
      await native.close();
    },
  };
}

/** Temporal's numbers of our search attributes' types (temporal.api.enums.v1.IndexedValueType). */
export const SA_TYPES = { KEYWORD: 2, BOOL: 5, DATETIME: 6 } as const;

/**
 * What the namespace lacks, in words; empty when it fits. An unregistered search attribute would block every workflow
 * for ever (seen on server 1.29.1), so a worker must not start then.
 */
export async function namespaceProblems({ client, namespace }: Temporal): Promise<string[]> {
  try {
    await client.workflowService.describeNamespace({ namespace });
  } catch (error) {
    return [
      `Temporal has no namespace "${namespace}": ${error instanceof Error ? error.message : String(error)}`,
    ];
  }
  const known = await client.connection.operatorService.listSearchAttributes({ namespace });
  const missing = SEARCH_ATTRIBUTES.filter(
    ({ name, type }) => Number(known.customAttributes?.[name]) !== SA_TYPES[type],
  );
  return missing.map(
    ({ name, type }) =>
      `The namespace "${namespace}" lacks the search attribute ${name}: ` +
      `temporal operator search-attribute create --namespace ${namespace} --name ${name} --type ${SA_NAMES[type]}`,
  );
}

/** The same as the command line spells them. */
export const SA_NAMES = { KEYWORD: 'Keyword', BOOL: 'Bool', DATETIME: 'Datetime' } as const;

/** A wake that Temporal does not take within this is given up: the next turn of the watcher sends it again. */
const WAKE_WITHIN_MS = 2_000;

/** Wakes a session's workflow, or starts a short run. Runs of one `account` share its part of the task queue. */
export async function wakeSession(
  client: Client,
  sessionId: string,
  account: string = '',
): Promise<void> {
  await client.withDeadline(Date.now() + WAKE_WITHIN_MS, () =>
    client.workflow.signalWithStart(SESSION_WORKFLOW, {
      workflowId: sessionWorkflowId(sessionId),
      taskQueue: SETTLEMENT_QUEUE,
      args: [{ sessionId }],
      signal: wakeSignal,
      signalArgs: [{}],
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      workflowIdConflictPolicy: 'USE_EXISTING',
      workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
      priority: { priorityKey: PRIORITIES.woken, fairnessKey: account },
      staticSummary: `checkout session ${sessionId}`,
    }),
  );
}

/**
 * A task that was tried this often fails by itself, and not by a worker that went away: that costs one attempt or two. Tries
 * without a worker are none.
 */
const STUCK_AT_ATTEMPT = 5;

/** What became of the latest run of a workflow. */
export async function runState(client: Client, workflowId: string): Promise<RunState> {
  try {
    const { status, raw } = await client.workflow.getHandle(workflowId).describe();
    if (status.name !== 'RUNNING') return 'none';
    return (raw.pendingWorkflowTask?.attempt ?? 0) >= STUCK_AT_ATTEMPT ? 'stuck' : 'runs';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return 'none';
    throw error;
  }
}

/** Whether a workflow of this id is running now. */
export async function isRunning(client: Client, workflowId: string): Promise<boolean> {
  return (await runState(client, workflowId)) !== 'none';
}

/** Ends the latest run of a workflow, if there is one. */
export async function endRun(client: Client, workflowId: string, reason: string): Promise<void> {
  try {
    await client.workflow.getHandle(workflowId).terminate(reason);
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
  }
}

/** Makes sure that the network's watcher runs; does nothing when it does. */
export async function ensureWatcher(client: Client, network: string): Promise<void> {
  await client.workflow.start('ledgerWatcher', {
    workflowId: watcherWorkflowId(network),
    taskQueue: WATCHER_QUEUE,
    args: [{ network }],
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
    workflowIdConflictPolicy: 'USE_EXISTING',
    workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
    staticSummary: `reads the ledger of ${network}`,
  });
}
