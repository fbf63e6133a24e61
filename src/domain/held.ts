import { inLedgerOrder, type InboxPayment, type Judgement, type Verdict } from './judge.ts';
import { judgementOf } from './judgement.ts';
import { ledgerPaymentKey, type LedgerPayment } from './ledger-payment.ts';
import type { Stroops } from './money.ts';
import type { Session } from './session.ts';
import type { SessionFacts } from './settle.ts';
import { isOver } from './terms.ts';

/** Why money is held: a verdict other than credited, the rest of a paid price, or part of a price never reached. */
export type HeldReason = Exclude<Verdict, 'credited'> | 'overpaid' | 'underpaid';

/** Money that was received and is not part of a paid price: of which payment, how much, and why. */
export type Held = {
  readonly payment: LedgerPayment;
  readonly amount: Stroops;
  readonly reason: HeldReason;
};

/**
 * What is held of a session's ledger payments, in ledger order: received, and not part of a paid price. `legacy`: settle stands
 * by an ending of before its time.
 */
export function heldOf(
  session: Pick<Session, 'status' | 'price' | 'closedThroughLedger'>,
  judgement: Judgement,
  legacy = false,
): Held[] {
  const held: Held[] = [];
  let counted = 0n;
  for (const { payment, verdict } of judgement.judged) {
    if (payment.resolved) continue;
    if (verdict !== 'credited') {
      held.push({ payment, amount: payment.amount, reason: verdict });
    } else if (session.status === 'paid') {
      const needed = session.price > counted ? session.price - counted : 0n;
      if (payment.amount > needed) {
        held.push({ payment, amount: payment.amount - needed, reason: 'overpaid' });
      }
      counted += payment.amount;
    } else if (isOver({ ...session, legacy })) {
      held.push({ payment, amount: payment.amount, reason: 'underpaid' });
    }
  }
  return held;
}

/**
 * What is held of one payment of a session, and why; null when nothing of it is. Where the payments of the session are too many
 * to list, the totals say it.
 */
export function heldOfPayment(
  facts: SessionFacts,
  payment: InboxPayment,
  judgement: Judgement = judgementOf(facts),
): Held | null {
  const { session, rest, legacyEnding } = facts;
  const key = ledgerPaymentKey(payment);
  const isIt = (p: LedgerPayment) => ledgerPaymentKey(p) === key;
  const { verdict, resolved, amount } = payment;
  if (rest === undefined || verdict === null || judgement.judged.some((j) => isIt(j.payment))) {
    return heldOf(session, judgement, legacyEnding).find((h) => isIt(h.payment)) ?? null;
  }
  if (resolved) return null;
  if (verdict !== 'credited') return { payment, amount, reason: verdict };
  if (session.status !== 'paid') {
    const isEnded = isOver({ ...session, legacy: legacyEnding });
    return isEnded ? { payment, amount, reason: 'underpaid' } : null;
  }
  const { completing, completed } = judgement;
  if (completing === null) return null;
  // Payments behind the completing one are no part of the price, whatever they are.
  const surplus = isIt(completing) ? completed - session.price : amount;
  const isPart = !isIt(completing) && inLedgerOrder(payment, completing) < 0;
  return isPart || surplus <= 0n ? null : { payment, amount: surplus, reason: 'overpaid' };
}

/** Whether a verdict belongs to a session. What is unmatched or ambiguous is seen by every session with its reference. */
export function isDecided({ verdict }: Pick<InboxPayment, 'verdict'>): boolean {
  return verdict !== null && verdict !== 'unmatched' && verdict !== 'ambiguous';
}
