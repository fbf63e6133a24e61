/**
 * The running totals that settling keeps of a session with many payments, against the payments: added up anew for the
 * audit, without the code that wrote them. Pure.
 */
import { assetKey } from './asset.ts';
import type { SeenPayment } from './audit-fold.ts';
import { ledgerPaymentKey } from './ledger-payment.ts';
import { formatAmount, parseSum } from './money.ts';
import type { Session } from './session.ts';

type Totals = {
  credited: string;
  everCredited: string;
  completing: string | null;
  completed: string;
  behind: number;
  last: string | null;
  counts: string;
  afterCancellation: string | null;
  held: string;
};

/** Assets of which held money is summed. */
const ASSETS = 10;

type Held = { payments: number; further: number; sums: Map<string, { n: number; sum: bigint }> };

/** Adds up totals, one payment after the other in the order of `byPlace`. */
export function createTotals({ price }: Pick<Session, 'price'>): {
  add(payment: SeenPayment): void;
  /** What of the stored totals is not so, in words; null when all is, or when none are stored. */
  problem(stored: unknown): string | null;
} {
  let [kept, ever, completed, behind] = [0n, 0n, 0n, 0];
  let completing: string | null = null;
  let last: string | null = null;
  let afterCancellation: string | null = null;
  const counts = new Map<string, number>();
  const held = new Map<string, Held>();
  const hold = (verdict: string, { asset, amount }: SeenPayment) => {
    const of = held.get(verdict) ?? { payments: 0, further: 0, sums: new Map() };
    held.set(verdict, of);
    of.payments += 1;
    const key = assetKey(asset);
    const { n, sum } = of.sums.get(key) ?? { n: 0, sum: 0n };
    if (n === 0 && of.sums.size === ASSETS) of.further += 1;
    else of.sums.set(key, { n: n + 1, sum: sum + amount });
  };
  const credit = (p: SeenPayment) => {
    ever += p.amount;
    const isPlaced = p.placedAfter !== null;
    last = lastOf({ ...p, ledger: p.placedAfter ?? p.ledger, isPlaced });
    if (p.resolved) return;
    kept += p.amount;
    if (completing === null && kept >= price) [completing, completed] = [ledgerPaymentKey(p), kept];
  };
  return {
    add: (p) => {
      const { verdict } = p;
      if (verdict === null || verdict === 'unmatched' || verdict === 'ambiguous') return;
      counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
      behind = Math.max(behind, p.placedAfter === null ? p.ledger : p.placedAfter + 1);
      if (verdict === 'after_cancellation' && !p.resolved) {
        afterCancellation ??= `${formatAmount(p.amount)} ${p.txHash}`;
      }
      if (verdict === 'credited') credit(p);
      else if (!p.resolved) hold(verdict, p);
    },
    problem: (stored) => {
      if (stored === null || stored === undefined) return null;
      const right: Totals = {
        credited: formatAmount(kept),
        everCredited: formatAmount(ever),
        completing,
        completed: formatAmount(completed),
        behind,
        last,
        counts: countsOf(Object.fromEntries(counts)),
        afterCancellation,
        held: heldOf(held),
      };
      const told = read(stored);
      if (told === null) return 'Its running totals cannot be read.';
      const wrong = (Object.keys(right) as (keyof Totals)[])
        .filter((field) => told[field] !== right[field])
        .map((field) => `${field} is ${told[field]} and should be ${right[field]}`);
      return wrong.length === 0
        ? null
        : `Its running totals are not those of its payments: ${wrong.join('; ')}.`;
    },
  };
}

type Stored = Omit<Totals, 'completing' | 'last' | 'counts' | 'afterCancellation'> & {
  completing: { txHash: string; opIndex: number; subIndex: number } | null;
  last: Parameters<typeof lastOf>[0] | null;
  counts: Record<string, number>;
  afterCancellation: { amount: string; txHash: string } | null;
  held: Record<string, StoredHeld>;
};

type StoredHeld = {
  payments: number;
  furtherPayments: number;
  sums: { code: string; issuer: string | null; amount: string; payments: number }[];
};

function read(stored: unknown): Totals | null {
  const sum = (decimal: string) => formatAmount(parseSum(decimal));
  try {
    const { completing, last, counts, held, afterCancellation: after, ...sums } = stored as Stored;
    return {
      credited: sum(sums.credited),
      everCredited: sum(sums.everCredited),
      completed: sum(sums.completed),
      behind: sums.behind,
      completing: completing && ledgerPaymentKey(completing),
      last: last && lastOf(last),
      counts: countsOf(counts),
      afterCancellation: after && `${sum(after.amount)} ${after.txHash}`,
      held: heldOf(
        new Map(Object.entries<StoredHeld>(held).map(([verdict, of]) => [verdict, toHeld(of)])),
      ),
    };
  } catch {
    return null;
  }
}

function lastOf(last: {
  ledger: number;
  isPlaced: boolean;
  operationId: string;
  subIndex: number;
}): string {
  const { ledger, isPlaced, operationId, subIndex } = last;
  return `${isPlaced ? 'behind ' : ''}${ledger}, ${operationId}:${subIndex}`;
}

function countsOf(counts: Readonly<Record<string, number>>): string {
  const list = Object.entries(counts).filter(([, count]) => count !== 0);
  return list
    .map(([verdict, count]) => `${count} ${verdict}`)
    .sort()
    .join(', ');
}

function toHeld({ payments, furtherPayments: further, sums }: StoredHeld): Held {
  return {
    payments,
    further,
    sums: new Map(
      sums.map(({ code, issuer, amount, payments: n }) => [
        assetKey({ code, issuer }),
        { n, sum: parseSum(amount) },
      ]),
    ),
  };
}

function heldOf(held: ReadonlyMap<string, Held>): string {
  const list = [...held].map(([verdict, { payments, further, sums }]) => {
    const ofAssets = [...sums].map(([asset, { n, sum }]) => `${formatAmount(sum)} ${asset} (${n})`);
    return `${payments} ${verdict}: ${ofAssets.join(', ')}${further > 0 ? `, ${further} further` : ''}`;
  });
  return list.sort().join('; ');
}
