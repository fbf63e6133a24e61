/** The events that the rows of a session call for, by the audit's own fold. Pure. */
import type { Audited } from './audit-evidence.ts';
import { endingName, type Fold } from './audit-fold.ts';
import { firstMissing } from './audit-intervals.ts';
import {
  confirmedEvent,
  countToldOneByOne,
  endedEvent,
  exceptionEvent,
  ranksToldTogether,
  type EventFact,
} from './audit-told.ts';
import type { InboxPayment, Verdict } from './judge.ts';
import { ledgerPaymentKey } from './ledger-payment.ts';
import type { Session } from './session.ts';

/** The type and the fact of every event that must exist, joined by a space. `session` is as settle would leave it now. */
export function expectedEvents(found: Audited, session: Session, fold: Fold): string[] {
  const isPaid = session.status === 'paid';
  return [
    ...(isPaid && found.paymentRow !== null ? ['payment.confirmed paid'] : []),
    ...(!isPaid && session.closedThroughLedger !== null
      ? [`session.${endingName(session) === 'cancelled' ? 'cancelled' : 'expired'} ended`]
      : []),
    ...expectedExceptions(found, session, fold).map((fact) => `payment.exception ${fact}`),
  ];
}

function expectedExceptions(found: Audited, session: Session, fold: Fold): string[] {
  const isOver = session.status === 'paid' || session.closedThroughLedger !== null;
  const told = countToldOneByOne(found.existingEvents);
  const surplus = session.status === 'paid' ? fold.surplus : [];
  const together: string[] = [];
  const single: string[] = [];
  for (const [verdict, line] of fold.lines) {
    const reason = reasonOf(verdict, session);
    if (reason === null) continue;
    const firstOnes = line.first.filter(({ resolved }) => !resolved);
    single.push(...firstOnes.map((payment) => `${ledgerPaymentKey(payment)}:${reason}`));
    // Sums are told up to the ledger through which the account is read; of a session that is over, all.
    const ranks = ranksToldTogether(isOver ? line.count : line.countRead)
      // What an earlier version told one by one is not told again as a sum.
      .filter((rank) => (told.get(reason) ?? 0) < rank);
    together.push(...ranks.map((rank) => `together:${reason}:${rank}`));
  }
  const overpaid = surplus.map(({ payment }) => `${ledgerPaymentKey(payment)}:overpaid`);
  return [...single, ...overpaid, ...together];
}

/** The reason under which payments with a verdict are held; null for those that are part of a price, or nobody's. */
function reasonOf(verdict: Verdict, { status, closedThroughLedger }: Session): string | null {
  if (verdict === 'ambiguous' || verdict === 'unmatched') return null;
  if (verdict !== 'credited') return verdict;
  return status !== 'paid' && closedThroughLedger !== null ? 'underpaid' : null;
}

/** The ledger through which every payment of the session's account is in the inbox. */
export function readThrough({ ledger: { openedAfter, read } }: Pick<Audited, 'ledger'>): number {
  if (openedAfter === null) return Infinity;
  const all = { from: openedAfter + 1, through: Number.MAX_SAFE_INTEGER };
  return (firstMissing(read, all) ?? all.through) - 1;
}

/** An event by its name, and the ledger payment that it names: null where the session has none. */
export type Named = {
  readonly type: string;
  readonly fact: string;
  readonly payment: InboxPayment | null;
};

/**
 * The event that the rows make under this name; null when they make none now (money that was held may have been returned
 * since). Sums of `together` are checked elsewhere.
 */
export function possibleEvent(
  { session, paymentRow, ledger }: Audited,
  fold: Fold,
  { type, fact, payment }: Named,
): EventFact | null {
  const { completing, completed, hasReturned } = fold;
  if (type === 'payment.exception') return exceptionOf(session, fold, fact, payment);
  if (session.status === 'paid') {
    if (paymentRow === null || type !== 'payment.confirmed' || fact !== 'paid') return null;
    const isKnown = completing !== null && ledger.isOwnRow && !hasReturned && ledger.isTaken;
    if (!isKnown) return confirmedEvent(session, paymentRow);
    const { txHash, sender, closedAt: confirmedAt } = completing;
    return confirmedEvent(session, { txHash, sender, confirmedAt, amount: completed });
  }
  if (session.closedThroughLedger === null || fact !== 'ended') return null;
  const ended = endedEvent(session, session.closedThroughLedger, fold.received);
  return ended.type === type ? ended : null;
}

function exceptionOf(
  session: Session,
  { surplus }: Fold,
  fact: string,
  payment: InboxPayment | null,
): EventFact | null {
  if (payment === null || payment.verdict === null || payment.resolved) return null;
  const key = ledgerPaymentKey(payment);
  const isSurplus = payment.verdict === 'credited' && session.status === 'paid';
  const reason = isSurplus ? 'overpaid' : reasonOf(payment.verdict, session);
  const amount = isSurplus
    ? surplus.find((s) => ledgerPaymentKey(s.payment) === key)?.amount
    : payment.amount;
  if (reason === null || amount === undefined || fact !== `${key}:${reason}`) return null;
  return exceptionEvent(session, { payment, amount, reason, together: null });
}
