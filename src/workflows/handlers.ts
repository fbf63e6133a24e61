/** What can be said to a session's run, and what it answers. */
import { ActivityFailure, ApplicationFailure, setHandler } from '@temporalio/workflow';
import { Refusal } from '../domain/failure.ts';
import { hashOfWake, partOf, readTxHash, readUuid } from '../doors/messages.ts';
import { readOpenRequest } from '../doors/open-request.ts';
import { readable } from '../doors/unreadable.ts';
import {
  cancelUpdate,
  lookUpdate,
  openUpdate,
  redeliverUpdate,
  reportUpdate,
  stateQuery,
  wakeSignal,
  type CancelAnswer,
  type OpenedSession,
  type OpenRequest,
  type ReportAnswer,
  type SessionView,
} from './contract.ts';
import { CANCEL_WAIT } from './options.ts';
import { commit, horizon, instant, type SessionRun } from './session-run.ts';

/**
 * Registers every handler. To be called before the first await: a message may be there when the run begins. Validators
 * read what came as an unknown value (it may be anything, also a payload that nobody here can read): an exception in a
 * handler that is no refusal fails the run's task, again and again.
 */
export function setHandlers(run: SessionRun): void {
  setHandler(wakeSignal, (wake) => onWake(run, wake), {
    description: 'Look again; with a txHash: this transaction pays the session.',
  });
  setHandler(openUpdate, (request) => onOpen(run, request), {
    description: 'Create the session if the backend has not; says how to pay it.',
    validator: (request) => void refusing(() => readOpenRequest(request)),
  });
  setHandler(reportUpdate, ({ txHash }) => onReport(run, txHash), {
    description: 'Prove on the ledger that a transaction pays the session.',
    validator: (report) => void refusing(() => readTxHash(partOf(report, 'txHash'))),
  });
  setHandler(cancelUpdate, () => onCancel(run), {
    description: 'Stop taking payments; the answer comes when the ledger is covered.',
  });
  setHandler(redeliverUpdate, ({ deliveryId }) => onRedeliver(run, deliveryId), {
    description: 'Send an event again, under its old id.',
    validator: (which) => void refusing(() => readUuid(partOf(which, 'deliveryId'), 'deliveryId')),
  });
  setHandler(lookUpdate, () => onLook(run), { description: 'Look now and tell.' });
  setHandler(stateQuery, () => run.fresh(), {
    description: 'What the run saw when it last looked; null while it is looking.',
  });
}

/** A wake that cannot be read is a wake: looking once too often does no harm. */
function onWake(run: SessionRun, wake: unknown): void {
  const txHash = hashOfWake(wake);
  if (txHash !== null) run.report(txHash);
  run.wake();
}

async function onOpen(run: SessionRun, request: OpenRequest): Promise<OpenedSession> {
  const { sessionId, asks } = run;
  run.opening += 1;
  try {
    const answer = await asked(commit.openSession({ sessionId, request, now: instant() }));
    run.opening -= 1;
    const { view, ...opened } = answer;
    if (view === undefined) run.wake();
    else run.tell(view, asks);
    return opened;
  } catch (error) {
    run.opening -= 1;
    run.wake();
    throw error;
  }
}

async function onReport(run: SessionRun, txHash: string): Promise<ReportAnswer> {
  const { sessionId } = run;
  const answer = await asked(horizon.proveReport({ sessionId, txHash, wait: true }));
  run.wake();
  return answer;
}

async function onCancel(run: SessionRun): Promise<CancelAnswer> {
  const { sessionId } = run;
  await asked(commit.requestCancel({ sessionId, now: instant() }));
  await run.nextLook(() => run.view !== null && isOver(run.view), CANCEL_WAIT);
  return cancelAnswer(run.view);
}

async function onRedeliver(run: SessionRun, deliveryId: string): Promise<{ deliveryId: string }> {
  await asked(commit.redeliver({ sessionId: run.sessionId, deliveryId }));
  run.wake();
  return { deliveryId };
}

async function onLook(run: SessionRun): Promise<SessionView> {
  await run.nextLook();
  if (run.problem !== null) throw ApplicationFailure.nonRetryable(run.problem, 'CannotBeSettled');
  return run.view ?? unknownSession(run.sessionId);
}

function isOver(view: SessionView): boolean {
  // Histories of older workers have no `over`: what they awaited is awaited again when they are replayed.
  return view.over ?? (view.status === 'paid' || view.closedThroughLedger !== null);
}

function cancelAnswer(view: SessionView | null): CancelAnswer {
  if (view?.status === 'paid') return { kind: 'refused', because: 'paid', txHash: view.paidBy };
  if (view !== null && isOver(view)) {
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
    return readable(await answer);
  } catch (error) {
    if (error instanceof ActivityFailure && error.cause instanceof ApplicationFailure) {
      throw error.cause;
    }
    throw error;
  }
}

/** The refusal of a validator or of this code, as it crosses Temporal: its code is the type, its only detail the field. */
function refusing<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw ApplicationFailure.nonRetryable(error.message, error.code, error.field);
  }
}
