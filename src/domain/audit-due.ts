/** The events that the rows of a session call for, by the audit's own fold. Pure. */
import type { Audited } from './audit-evidence.ts';
import { judgementOf, type Fold } from './audit-fold.ts';
import { firstMissing } from './audit-intervals.ts';
import { dueEvents, type EventFact } from './event.ts';
import { countToldOneByOne, exceptionsOf, heldOneByOne, isUntold } from './exceptions.ts';
import type { InboxPayment } from './judge.ts';
import { ledgerPaymentKey } from './ledger-payment.ts';

/** The events that must exist. */
export function expectedEvents(found: Audited, fold: Fold): EventFact[] {
  const { session, paymentRow } = found;
  const judgement = judgementOf(fold, isKept);
  const told = countToldOneByOne(found.existingEvents);
  const exceptions = exceptionsOf(session, judgement, readThrough(found));
  return dueEvents(
    session,
    judgement,
    paymentRow,
    exceptions.filter((e) => isUntold(e, told)),
  );
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
  return [() => true, isKept, wasSeen].flatMap((counted) => {
    const judgement = judgementOf(fold, counted);
    return dueEvents(session, judgement, recorded, heldOneByOne(session, judgement));
  });
}

function isKept({ resolved }: InboxPayment): boolean {
  return !resolved;
}
