/**
 * The one decision of the system: from the facts about a session, what its state must be, and what differs from
 * that. Pure; db/settle.ts reads the facts and writes the difference in one SERIALIZABLE transaction.
 */
import type { Coverage } from './coverage.ts';
import { attentionChanges, type AttentionKind } from './attention.ts';
import type { InboxPayment, Judged, Judgement } from './judge.ts';
import { endedBeforeOurTime, judgementOf } from './judgement.ts';
import { leaveAlone } from './left-alone.ts';
import type { LedgerPayment } from './ledger-payment.ts';
import type { Stroops } from './money.ts';
import { dueEvents, type EventFact } from './event.ts';
import { untoldExceptions, type Rest } from './telling.ts';
import type { RowProblem } from './row-check.ts';
import {
  effectiveDeadline,
  endingOf,
  isOpen,
  type Session,
  type SessionStatus,
} from './session.ts';

/** The session's live row in `payments`: who wrote it does not matter. */
export type PaymentRow = {
  readonly txHash: string;
  readonly amount: Stroops;
  readonly sender: string;
  readonly confirmedAt: Date;
};

/** Everything a decision may depend on, read in one snapshot. */
export type SessionFacts = {
  readonly session: Session;
  /** The row is not a session: nothing is decided from the rest. */
  readonly rowProblem: RowProblem | null;
  readonly payments: readonly InboxPayment[];
  /** Where the payments are too many to read them all: totals of the rest. Absent when `payments` has all. */
  readonly rest?: Rest;
  readonly paymentRow: PaymentRow | null;
  /** Another session has the same reference on the same account. */
  readonly ambiguous: boolean;
  /** Null while the session is not in care: it does not end then, and nothing is credited unless it had ended before. */
  readonly coverage: Coverage | null;
  /** The account has an unresolved record that could not be decoded, of a ledger before the end of the session. */
  readonly undecoded: boolean;
  /** When the latest unanswered report was made; null without one. */
  readonly reportedAt: Date | null;
  /** Any report was ever made, answered or not: then a `processing` is ours, and not an older backend's. */
  readonly everReported: boolean;
  /** `type` and `fact` of the events that exist, joined by a space. */
  readonly existingEvents: ReadonlySet<string>;
  /** Its payments row is older than this system's care: whoever wrote it told the merchant, or did not. */
  readonly legacy: boolean;
  /** The payments row was made or found by settle before, and the session names it. */
  readonly rowSettled: boolean;
  /** Somebody else wrote the payments row after this system had taken over. */
  readonly rowForeign: boolean;
  /** Settle has found before that it ended before our time, and stands by its row. */
  readonly legacyEnding: boolean;
  /** What ended before this, by somebody else, is not judged anew; null: everything is. */
  readonly historyFrom: Date | null;
  /** Kinds of what needs a person now. */
  readonly openAttention: ReadonlySet<string>;
  /** `kind` and `detail`, joined by a space, of what a person has dealt with. */
  readonly answeredAttention: ReadonlySet<string>;
  /** The database's clock. It decides how long `processing` shows; never anything about money. */
  readonly now: Date;
};

/** What must be written so that the database says what the facts say. */
export type Decision = {
  readonly judgement: Judgement;
  readonly status: SessionStatus;
  readonly cause: string;
  readonly closedThroughLedger: number | null;
  readonly finalDeadline: Date | null;
  readonly processingSince: Date | null;
  /** Verdicts that are new or changed. */
  readonly verdicts: readonly Judged[];
  readonly newPayment: PaymentRow | null;
  readonly newEvents: readonly EventFact[];
  readonly newAttention: readonly { kind: AttentionKind; detail: string }[];
  /** Open kinds whose cause is gone. */
  readonly goneAttention: readonly AttentionKind[];
  /** The payments row is to be marked as found, and named by the session. */
  readonly settlesRow: boolean;
  /** It ended before our time and stands by its row. */
  readonly legacyEnding: boolean;
  /** Whether anything must be written at all. */
  readonly changes: boolean;
};

/** How long an unanswered report shows as `processing`. */
export const PROCESSING_SHOWN_MS = 120_000;

/** Computes the one right state of a session. Running it again on its own result changes nothing. */
export function decide(facts: SessionFacts): Decision {
  if (facts.rowProblem !== null) return leaveAlone(facts, facts.rowProblem);
  const { session } = facts;
  const judgement = judgementOf(facts);
  const enough = judgement.completing !== null && mayBecomePaid(session, judgement);
  const paid = facts.paymentRow !== null || enough || facts.session.status === 'paid';
  const ending = paid || facts.rest?.isCut === true ? null : endingProven(session, facts);
  const { status, cause, processingSince } = nextStatus(session, facts, paid, ending);
  const closedThroughLedger = ending ?? session.closedThroughLedger;
  const isOver = status === 'paid' || closedThroughLedger !== null;
  const finalDeadline = isOver ? effectiveDeadline(session) : session.finalDeadline;
  const settled: Session = { ...session, status, closedThroughLedger, finalDeadline };
  const verdicts = judgement.judged.filter((j) => j.verdict !== j.payment.verdict);
  const newPayment =
    facts.paymentRow === null && judgement.completing !== null && paid
      ? paymentFor(judgement.completing, judgement.completed)
      : null;
  const exceptions = untoldExceptions(settled, facts, judgement);
  const newEvents = dueEvents(
    settled,
    judgement,
    facts.paymentRow ?? newPayment,
    exceptions,
  ).filter(
    ({ type, fact }) =>
      !facts.existingEvents.has(`${type} ${fact}`) &&
      // Whoever wrote `paid` before our time told the merchant, or did not; whoever did not write it told nobody.
      !(facts.legacy && facts.session.status === 'paid' && type === 'payment.confirmed'),
  );
  const settlesRow = newPayment !== null || (facts.paymentRow !== null && !facts.rowSettled);
  // What somebody has opened again has no ending to stand by.
  const standsByIt = facts.legacyEnding && closedThroughLedger === null && !isOpen(status);
  const legacyEnding = standsByIt || endedBeforeOurTime(settled, facts);
  const { newAttention, goneAttention } = attentionChanges(
    settled,
    { ...facts, legacyEnding },
    judgement,
    exceptions,
  );
  const changes =
    verdicts.length > 0 ||
    newPayment !== null ||
    newEvents.length > 0 ||
    newAttention.length > 0 ||
    goneAttention.length > 0 ||
    settlesRow ||
    legacyEnding !== facts.legacyEnding ||
    facts.rest?.isUnwritten === true ||
    status !== facts.session.status ||
    closedThroughLedger !== facts.session.closedThroughLedger ||
    finalDeadline?.getTime() !== session.finalDeadline?.getTime() ||
    processingSince?.getTime() !== facts.session.processingSince?.getTime();
  return {
    judgement,
    status,
    cause,
    closedThroughLedger,
    finalDeadline,
    processingSince,
    verdicts,
    newPayment,
    newEvents,
    newAttention,
    goneAttention,
    settlesRow,
    legacyEnding,
    changes,
  };
}

/**
 * The ledger that proves the ending of a short session (P4), or null while nothing proves it: the first one that closed
 * strictly after the deadline (another may close in the deadline's own second, CAP-88), with everything before it proven.
 */
function endingProven(session: Session, { coverage, undecoded }: SessionFacts): number | null {
  if (session.closedThroughLedger !== null) return session.closedThroughLedger;
  if (coverage === null || coverage.endLedger === null || undecoded) return null;
  return coverage.provenThrough >= coverage.endLedger - 1 ? coverage.endLedger : null;
}

/** What has ended is paid by money that is found, and not by a price that the backend edits to what had been received. */
function mayBecomePaid({ status, closedThroughLedger }: Session, { judged }: Judgement): boolean {
  if (status === 'paid' || closedThroughLedger === null) return true;
  return judged.some((j) => j.verdict === 'credited' && j.payment.verdict !== 'credited');
}

function nextStatus(
  session: Session,
  facts: SessionFacts,
  paid: boolean,
  ending: number | null,
): { status: SessionStatus; cause: string; processingSince: Date | null } {
  if (paid) return { status: 'paid', cause: causeOfPaid(session, facts), processingSince: null };
  if (ending !== null) {
    const cause = 'deadline covered and short';
    return { status: endingOf(session), cause, processingSince: null };
  }
  // An ending that is not ours stays as it stands until the ledger decides.
  if (!isOpen(session.status)) {
    return { status: session.status, cause: 'ending not proven yet', processingSince: null };
  }
  const since = processingSince(session, facts);
  return since === null
    ? { status: 'pending', cause: 'no report under way', processingSince: null }
    : { status: 'processing', cause: 'reported', processingSince: since };
}

function causeOfPaid(session: Session, facts: SessionFacts): string {
  if (facts.paymentRow !== null) return 'a payments row exists';
  if (session.closedThroughLedger !== null) return 'on-time money found after the ending';
  return 'credited sum reaches the price';
}

/** Since when the session shows `processing`; null when it should not. A legacy row is timed from when we first saw it. */
function processingSince(
  session: Session,
  { reportedAt, everReported, now }: SessionFacts,
): Date | null {
  const young = (since: Date) => now.getTime() - since.getTime() < PROCESSING_SHOWN_MS;
  if (reportedAt !== null && young(reportedAt)) return session.processingSince ?? reportedAt;
  if (session.status !== 'processing' || everReported) return null;
  const since = session.processingSince ?? now;
  return young(since) ? since : null;
}

function paymentFor(completing: LedgerPayment, credited: Stroops): PaymentRow {
  return {
    txHash: completing.txHash,
    amount: credited,
    sender: completing.sender,
    confirmedAt: completing.closedAt,
  };
}
