/**
 * The library a backend imports: a typed door to the session workflows. It needs Temporal's address
 * (TEMPORAL_ADDRESS… or temporal.toml, read by @temporalio/envconfig) and nothing else; no database, no Horizon. Where
 * the workers encrypt payloads, it needs their TEMPORAL_CODEC_KEYS, too.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection, WithStartWorkflowOperation } from '@temporalio/client';
import type { Workflow } from '@temporalio/common';
import { asCallerSeesIt, isPassing } from './client-errors.ts';
import {
  cancelUpdate,
  lookUpdate,
  openUpdate,
  redeliverUpdate,
  reportUpdate,
  SESSION_WORKFLOW,
  sessionIdOf,
  sessionWorkflowId,
  SETTLEMENT_QUEUE,
  stateQuery,
  wakeSignal,
  type CancelAnswer,
  type OpenedSession,
  type OpenRequest,
  type ReportAnswer,
  type SessionView,
} from './workflows/contract.ts';
import { NotAnswered, Refusal, type RefusalCode } from './domain/failure.ts';
import { AnswerDiffers, requireFits, requireOpened } from './doors/answers.ts';
import { partOf, readTxHash, readUuid } from './doors/messages.ts';
import { readOpenRequest } from './doors/open-request.ts';
import { temporalSettings } from './temporal-settings.ts';
import { startTracing } from './tracing.ts';
import { createTurns } from './turns.ts';
import { PRIORITIES, WORKFLOW_TASK_TIMEOUT } from './workflows/options.ts';

export { AnswerDiffers, NotAnswered, Refusal, type RefusalCode };
export type { CancelAnswer, OpenedSession, OpenRequest, ReportAnswer, SessionView };

/** Everything a backend can ask of the settlement system. */
export type SettlementClient = {
  /**
   * Opens the session and says how it is paid. Safe to repeat; another body under the same id is a Refusal.
   * @throws Refusal InvalidInput with the field, before anything is sent; AnswerDiffers when the answer does not fit
   */
  openSession(sessionId: string, request: OpenRequest): Promise<OpenedSession>;
  /** "Look again." Accepted even when no worker runs; with a hash it reports a payment without waiting for an answer. */
  wake(sessionId: string, hint?: { txHash?: string }): Promise<void>;
  /** Has a transaction proven on the ledger and says what it means for the session. */
  reportPayment(sessionId: string, txHash: string): Promise<ReportAnswer>;
  /** Stops taking payments. `closing` means that the ledger is not read far enough yet: ask again. */
  cancelSession(sessionId: string): Promise<CancelAnswer>;
  /**
   * What is known of the session; null when there is none. A run that waits tells what it saw, one that has ended left
   * it as its result; `fresh` has the database looked at all the same, which opens a short run.
   */
  sessionState(sessionId: string, options?: { fresh?: boolean }): Promise<SessionView | null>;
  /** Sends an event again, under its old id. */
  redeliver(sessionId: string, deliveryId: string): Promise<void>;
  close(): Promise<void>;
};

/** How long an update waits for a worker and its answer; `cancel` alone may take 15 s, a report 10 s. */
const ANSWER_WITHIN_MS = 30_000;

/** Temporal takes ten updates of a run at once, from all clients together; more are refused. */
const UPDATES_AT_ONCE = 10;
/** Callers that may wait for their turn, of one session in one process. */
const MOST_WAITING = 1_000;
/** The pause after a run had no room: other clients are asking, too. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;

/** Where Temporal is, when the environment does not say it. */
export type ConnectOptions = {
  readonly address?: string;
  readonly namespace?: string;
  /** How long to wait for a worker's answer, in milliseconds; 30 s unless given. */
  readonly answerWithinMs?: number;
};

/**
 * Connects by the environment (@temporalio/envconfig), or as the options say. With OTEL_EXPORTER_OTLP_ENDPOINT each
 * call is a span; a process that has OpenTelemetry set up keeps its own.
 */
export async function connectSettlement(options: ConnectOptions = {}): Promise<SettlementClient> {
  const configured = temporalSettings();
  const tracing = await startTracing(process.env, 'stellar-settlement-client');
  const connection = await Connection.connect({
    ...configured.connectionOptions,
    ...(options.address === undefined ? {} : { address: options.address }),
  });
  const client = new Client({
    ...configured.client,
    connection,
    namespace: options.namespace ?? configured.namespace ?? 'default',
    ...(tracing === null ? {} : { interceptors: { workflow: [tracing.client] } }),
  });
  const settlement = settlementClient(client, options.answerWithinMs ?? ANSWER_WITHIN_MS);
  if (tracing === null) return settlement;
  return {
    ...settlement,
    close: async () => {
      await settlement.close();
      await tracing.flush();
    },
  };
}

/** The same over a Temporal client that the caller has already. */
export function settlementClient(
  client: Client,
  answerWithinMs: number = ANSWER_WITHIN_MS,
): SettlementClient {
  const start = (sessionId: string, why: keyof typeof PRIORITIES = 'asked', account = '') => ({
    workflowId: sessionWorkflowId(readUuid(sessionId, 'sessionId')),
    taskQueue: SETTLEMENT_QUEUE,
    args: [{ sessionId }] as [{ sessionId: string }],
    workflowIdReusePolicy: 'ALLOW_DUPLICATE' as const,
    workflowIdConflictPolicy: 'USE_EXISTING' as const,
    workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
    priority: { priorityKey: PRIORITIES[why], fairnessKey: account },
    staticSummary: `checkout session ${sessionId}`,
  });

  const take = createTurns({ atOnce: UPDATES_AT_ONCE, waiting: MOST_WAITING });

  /**
   * Asks in turn, and again until the caller's time is up: when the run had no room for another question, or when the time of
   * whom it shared an answer with was up earlier.
   */
  async function ask<R, A extends unknown[]>(
    sessionId: string,
    update: Parameters<typeof send<R, A>>[1],
    args: A,
    { account, ...sharing }: { same: string | null; anew?: boolean; account?: string },
  ): Promise<R> {
    readUuid(sessionId, 'sessionId');
    const until = Date.now() + answerWithinMs;
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      try {
        return await take({
          about: sessionId,
          anew: false,
          ...sharing,
          until,
          ask: (latest) => send(sessionId, update, args, latest, account),
        });
      } catch (error) {
        const wait = pause * (0.5 + Math.random());
        if (!isPassing(error) || Date.now() + wait >= until) throw asCallerSeesIt(error, sessionId);
        await sleep(wait);
      }
    }
  }

  async function send<R, A extends unknown[]>(
    sessionId: string,
    update: Parameters<typeof client.workflow.executeUpdateWithStart<never, R, A>>[0],
    args: A,
    until: number,
    account?: string,
  ): Promise<R> {
    // An operation can be used once only.
    const startWorkflowOperation = new WithStartWorkflowOperation(
      SESSION_WORKFLOW,
      start(sessionId, 'asked', account),
    );
    return client.withDeadline(until, () =>
      client.workflow.executeUpdateWithStart(update, {
        args,
        startWorkflowOperation,
      } as unknown as Parameters<typeof client.workflow.executeUpdateWithStart<never, R, A>>[1]),
    );
  }

  return {
    openSession: async (sessionId, request) => {
      const asked = readOpenRequest(request);
      const same = `open ${JSON.stringify(request)}`;
      const sharing = { same, account: asked.receivingAccount };
      return requireOpened(sessionId, asked, await ask(sessionId, openUpdate, [request], sharing));
    },
    reportPayment: async (sessionId, txHash) => {
      const hash = readTxHash(txHash);
      const answer = await ask(sessionId, reportUpdate, [{ txHash: hash }], {
        same: `report ${hash}`,
        anew: true,
      });
      requireFits(sessionId, [['txHash', partOf(answer, 'txHash'), hash]]);
      return answer;
    },
    cancelSession: (sessionId) => ask(sessionId, cancelUpdate, [], { same: 'cancel' }),
    redeliver: async (sessionId, deliveryId) => {
      readUuid(deliveryId, 'deliveryId');
      await ask(sessionId, redeliverUpdate, [{ deliveryId }], { same: null });
    },
    async wake(sessionId, hint = {}) {
      if (hint.txHash !== undefined) readTxHash(hint.txHash);
      await client.workflow.signalWithStart(SESSION_WORKFLOW, {
        ...start(sessionId, 'hinted'),
        signal: wakeSignal,
        signalArgs: [hint],
      });
    },
    async sessionState(sessionId, { fresh = false } = {}) {
      const { workflowId } = start(sessionId);
      const seen = fresh ? null : await lastSeen(client, workflowId);
      if (seen !== null) return requireView(sessionId, seen);
      try {
        const view = await ask<SessionView, []>(sessionId, lookUpdate, [], {
          same: 'look',
          anew: true,
        });
        return requireView(sessionId, view);
      } catch (error) {
        if (error instanceof Refusal && error.code === 'SessionNotFound') return null;
        throw error;
      }
    },
    close: () => client.connection.close(),
  };
}

/** The view, if it is of that session; null when it says that there is none. @throws AnswerDiffers */
function requireView(sessionId: string, view: SessionView): SessionView | null {
  requireFits(sessionId, [['sessionId', partOf(view, 'sessionId'), sessionId]]);
  return view.found ? view : null;
}

/** What the session's latest run saw; null when there is none, or when it is just looking. */
async function lastSeen(client: Client, workflowId: string): Promise<SessionView | null> {
  const handle = client.workflow.getHandle<Workflow>(workflowId);
  const described = await handle.describe().catch(() => null);
  if (described === null) return null;
  const { status, type } = described;
  requireFits(sessionIdOf(workflowId) ?? '', [['its workflow type', type, SESSION_WORKFLOW]]);
  try {
    if (status.name === 'RUNNING') return await handle.query(stateQuery);
    return status.name === 'COMPLETED' ? ((await handle.result()) as SessionView | null) : null;
  } catch {
    // Never started, or nobody there to answer: the look that follows meets the same trouble, and says so.
    return null;
  }
}
