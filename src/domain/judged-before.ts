/**
 * What is known of the payments of a session that were judged before, where they are too many to read: sums instead of
 * rows. The judgement of what comes behind them needs no more. Pure.
 */
import type { Judgement, Verdict } from './judge.ts';
import type { LedgerPayment } from './ledger-payment.ts';
import type { Stroops } from './money.ts';

/** The last place at which a credited payment counts. */
export type LastPlace = {
  readonly ledger: number;
  /** Behind the whole ledger, not within it. */
  readonly isPlaced: boolean;
  readonly operationId: string;
  readonly subIndex: number;
};

/** Running totals over judged payments. Sums are in stroops. */
export type JudgedBefore = {
  /** Credited, and not returned since. */
  readonly credited: Stroops;
  /** Credited, whatever was returned. */
  readonly everCredited: Stroops;
  readonly completing: LedgerPayment | null;
  readonly completed: Stroops;
  /** The ledger behind which a payment sorts that must change nothing of what stands. */
  readonly behind: number;
  readonly last: LastPlace | null;
  /** Payments by verdict; what is ambiguous or unmatched belongs to no session and is not counted. */
  readonly counts: Readonly<Partial<Record<Verdict, number>>>;
  /** The first payment that was found after a cancellation and not dealt with. */
  readonly afterCancellation: Pick<LedgerPayment, 'amount' | 'txHash'> | null;
};

/** No payment was judged before. */
export const NOTHING_BEFORE: JudgedBefore = {
  credited: 0n,
  everCredited: 0n,
  completing: null,
  completed: 0n,
  behind: 0,
  last: null,
  counts: {},
  afterCancellation: null,
};

/** Whether every payment sorts behind whatever was credited before, so that the totals say all about it. */
export function isBehind(
  { last }: JudgedBefore,
  payments: readonly (LedgerPayment & { readonly placedAfter: number | null })[],
): boolean {
  return payments.every(({ ledger, placedAfter, operationId, subIndex }) => {
    if (placedAfter !== null) return false;
    if (last === null || ledger > last.ledger) return true;
    if (ledger < last.ledger || last.isPlaced) return false;
    const apart = BigInt(operationId) - BigInt(last.operationId);
    return apart > 0n || (apart === 0n && subIndex > last.subIndex);
  });
}

/** The totals after a judgement that was made on top of them. */
export function addJudged(before: JudgedBefore, judgement: Judgement): JudgedBefore {
  const counts: Partial<Record<Verdict, number>> = { ...before.counts };
  let { behind, last, everCredited, afterCancellation } = before;
  for (const { payment, verdict, placedAfter } of judgement.judged) {
    if (verdict === 'ambiguous' || verdict === 'unmatched') continue;
    counts[verdict] = (counts[verdict] ?? 0) + 1;
    behind = Math.max(behind, placedAfter === null ? payment.ledger : placedAfter + 1);
    if (verdict === 'after_cancellation' && !payment.resolved) afterCancellation ??= payment;
    if (verdict !== 'credited') continue;
    everCredited += payment.amount;
    const { operationId, subIndex, ledger } = payment;
    const isPlaced = placedAfter !== null;
    last = { ledger: placedAfter ?? ledger, isPlaced, operationId, subIndex };
  }
  const { credited, completing, completed } = judgement;
  const sums = { credited, everCredited, completing, completed };
  return { ...sums, behind, last, counts, afterCancellation };
}
