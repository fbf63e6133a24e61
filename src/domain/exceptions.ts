/**
 * Which held payments are told, and how. Anybody can send a session any number of payments, so that they are told one by
 * one only at first: the 21st of a reason, and then each doubling (41st, 81st, …), is told with sums of all up to it.
 * Each event is a function of the ledger: it counts in the ledger's own order, and only what is read. Pure.
 */
import type { Asset } from './asset.ts';
import { assetKey } from './asset.ts';
import { heldOf, type Held, type HeldReason } from './held.ts';
import {
  inLedgerOrder,
  type InboxPayment,
  type Judged,
  type Judgement,
  type Verdict,
} from './judge.ts';
import type { LedgerPayment } from './ledger-payment.ts';
import type { Stroops } from './money.ts';
import type { Session } from './session.ts';

/** So many payments of a session are told one by one for each reason: a merchant's person can look at them. */
export const TOLD_ONE_BY_ONE = 20;
/**
 * The last event of a reason that sums payments up: so many are summed in some 100 ms. Somebody who sends more has been told of
 * eleven times by then.
 */
export const TOLD_TOGETHER_UP_TO = 20_481;
/** An event sums up so many assets, those that came first; anybody can issue as many as he likes. */
export const ASSETS_SUMMED = 10;

/** What was held in one asset. */
export type AssetSum = {
  readonly asset: Asset;
  readonly amount: Stroops;
  readonly payments: number;
};

/** All payments of a session and reason, from the first in ledger order through the one that is told. */
export type Together = {
  readonly payments: number;
  /** By asset, the first ASSETS_SUMMED of them in the order of their coming. */
  readonly sums: readonly AssetSum[];
  readonly furtherAssets: number;
};

/** A held payment that is told; `together` is null for one that is told by itself. */
export type Exception = Held & { readonly together: Together | null };

/** The same, of a payment with its verdict. */
export type JudgedException = Exception & { readonly payment: InboxPayment };

type Ended = Pick<Session, 'status' | 'price' | 'closedThroughLedger'>;

/** The ranks up to `count` at which payments are told together: 21, 41, 81, … 20,481. */
export function ranksToldTogether(count: number): number[] {
  const ranks: number[] = [];
  const most = Math.min(count, TOLD_TOGETHER_UP_TO);
  for (let first = TOLD_ONE_BY_ONE; first < most; first *= 2) ranks.push(first + 1);
  return ranks;
}

/** The reason under which payments with a verdict are counted; null for those that are part of a price, or nobody's. */
export function countedReason(verdict: Verdict, session: Ended): HeldReason | null {
  if (verdict === 'ambiguous' || verdict === 'unmatched') return null;
  if (verdict !== 'credited') return verdict;
  const isShort = session.status !== 'paid' && session.closedThroughLedger !== null;
  return isShort ? 'underpaid' : null;
}

/**
 * What is to be told of a session whose payments are all judged here. A sum is told when every ledger through its last
 * payment is read: `readThrough`.
 */
export function exceptionsOf(
  session: Ended,
  judgement: Judgement,
  readThrough: number,
): Exception[] {
  const ranked = new Map<LedgerPayment, number>();
  const together: Exception[] = [];
  const byReason = Map.groupBy(judgement.judged, ({ verdict }) => countedReason(verdict, session));
  for (const [reason, judged] of byReason) {
    if (reason === null) continue;
    const line = inOrder(judged);
    line.forEach((payment, index) => ranked.set(payment, index + 1));
    for (const rank of ranksToldTogether(line.length)) {
      const payment = line[rank - 1];
      if (payment === undefined || payment.ledger > readThrough) break;
      const sums = sumUp(line.slice(0, rank));
      together.push({ payment, amount: payment.amount, reason, together: sums });
    }
  }
  const single = heldOneByOne(session, judgement).filter(
    ({ reason, payment }) => reason === 'overpaid' || (ranked.get(payment) ?? 0) <= TOLD_ONE_BY_ONE,
  );
  return [...single, ...together];
}

/** Every held payment by itself, as earlier versions told them. What is ambiguous or unmatched is told to nobody. */
export function heldOneByOne(session: Ended, judgement: Judgement): Exception[] {
  return heldOf(session, judgement)
    .filter(({ reason }) => reason !== 'ambiguous' && reason !== 'unmatched')
    .map((held) => ({ ...held, together: null }));
}

/** Names the fact of an exception within its session. */
export function exceptionFact(key: string, { reason, together }: Exception): string {
  return together === null ? `${key}:${reason}` : `together:${reason}:${together.payments}`;
}

/**
 * Whether an exception is to be told, beside the events that exist. An earlier version told every payment one by one: what it
 * told so is not told again as a sum.
 */
export function isUntold(
  { reason, together }: Pick<Exception, 'reason' | 'together'>,
  toldOneByOne: ReadonlyMap<string, number>,
): boolean {
  return together === null || (toldOneByOne.get(reason) ?? 0) < together.payments;
}

/** How many payments were told one by one, by reason, among events written as `type fact`. */
export function countToldOneByOne(events: Iterable<string>): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const event of events) {
    const reason = /^payment\.exception [0-9a-f]{64}:\d+:\d+:([a-z_]+)$/.exec(event)?.[1];
    if (reason !== undefined) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  return counts;
}

function inOrder(judged: readonly Judged[]): LedgerPayment[] {
  return judged.map(({ payment }) => payment).sort(inLedgerOrder);
}

function sumUp(line: readonly LedgerPayment[]): Together {
  const sums = new Map<string, { asset: Asset; amount: Stroops; payments: number }>();
  for (const { asset, amount } of line) {
    const sum = sums.get(assetKey(asset)) ?? { asset, amount: 0n, payments: 0 };
    sums.set(assetKey(asset), {
      ...sum,
      amount: sum.amount + amount,
      payments: sum.payments + 1,
    });
  }
  return {
    payments: line.length,
    sums: [...sums.values()].slice(0, ASSETS_SUMMED),
    furtherAssets: Math.max(0, sums.size - ASSETS_SUMMED),
  };
}
