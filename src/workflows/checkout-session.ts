import {
  allHandlersFinished,
  ActivityFailure,
  ApplicationFailure,
  condition,
  continueAsNew,
  log,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type {
  SettlementActivities,
  HorizonActivities,
  WebhookActivities,
} from '../activities/index.ts';
import { isTxHash } from '../domain/ledger-payment.ts';
import { isUuid } from '../domain/session.ts';
import {
  cancelUpdate,
  lookUpdate,
  openUpdate,
  redeliverUpdate,
  reportUpdate,
  stateQuery,
  wakeSignal,
  type CancelAnswer,
  type SessionInput,
  type SessionView,
} from './contract.ts';
import { detailsOf, searchAttributesOf } from './details.ts';
import {
  CANCEL_WAIT,
  COMMIT_OPTIONS,
  DELIVERY_OPTIONS,
  FALLBACK_FIRST_MS,
  FALLBACK_LAST_MS,
  REPORT_OPTIONS,
} from './options.ts';

const commit = proxyActivities<SettlementActivities>(COMMIT_OPTIONS);
const webhooks = proxyActivities<WebhookActivities>(DELIVERY_OPTIONS);
const horizon = proxyActivities<HorizonActivities>(REPORT_OPTIONS);

/**
 * One checkout session. The run is level-triggered: whatever wakes it, it looks at the database, does what is
 * due, and waits for the next reason to look; it ends when the session is at rest. It decides nothing by itself, so
 * duplicate and lost messages make no difference, and a message for a finished session opens a new short run.
 */
export async function checkoutSession({ sessionId }: SessionInput): Promise<SessionView | null> {
  let view: SessionView | null = null;
  let dirty = true;
  let looking = false;
  let opening = 0;
  let looks = 0;
  let fallback = FALLBACK_FIRST_MS;
  const reported = new Set<string>();

  setHandler(
    wakeSignal,
    ({ txHash } = {}) => {
      if (txHash !== undefined && isTxHash(txHash)) reported.add(txHash);
      dirty = true;
    },
    { description: 'Look again; with a txHash: this transaction pays the session.' },
  );
  setHandler(
    openUpdate,
    async (request) => {
      opening += 1;
      try {
        return await asked(commit.openSession({ sessionId, request, now: instant() }));
      } finally {
        opening -= 1;
        dirty = true;
      }
    },
    { description: 'Create the session if the backend has not; says how to pay it.' },
  );
  setHandler(
    reportUpdate,
    async ({ txHash }) => {
      const answer = await asked(horizon.proveReport({ sessionId, txHash, wait: true }));
      dirty = true;
      return answer;
    },
    {
      description: 'Prove on the ledger that a transaction pays the session.',
      validator: ({ txHash }) => requireTxHash(txHash),
    },
  );
  setHandler(
    cancelUpdate,
    async () => {
      await asked(commit.requestCancel({ sessionId, now: instant() }));
      const before = looks;
      dirty = true;
      await condition(() => looks > before && view !== null && isOver(view), CANCEL_WAIT);
      return cancelAnswer(view);
    },
    { description: 'Stop taking payments; the answer comes when the ledger is covered.' },
  );
  setHandler(
    redeliverUpdate,
    async ({ deliveryId }) => {
      await asked(commit.redeliver({ sessionId, deliveryId }));
      dirty = true;
      return { deliveryId };
    },
    {
      description: 'Send an event again, under its old id.',
      validator: ({ deliveryId }) => requireUuid(deliveryId),
    },
  );
  setHandler(
    lookUpdate,
    async () => {
      const before = looks;
      dirty = true;
      await condition(() => looks > before);
      return view ?? unknownSession(sessionId);
    },
    { description: 'Look now and tell.' },
  );
  setHandler(stateQuery, () => (dirty || looking ? null : view), {
    description: 'What the run saw when it last looked; null while it is looking.',
  });

  for (;;) {
    await condition(() => opening === 0);
    await proveReported();
    dirty = false;
    looking = true;
    let now = await commit.look({ sessionId, now: instant() });
    if (now.found && now.due > 0) {
      now = await webhooks.deliverEvents({ sessionId, now: instant() });
    }
    looking = false;
    looks += 1;
    publish(view, now);
    if (changed(view, now)) fallback = FALLBACK_FIRST_MS;
    view = now;
    if (dirty || reported.size > 0) continue;
    if (!now.found || now.atRest) {
      await quiet();
      if (dirty) continue;
      return now.found ? now : null;
    }
    if (now.due > 0) continue;
    if (workflowInfo().continueAsNewSuggested) {
      await quiet();
      if (dirty) continue;
      return continueAsNew<typeof checkoutSession>({ sessionId });
    }
    await waitForReason(now);
  }

  /** Waits until nobody is waiting for an answer, or somebody wants another look: a handler may wait for just that. */
  async function quiet(): Promise<void> {
    await condition(() => dirty || allHandlersFinished());
  }

  /** Reports that came by signal are proven without waiting: the watcher is looking anyway. */
  async function proveReported(): Promise<void> {
    for (const txHash of reported) {
      reported.delete(txHash);
      try {
        await horizon.proveReport({ sessionId, txHash, wait: false });
      } catch (error) {
        if (!(error instanceof ActivityFailure)) throw error;
        log.warn('A report was refused.', { sessionId, txHash, reason: error.cause?.message });
      }
    }
  }

  /** Waits for a message or for the next instant of interest; what is overdue is looked at again, ever less often. */
  async function waitForReason({ nextLookAt }: SessionView): Promise<void> {
    const until = nextLookAt === null ? null : new Date(nextLookAt).getTime() - Date.now();
    if (until === null) return condition(() => dirty);
    if (until <= 0) {
      await condition(() => dirty, fallback);
      fallback = Math.min(fallback * 2, FALLBACK_LAST_MS);
      return;
    }
    await condition(() => dirty, until);
  }
}

/** Shows what changed in the Temporal UI. An upsert costs a history event, so only a changed one is made. */
function publish(before: SessionView | null, now: SessionView): void {
  setCurrentDetails(detailsOf(now));
  if (!now.found) return;
  const attributes = searchAttributesOf(before, now);
  if (attributes.length > 0) upsertSearchAttributes(attributes);
}

function changed(before: SessionView | null, now: SessionView): boolean {
  return JSON.stringify(before) !== JSON.stringify(now);
}

function isOver(view: SessionView): boolean {
  return view.status === 'paid' || view.closedThroughLedger !== null;
}

function cancelAnswer(view: SessionView | null): CancelAnswer {
  if (view?.status === 'paid') return { kind: 'refused', because: 'paid', txHash: view.paidBy };
  if (view !== null && view.closedThroughLedger !== null) {
    return view.status === 'cancelled'
      ? { kind: 'cancelled', throughLedger: view.closedThroughLedger }
      : { kind: 'refused', because: 'expired', throughLedger: view.closedThroughLedger };
  }
  return { kind: 'closing', cancelAt: view?.cancelAt ?? instant() };
}

function unknownSession(sessionId: string): never {
  throw ApplicationFailure.nonRetryable(`There is no session ${sessionId}.`, 'SessionNotFound');
}

/** The answer of an activity, or its refusal as the caller should see it: without Temporal's wrapping. */
async function asked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ActivityFailure && error.cause instanceof ApplicationFailure) {
      throw error.cause;
    }
    throw error;
  }
}

/** Workflow time: the same at every replay. */
function instant(): string {
  return new Date().toISOString();
}

function requireTxHash(txHash: string): void {
  if (typeof txHash === 'string' && isTxHash(txHash)) return;
  throw ApplicationFailure.nonRetryable(
    `Not a transaction hash (64 lower-case hex digits): ${JSON.stringify(txHash)}.`,
    'InvalidInput',
    'txHash',
  );
}

function requireUuid(id: string): void {
  if (typeof id === 'string' && isUuid(id)) return;
  throw ApplicationFailure.nonRetryable(
    `Not a delivery id: ${JSON.stringify(id)}.`,
    'InvalidInput',
    'deliveryId',
  );
}
