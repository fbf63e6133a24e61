/**
 * A ledger of a few ledgers, the database of one session on it, and everything that can happen to the two: rows become
 * known in any order, coverage grows in any order, the database is restored to an earlier state. What the ledger says is
 * computed here by itself, without the product's fold.
 */
import * as fc from 'fast-check';
import { NATIVE, type Asset } from '../../src/domain/asset.ts';
import type { InboxPayment, Verdict } from '../../src/domain/judge.ts';
import { ledgerPaymentKey } from '../../src/domain/ledger-payment.ts';
import { parseAmount } from '../../src/domain/money.ts';
import type { PaymentRow, SessionFacts } from '../../src/domain/settle.ts';
import { facts, FAKE_USDC, minute, pay, row, session, USDC } from './build.ts';

/** Ledgers at the start that closed before the session was opened. */
const BEFORE_OPENING = 2;
/** A number before that of the first ledger. */
export const FIRST = 9_000;
export const OPENED_AFTER = FIRST + BEFORE_OPENING;

/** Two ledgers may close in the same second; a deadline may lie between two seconds. */
const second = (n: number) => new Date(minute(0).getTime() + n * 1000);

type Ledger = { readonly sequence: number; readonly closedAt: Date };

/** What the books say, and the session's terms: the inputs of settlement. */
export type World = {
  readonly ledgers: readonly Ledger[];
  readonly payments: readonly InboxPayment[];
  readonly price: bigint;
  readonly expiresAt: Date;
  /** The session is cancelled from the start on. */
  readonly cancelAt: Date | null;
  readonly ambiguous: boolean;
  /** An older backend's row: it is there from the start on. */
  readonly paymentRow: PaymentRow | null;
  /** A record of this ledger cannot be read until a person helps; it is none of the session's. */
  readonly parked: number | null;
};

/** The database: the session's facts without their coverage, which follows from what is read. */
export type Database = {
  readonly facts: SessionFacts;
  readonly tip: number;
  /** Ledgers read whole. */
  readonly proven: ReadonlySet<number>;
  /** Ledgers that only pages of the account have shown. */
  readonly paged: ReadonlySet<number>;
  readonly isDecoded: boolean;
};

const ASSETS: readonly Asset[] = [USDC, USDC, USDC, USDC, FAKE_USDC, NATIVE];

const OPERATION = fc.record({
  units: fc.integer({ min: 0, max: 11 }),
  asset: fc.constantFrom(...ASSETS),
  isMerge: fc.boolean(),
  isSameTransaction: fc.boolean(),
  isAssigned: fc.constantFrom(false, false, false, true),
});

const LEDGER = fc.record({
  after: fc.constantFrom(0, 0, 1, 2),
  operations: fc.oneof(fc.constant([]), fc.array(OPERATION, { maxLength: 3, minLength: 1 })),
});

export const WORLD: fc.Arbitrary<World> = fc
  .record({
    ledgers: fc.array(LEDGER, { minLength: 6, maxLength: 14 }),
    price: fc.integer({ min: 1, max: 20 }).map((n) => parseAmount(String(n))),
    expires: fc.integer({ min: 2, max: 26 }),
    cancels: fc.option(fc.integer({ min: 4, max: 26 }), { freq: 2 }),
    ambiguous: fc.constantFrom(false, false, false, false, false, true),
    paidBefore: fc.option(fc.nat({ max: 30 }), { freq: 1 }),
    parked: fc.option(fc.integer({ min: 1, max: 14 }), { freq: 1 }),
  })
  .map(({ ledgers: made, price, expires, cancels, ambiguous, paidBefore, parked }) => {
    const ledgers: Ledger[] = [];
    const payments: InboxPayment[] = [];
    let at = 0;
    let transaction = 0;
    for (const [i, { after, operations }] of made.entries()) {
      at += after;
      const ledger = { sequence: FIRST + i + 1, closedAt: second(at) };
      ledgers.push(ledger);
      let opIndex = -1;
      for (const { units, asset, isMerge, isSameTransaction, isAssigned } of operations) {
        opIndex = isSameTransaction && opIndex >= 0 ? opIndex + 1 : 0;
        if (opIndex === 0) transaction++;
        const fields = { opIndex, closedAt: ledger.closedAt, ledger: ledger.sequence };
        payments.push(
          pay(transaction, String(units), {
            ...fields,
            asset: isMerge ? NATIVE : asset,
            type: isMerge ? 'account_merge' : 'payment',
            operationId: String((ledger.sequence * 1000 + transaction) * 10 + opIndex),
            ...(isAssigned ? { assigned: true, reference: null } : {}),
          }),
        );
      }
    }
    const half = expires % 2 === 0 ? 0 : 0.5;
    return {
      ledgers,
      payments,
      price,
      ambiguous,
      expiresAt: second(Math.floor(expires / 2) + half),
      cancelAt: cancels === null ? null : second(Math.floor(cancels / 2)),
      paymentRow: paidBefore === null ? null : row(paidBefore, '10'),
      parked: parked === null ? null : FIRST + parked,
    };
  });

/** The database when the session is taken into care; what came before its opening is known. */
export function opened(world: World, known = world.payments.filter(isBeforeOpening)): Database {
  const { price, expiresAt, cancelAt, ambiguous, paymentRow } = world;
  return {
    facts: facts({
      session: session({ price, expiresAt, cancelAt }),
      payments: known,
      ambiguous,
      paymentRow,
    }),
    tip: OPENED_AFTER,
    proven: new Set(),
    paged: new Set(),
    isDecoded: false,
  };
}

export const isBeforeOpening = ({ ledger }: InboxPayment) => ledger <= OPENED_AFTER;

/** Adds rows that are not there yet. */
export function learn(db: Database, rows: readonly InboxPayment[]): Database {
  const known = new Set(db.facts.payments.map(ledgerPaymentKey));
  const fresh = rows.filter((p) => !known.has(ledgerPaymentKey(p)));
  return { ...db, facts: { ...db.facts, payments: [...db.facts.payments, ...fresh] } };
}

/** The deadline by its definition, apart from src/domain/session.ts. */
function deadlineOf({ expiresAt, cancelAt }: Pick<World, 'expiresAt' | 'cancelAt'>): Date {
  return cancelAt === null || cancelAt > expiresAt ? expiresAt : cancelAt;
}

/** The first ledger of the chain, as far as it is known, that closed strictly after an instant. */
function firstAfter({ ledgers }: World, tip: number, instant: Date): number | null {
  const found = ledgers.find((l) => l.sequence <= tip && l.closedAt > instant);
  return found?.sequence ?? null;
}

/** The last ledger up to which a set has no hole. */
function through(set: ReadonlySet<number>): number {
  let last = OPENED_AFTER;
  while (set.has(last + 1)) last++;
  return last;
}

/** The facts as db/facts.ts reads them. */
export function factsOf(world: World, { facts: f, tip, proven, paged, isDecoded }: Database) {
  const { finalDeadline, ...terms } = f.session;
  const endLedger = firstAfter(world, tip, finalDeadline ?? deadlineOf(terms));
  const isParked = world.parked !== null && !isDecoded && proven.has(world.parked);
  return {
    ...f,
    coverage: {
      openedAfter: OPENED_AFTER,
      readThrough: through(new Set([...proven, ...paged])),
      provenThrough: through(proven),
      endLedger,
      hasHole: false,
      newestLedger: tip,
    },
    undecoded: isParked && (world.parked ?? 0) < (endLedger ?? Infinity),
  };
}

/** Everything is read, and every record can be. */
export function readWhole(world: World, db: Database): Database {
  const all = world.ledgers.map(({ sequence }) => sequence);
  return {
    ...learn(db, world.payments),
    tip: Math.max(...all),
    proven: new Set(all),
    isDecoded: true,
  };
}

/** What the ledger says: the status, and of each payment the verdict. */
export type Said = {
  readonly status: 'open' | 'paid' | 'expired' | 'cancelled';
  readonly verdicts: Readonly<Record<string, Verdict>>;
  /** The payment that completes the price and the sum through it; null while it is short or another row pays it. */
  readonly completing: { readonly key: string; readonly sum: bigint } | null;
  readonly end: number | null;
};

/** Folds the payments in the order given. */
export function say(
  world: World,
  { cancelAt }: { cancelAt: Date | null },
  inOrder: readonly InboxPayment[],
): Said {
  const terms = { expiresAt: world.expiresAt, cancelAt };
  const deadline = deadlineOf(terms);
  const verdicts: Record<string, Verdict> = {};
  const paidBefore = world.paymentRow?.txHash ?? null;
  let sum = 0n;
  let completing: Said['completing'] = null;
  for (const p of inOrder) {
    const key = ledgerPaymentKey(p);
    const counts = (): Verdict => {
      if (paidBefore === p.txHash && sum < world.price) return 'credited';
      if (p.closedAt > deadline) return 'late';
      return sum >= world.price || paidBefore !== null ? 'duplicate' : 'credited';
    };
    const verdict =
      world.ambiguous && !p.assigned
        ? 'ambiguous'
        : p.asset !== USDC
          ? 'wrong_asset'
          : p.amount === 0n
            ? 'nothing'
            : counts();
    verdicts[key] = verdict;
    if (verdict !== 'credited') continue;
    sum += p.amount;
    if (completing === null && sum >= world.price && paidBefore === null) completing = { key, sum };
  }
  const end = firstAfter(world, Infinity, deadline);
  if (paidBefore !== null || completing !== null)
    return { status: 'paid', verdicts, completing, end: null };
  const isCancelled = cancelAt !== null && cancelAt <= world.expiresAt;
  const status = end === null ? 'open' : isCancelled ? 'cancelled' : 'expired';
  return { status, verdicts, completing, end };
}
