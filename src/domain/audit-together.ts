/**
 * An event that tells many held payments together, against the inbox: counted anew for the audit, without the code that
 * made the event. Pure.
 */
import { assetKey } from './asset.ts';
import type { Audited } from './audit-evidence.ts';
import type { InboxPayment } from './judge.ts';
import { ledgerPaymentKey } from './ledger-payment.ts';
import { formatAmount } from './money.ts';

/** The event: its fact, its text, and when it was made. */
type Told = { readonly fact: string; readonly body: string; readonly at: Date };

/** Assets that an event sums up. */
const ASSETS = 10;

/** What is wrong with the event; null when the payments that were known when it was made are what it says. */
export function auditTogether(found: Audited, { fact, body, at }: Told): string | null {
  const [, reason = '', rank = ''] = fact.split(':');
  const count = Number(rank);
  const verdict = reason === 'underpaid' ? 'credited' : reason;
  const known = found.payments
    .filter((p) => p.verdict === verdict && (seenAt(found, p) ?? at) <= at)
    .toSorted(byLedger)
    .slice(0, count);
  const last = known.at(-1);
  if (last === undefined || known.length !== count) {
    return `It tells ${count} payments (${reason}), but there are ${known.length}.`;
  }
  const told = dataOf(body);
  const right = {
    reason,
    txHash: last.txHash,
    operationIndex: last.opIndex,
    amount: formatAmount(last.amount),
    together: sumsOf(known),
  };
  const says = Object.fromEntries(Object.keys(right).map((key) => [key, told[key]]));
  return JSON.stringify(says) === JSON.stringify(right)
    ? null
    : `Its sums are not those of the first ${count} payments (${reason}).`;
}

function seenAt({ ledger }: Audited, payment: InboxPayment): Date | undefined {
  return ledger.seenAt.get(ledgerPaymentKey(payment));
}

function dataOf(body: string): Record<string, unknown> {
  try {
    return (JSON.parse(body) as { data: Record<string, unknown> }).data;
  } catch {
    return {};
  }
}

/** Compares two payments by their place on the ledger. */
export function byLedger(a: InboxPayment, b: InboxPayment): number {
  const apart = BigInt(a.operationId) - BigInt(b.operationId);
  if (apart !== 0n) return apart < 0n ? -1 : 1;
  return a.subIndex - b.subIndex || (a.txHash < b.txHash ? -1 : 1);
}

/** What an event says of all these payments, which are given in ledger order. */
export function sumsOf(payments: readonly InboxPayment[]): Readonly<Record<string, unknown>> {
  const byAsset = Map.groupBy(payments, ({ asset }) => assetKey(asset));
  const sums = [...byAsset.values()].map((some) => ({
    asset: some[0]?.asset.code,
    assetIssuer: some[0]?.asset.issuer,
    amount: formatAmount(some.reduce((sum, { amount }) => sum + amount, 0n)),
    payments: some.length,
  }));
  return {
    payments: payments.length,
    sums: sums.slice(0, ASSETS),
    furtherAssets: Math.max(0, sums.length - ASSETS),
  };
}
