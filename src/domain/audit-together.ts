/** An event that tells many held payments together, against the inbox, whose sums are made anew for the audit. Pure. */
import type { InboxPayment } from './judge.ts';
import { formatAmount, type Stroops } from './money.ts';

/** What an event of this name counts. */
export type Counted = {
  /** As the event says it: a verdict, or `underpaid`. */
  readonly reason: string;
  /** The verdict of the payments that it counts. */
  readonly verdict: string;
  /** How many it counts, from the first in ledger order. */
  readonly count: number;
};

/** The payments that were known when the event was made, as sums. Amounts are in stroops. */
export type KnownTogether = {
  /** How many there were, at most as many as the event counts. */
  readonly count: number;
  /** The last of them in ledger order. */
  readonly last: InboxPayment | null;
  /** By asset, in the order of their first payments, the first ASSETS of them. */
  readonly sums: readonly {
    readonly code: string;
    readonly issuer: string | null;
    readonly amount: Stroops;
    readonly payments: number;
  }[];
  /** Assets in all. */
  readonly assets: number;
};

/** Assets that an event sums up. */
export const ASSETS = 10;

/** What the fact of an event counts; null for a fact that tells one payment. */
export function countedBy(fact: string): Counted | null {
  const [, reason = '', rank = ''] = /^together:([a-z_]+):(\d{1,9})$/.exec(fact) ?? [];
  if (reason === '') return null;
  return { reason, verdict: reason === 'underpaid' ? 'credited' : reason, count: Number(rank) };
}

/** What is wrong with the event; null when the payments that were known when it was made are what it says. */
export function auditTogether(
  body: string,
  { reason, count }: Counted,
  known: KnownTogether,
): string | null {
  const { last, sums, assets } = known;
  if (last === null || known.count !== count) {
    return `It tells ${count} payments (${reason}), but there are ${known.count}.`;
  }
  const told = dataOf(body);
  const right = {
    reason,
    txHash: last.txHash,
    operationIndex: last.opIndex,
    amount: formatAmount(last.amount),
    together: {
      payments: count,
      sums: sums.map(({ code, issuer, amount, payments }) => ({
        asset: code,
        assetIssuer: issuer,
        amount: formatAmount(amount),
        payments,
      })),
      furtherAssets: Math.max(0, assets - ASSETS),
    },
  };
  const says = Object.fromEntries(Object.keys(right).map((key) => [key, told[key]]));
  return JSON.stringify(says) === JSON.stringify(right)
    ? null
    : `Its sums are not those of the first ${count} payments (${reason}).`;
}

function dataOf(body: string): Record<string, unknown> {
  try {
    return (JSON.parse(body) as { data: Record<string, unknown> }).data;
  } catch {
    return {};
  }
}
