/** The events that the rows of a session call for, by the audit's own fold. Pure. */
import type { Audited } from './audit-evidence.ts';
import type { Fold } from './audit-fold.ts';
import { firstMissing } from './audit-intervals.ts';
import { byLedger, sumsOf } from './audit-together.ts';
import {
  confirmedEvent,
  countToldOneByOne,
  endedEvent,
  exceptionEvent,
  ONE_BY_ONE,
  ranksToldTogether,
  type EventFact,
  type Recorded,
  type Told,
} from './audit-told.ts';
import type { InboxPayment, Verdict } from './judge.ts';
import { ledgerPaymentKey, type LedgerPayment } from './ledger-payment.ts';
import type { Session } from './session.ts';

/** The events that must exist. */
export function expectedEvents(found: Audited, fold: Fold): EventFact[] {
  const { session, paymentRow } = found;
  const told = countToldOneByOne(found.existingEvents);
  const lines = linesOf(session, fold);
  const first = new Set<LedgerPayment>(
    [...lines.values()].flatMap((line) => line.slice(0, ONE_BY_ONE)),
  );
  const singles = heldOneByOne(session, fold).filter(
    ({ payment, reason }) => reason === 'overpaid' || first.has(payment),
  );
  const through = readThrough(found);
  const sums = [...lines].flatMap(([reason, line]) =>
    ranksToldTogether(line.filter(({ ledger }) => ledger <= through).length)
      // An earlier version told every payment one by one, and that is not told again as a sum.
      .filter((rank) => (told.get(reason) ?? 0) < rank)
      .flatMap((rank): Told[] => {
        const payment = line[rank - 1];
        if (payment === undefined) return [];
        return [{ payment, amount: payment.amount, reason, together: sumsOf(line.slice(0, rank)) }];
      }),
  );
  return eventsOf(
    session,
    paymentRow,
    receivedBy(fold, session, () => true),
    [...singles, ...sums],
  );
}

function eventsOf(
  session: Session,
  recorded: Recorded | null,
  received: bigint,
  exceptions: readonly Told[],
): EventFact[] {
  const { status, closedThroughLedger: end } = session;
  return [
    ...(status === 'paid' && recorded !== null ? [confirmedEvent(session, recorded)] : []),
    ...(status !== 'paid' && end !== null ? [endedEvent(session, end, received)] : []),
    ...exceptions.map((one) => exceptionEvent(session, one)),
  ];
}

/** What was credited when the session ended, as far as `counted` says. */
function receivedBy(
  { placed }: Fold,
  { closedThroughLedger }: Session,
  counted: (payment: InboxPayment) => boolean,
): bigint {
  return placed
    .map(({ payment }) => payment)
    .filter((p) => p.verdict === 'credited' && (p.placedAfter ?? 0) < (closedThroughLedger ?? 0))
    .filter(counted)
    .reduce((sum, { amount }) => sum + amount, 0n);
}

/** The reason under which payments with a verdict are held; null for parts of a price, and for what is nobody's. */
function reasonOf(verdict: Verdict | null, { status, closedThroughLedger }: Session) {
  if (verdict === null || verdict === 'ambiguous' || verdict === 'unmatched') return null;
  if (verdict !== 'credited') return verdict;
  return status !== 'paid' && closedThroughLedger !== null ? 'underpaid' : null;
}

/** Payments by the reason for which they are held, each in ledger order. What was returned keeps its place. */
function linesOf(session: Session, { placed }: Fold): Map<string, InboxPayment[]> {
  const lines = new Map<string, InboxPayment[]>();
  for (const { payment } of placed) {
    const reason = reasonOf(payment.verdict, session);
    if (reason === null) continue;
    const line = lines.get(reason);
    if (line) line.push(payment);
    else lines.set(reason, [payment]);
  }
  for (const [reason, line] of lines) lines.set(reason, line.toSorted(byLedger));
  return lines;
}

/** Everything that is held of the session and was not returned. */
function heldOneByOne(session: Session, { placed }: Fold): Told[] {
  const held: Told[] = [];
  let kept = 0n;
  for (const { payment } of placed) {
    if (payment.resolved) continue;
    const { amount } = payment;
    const reason = reasonOf(payment.verdict, session);
    if (reason !== null) held.push({ payment, amount, reason, together: null });
    if (payment.verdict !== 'credited' || session.status !== 'paid') continue;
    const missing = session.price > kept ? session.price - kept : 0n;
    kept += amount;
    if (amount <= missing) continue;
    held.push({ payment, amount: amount - missing, reason: 'overpaid', together: null });
  }
  return held;
}

/** Sums are told up to the ledger through which the account is read; of a session that is over, all. */
function readThrough({ session, ledger: { openedAfter, read } }: Audited): number {
  if (session.status === 'paid' || session.closedThroughLedger !== null) return Infinity;
  if (openedAfter === null) return Infinity;
  const all = { from: openedAfter + 1, through: Number.MAX_SAFE_INTEGER };
  return (firstMissing(read, all) ?? all.through) - 1;
}

/**
 * The events as they may have been made. What was received when a session ended depends on what was in the inbox by
 * then, and had not been returned.
 */
export function possibleEvents(found: Audited, fold: Fold): EventFact[] {
  const { session, paymentRow, ledger } = found;
  const recorded =
    fold.completing !== null && ledger.isOwnRow && !fold.hasReturned && ledger.isTaken
      ? {
          txHash: fold.completing.txHash,
          amount: fold.completed,
          sender: fold.completing.sender,
          confirmedAt: fold.completing.closedAt,
        }
      : paymentRow;
  const { endedAt, seenAt } = ledger;
  const wasSeen = (p: InboxPayment) =>
    endedAt === null || (seenAt.get(ledgerPaymentKey(p)) ?? endedAt) <= endedAt;
  const held = heldOneByOne(session, fold);
  return [() => true, isKept, wasSeen].flatMap((counted) =>
    eventsOf(session, recorded, receivedBy(fold, session, counted), held),
  );
}

function isKept({ resolved }: InboxPayment): boolean {
  return !resolved;
}
