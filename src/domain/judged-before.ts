/**
 * What is known of the payments of a session that were judged before, where they are too many to read: sums instead of
 * rows. The judgement of what comes behind them needs no more. Pure.
 */
import { assetKey } from './asset.ts';
import type { AssetSum } from './exceptions.ts';
import type { InboxPayment, Judgement, Verdict } from './judge.ts';
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

/** Assets of which held money is summed, those that came first; anybody can issue as many as he likes. */
export const ASSETS_HELD = 10;

/** Held payments with one verdict, as sums in stroops. */
export type HeldSums = {
  readonly payments: number;
  /** By asset, the first ASSETS_HELD of them in the order of their coming. */
  readonly sums: readonly AssetSum[];
  /** Payments in assets that are not among them. */
  readonly furtherPayments: number;
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
  /** What is held besides credited money, and not dealt with, by verdict. */
  readonly held: Readonly<Partial<Record<Verdict, HeldSums>>>;
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
  held: {},
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
  const held: Partial<Record<Verdict, HeldSums>> = { ...before.held };
  let { behind, last, everCredited, afterCancellation } = before;
  for (const { payment, verdict, placedAfter } of judgement.judged) {
    if (verdict === 'ambiguous' || verdict === 'unmatched') continue;
    counts[verdict] = (counts[verdict] ?? 0) + 1;
    behind = Math.max(behind, placedAfter === null ? payment.ledger : placedAfter + 1);
    if (verdict === 'after_cancellation' && !payment.resolved) afterCancellation ??= payment;
    if (verdict !== 'credited') {
      if (!payment.resolved) held[verdict] = addHeld(held[verdict], payment);
      continue;
    }
    everCredited += payment.amount;
    const { operationId, subIndex, ledger } = payment;
    const isPlaced = placedAfter !== null;
    last = { ledger: placedAfter ?? ledger, isPlaced, operationId, subIndex };
  }
  const { credited, completing, completed } = judgement;
  const sums = { credited, everCredited, completing, completed };
  return { ...sums, behind, last, counts, afterCancellation, held };
}

const NOTHING_HELD: HeldSums = { payments: 0, sums: [], furtherPayments: 0 };

/** The sums with one payment more. */
export function addHeld(
  held: HeldSums = NOTHING_HELD,
  { asset, amount }: Pick<InboxPayment, 'asset' | 'amount'>,
): HeldSums {
  const payments = held.payments + 1;
  const at = held.sums.findIndex((sum) => assetKey(sum.asset) === assetKey(asset));
  const sum = held.sums[at];
  if (sum !== undefined) {
    const more = { asset, amount: sum.amount + amount, payments: sum.payments + 1 };
    return { ...held, payments, sums: held.sums.with(at, more) };
  }
  if (held.sums.length === ASSETS_HELD) {
    return { ...held, payments, furtherPayments: held.furtherPayments + 1 };
  }
  return { ...held, payments, sums: [...held.sums, { asset, amount, payments: 1 }] };
}
