import type { Judgement, Verdict } from './judge.ts';
import type { LedgerPayment } from './ledger-payment.ts';
import type { Stroops } from './money.ts';
import type { Session } from './session.ts';
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
