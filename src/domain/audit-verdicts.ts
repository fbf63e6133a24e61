/** P1 of one session: every verdict is one that its payment's facts and place allow, and rests on what was read. Pure. */
import {
  deadlineOf,
  endingName,
  isNamed,
  isOfAsset,
  type Placed,
  type SeenPayment,
} from './audit-fold.ts';
import type { Audited, Excuse, ExcuseReason } from './audit-evidence.ts';
import { firstMissing, unionOf } from './audit-intervals.ts';
import type { Check, PartAudit, Violation } from './audit.ts';
import type { InboxPayment } from './judge.ts';
import { ledgerPaymentKey } from './ledger-payment.ts';
import { formatAmount } from './money.ts';

/** A problem, and the reason for which it passes; null: none. */
type Problem = {
  readonly check: Check;
  readonly text: string;
  readonly reason: ExcuseReason | null;
} & Pick<Violation, 'mayPass'>;

/** Checks the verdict of one payment of a session. */
export function auditVerdict(found: Audited, placed: Placed): PartAudit {
  const violations: Violation[] = [];
  const excuses: Excuse[] = [];
  const { payment } = placed;
  for (const { check, text, reason, mayPass } of problemsOf(found, placed)) {
    const problem = `${formatAmount(payment.amount)} in ${ledgerPaymentKey(payment)} ${text}`;
    if (reason !== null) excuses.push({ reason, problem });
    else violations.push({ promise: 'P1', check, problem, ...(mayPass ? { mayPass } : {}) });
  }
  return { violations, excuses };
}

function problemsOf(found: Audited, placed: Placed): Problem[] {
  const { payment } = placed;
  // It may be on its way, or wait for what is not read yet; db/audit-inbox.ts finds those that wait for too long.
  if (payment.verdict === null) return [];
  const meaning = wrongMeaning(found, placed);
  const place = placeOf(payment);
  return [
    ...(meaning === null ? [] : [meaning]),
    ...(place === null ? [] : [place]),
    // One that is placed is an exception already, and counted as one.
    ...(payment.verdict === 'credited' && place === null ? unread(found, payment) : []),
  ];
}

function wrongMeaning(found: Audited, { payment, allowed }: Placed): Problem | null {
  const { session, paymentRow, ledger } = found;
  const { verdict } = payment;
  const isOver = paymentRow !== null || session.closedThroughLedger !== null;
  if (verdict === null) return null;
  if (verdict === 'unmatched') {
    // The session may have been opened just now.
    return problem('counts as unmatched, though its reference names this session.', {
      mayPass: true,
    });
  }
  if (verdict === 'ambiguous') {
    if (allowed.has('ambiguous') || isOver) return null;
    return problem('is held as ambiguous, though no other session has its reference.', {
      mayPass: true,
    });
  }
  if (verdict === 'duplicate' && paymentRow === null) {
    return problem('is held as a duplicate, but the session is not paid.');
  }
  if (allowed.has(verdict)) return null;
  const text = WORDS[verdict](found, payment);
  const isOfOrder = allowed.has('credited') || allowed.has('duplicate');
  const isEarlier = !ledger.isTaken && isOfOrder && ORDERED.has(verdict);
  return problem(text, isEarlier ? { reason: 'earlier_version' } : {});
}

/** Verdicts that depend on the order of payments. */
const ORDERED: ReadonlySet<string> = new Set(['credited', 'duplicate', 'after_cancellation']);

type Wording = (found: Audited, payment: InboxPayment) => string;

/** Why a verdict is wrong that is none of those allowed. */
const WORDS: Readonly<
  Record<
    'credited' | 'wrong_asset' | 'late' | 'duplicate' | 'nothing' | 'after_cancellation',
    Wording
  >
> = {
  credited: ({ session }, payment) => {
    if (!isOfAsset(session, payment)) return 'is credited, but is another asset.';
    if (payment.amount <= 0n) return 'is credited, but is nothing.';
    if (payment.closedAt > deadlineOf(session))
      return 'is credited, but closed after the deadline.';
    return 'is credited, but the price was reached before it.';
  },
  wrong_asset: () => 'is held as another asset, but it is the right one.',
  late: ({ session }, payment) =>
    payment.closedAt > deadlineOf(session)
      ? 'is held as late, but it means something else.'
      : 'is held as late, but closed in time.',
  duplicate: ({ session }, payment) =>
    payment.closedAt > deadlineOf(session)
      ? 'is held as a duplicate, but closed after the deadline.'
      : 'is held as a duplicate, but the price was not reached before it.',
  nothing: () => 'is held as nothing, but has an amount.',
  after_cancellation: ({ session }) =>
    endingName(session) === 'cancelled'
      ? 'is held as found after the cancellation, but no cancellation was written.'
      : 'is held as found after a cancellation, but the session was not cancelled.',
};

/** Why a payment counts elsewhere than in its own place. */
function placeOf({ placedAfter, ledger, assigned }: InboxPayment): Problem | null {
  if (placedAfter === null) return null;
  const text = `counts behind ledger ${placedAfter} instead of in its own ledger ${ledger}.`;
  // After a reset of the network everything on the old ledger counts before the new one.
  if (placedAfter === 0) return problem(text, { reason: 'before_reset' });
  if (placedAfter < ledger) return problem(text);
  return problem(text, { reason: assigned ? 'assigned' : 'placed' });
}

/** A credited payment of which not everything is read, from the opening through its own ledger. */
function unread({ session, paymentRow, ledger }: Audited, payment: SeenPayment): Problem[] {
  const { openedAfter, read, holes, isTaken, isOwnRow, keptFrom, resetAt } = ledger;
  const wanted = { from: (openedAfter ?? payment.ledger) + 1, through: payment.ledger };
  const missing = firstMissing(read, wanted);
  if (isTaken && openedAfter !== null && missing === null) return [];
  const olderRow = isOwnRow ? null : (paymentRow?.txHash ?? null);
  const isOver = session.status === 'paid' || session.closedThroughLedger !== null;
  const text = `is credited, but ledger ${missing ?? payment.ledger} of its account is not read.`;
  const reason = ((): ExcuseReason | null => {
    if (payment.assigned) return 'assigned';
    if (isNamed(payment, olderRow)) return 'older_row';
    if (resetAt !== null && payment.seenAt < resetAt) return 'before_reset';
    if (!isTaken || openedAfter === null) return 'earlier_version';
    const beyondHoles = firstMissing(unionOf([...read, ...holes]), wanted);
    if (beyondHoles === null) return 'hole';
    const kept = { ...wanted, from: Math.max(wanted.from, keptFrom) };
    return isOver && firstMissing(unionOf([...read, ...holes]), kept) === null ? 'forgotten' : null;
  })();
  return [problem(text, { reason, check: 'unread' })];
}

function problem(text: string, more: Partial<Omit<Problem, 'text'>> = {}): Problem {
  return { check: 'wrong_verdict', reason: null, ...more, text };
}
