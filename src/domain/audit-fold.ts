/**
 * What a session's ledger payments mean, folded in ledger order: written anew for the audit, without the code that wrote
 * the verdicts. It takes one payment after the other and keeps sums, however many there are. Pure.
 */
import { isNative, sameAsset } from './asset.ts';
import type { InboxPayment, Verdict } from './judge.ts';
import type { Stroops } from './money.ts';
import type { Session } from './session.ts';

/** What the meaning of a payment depends on besides the session and the other payments. */
export type FoldContext = {
  /** The ledger after which the session was opened; null: not known. */
  readonly openedAfter: number | null;
  /** Transaction hash of a payments row that another backend wrote; null without one. */
  readonly olderRow: string | null;
  /** Another session has the same reference on the same account. */
  readonly ambiguous: boolean;
  /** Every payment through this ledger is in the inbox. */
  readonly readThrough: number;
};

/** A payment as the audit reads it. */
export type SeenPayment = InboxPayment & {
  /** When it came into the inbox. */
  readonly seenAt: Date;
};

/** A payment in its place, and the meanings that its facts and its place allow. */
export type Placed = {
  readonly payment: SeenPayment;
  readonly allowed: ReadonlySet<Verdict>;
};

/** The payments with one verdict. */
export type Line = {
  readonly count: number;
  /** Those of ledgers through `readThrough`. */
  readonly countRead: number;
  /** The first ONE_BY_ONE of them in the ledger's own order. */
  readonly first: readonly InboxPayment[];
};

/** Credited money beyond the price: which payment brought it, and how much, in stroops. */
export type Surplus = { readonly payment: InboxPayment; readonly amount: Stroops };

/** All payments of a session, in the order in which they count, as sums in stroops. */
export type Fold = {
  /** Credited, whatever an operator returned of it later. */
  readonly credited: Stroops;
  /** Credited and not returned. */
  readonly kept: Stroops;
  /** The payment with which the credited sum reaches the price. */
  readonly completing: InboxPayment | null;
  /** What is credited through it; 0 while it is short. */
  readonly completed: Stroops;
  /** An operator returned credited money: which sum a payment met then depends on when. */
  readonly hasReturned: boolean;
  /** Credited, and counting before the ledger that the ending names. */
  readonly received: Stroops;
  readonly lines: ReadonlyMap<Verdict, Line>;
  /** What is held of credited money if the session is paid, the first MOST_SURPLUS of it. */
  readonly surplus: readonly Surplus[];
};

/** Held payments that are told one by one, for each reason. */
export const ONE_BY_ONE = 20;
/** Only what was credited beside a paid price is surplus: one payment, and a few where money was returned. */
const MOST_SURPLUS = 1_000;

/** After this instant money is late: what was written down at the end, else the earlier of deadline and cancellation. */
export function deadlineOf({ finalDeadline, expiresAt, cancelAt }: Session): Date {
  return finalDeadline ?? (cancelAt !== null && cancelAt < expiresAt ? cancelAt : expiresAt);
}

/** What a session is called that ended short. */
export function endingName(session: Session): 'cancelled' | 'expired' {
  const { cancelAt } = session;
  return cancelAt !== null && cancelAt <= deadlineOf(session) ? 'cancelled' : 'expired';
}

/** A fold under way. Payments come in the order of `byPlace`; each is given back with the verdicts that would be right. */
export function createFold(
  session: Session,
  context: FoldContext,
): { add(payment: SeenPayment): Placed; result(): Fold } {
  const ending = session.closedThroughLedger ?? Infinity;
  let [credited, kept, completed, received, hasReturned] = [0n, 0n, 0n, 0n, false];
  let completing: InboxPayment | null = null;
  const lines = new Map<Verdict, { count: number; countRead: number; first: InboxPayment[] }>();
  const surplus: Surplus[] = [];
  const count = (payment: InboxPayment, verdict: Verdict) => {
    const line = lines.get(verdict) ?? { count: 0, countRead: 0, first: [] };
    lines.set(verdict, line);
    line.count += 1;
    if (payment.ledger <= context.readThrough) line.countRead += 1;
    keepFirst(line.first, payment);
  };
  const credit = (payment: InboxPayment) => {
    credited += payment.amount;
    if ((payment.placedAfter ?? 0) < ending) received += payment.amount;
    if (payment.resolved) hasReturned = true;
    else {
      const needed = session.price > kept ? session.price - kept : 0n;
      const amount = payment.amount - needed;
      if (amount > 0n && surplus.length < MOST_SURPLUS) surplus.push({ payment, amount });
      kept += payment.amount;
    }
    if (completing === null && credited >= session.price) {
      [completing, completed] = [payment, credited];
    }
  };
  return {
    add: (payment) => {
      const placed = { payment, allowed: allowed(session, payment, context, { credited, kept }) };
      if (payment.verdict !== null) count(payment, payment.verdict);
      if (payment.verdict === 'credited') credit(payment);
      return placed;
    },
    result: () => ({
      credited,
      kept,
      completing,
      completed,
      hasReturned,
      received,
      lines,
      surplus,
    }),
  };
}

function keepFirst(first: InboxPayment[], payment: InboxPayment): void {
  const last = first.at(-1);
  const isBehind = last !== undefined && byLedger(last, payment) < 0;
  if (isBehind && first.length === ONE_BY_ONE) return;
  first.push(payment);
  if (last !== undefined && !isBehind) first.sort(byLedger);
  if (first.length > ONE_BY_ONE) first.pop();
}

/** Whether the session can be paid in this payment's asset; one in an issued asset without an issuer can be paid by none. */
export function isOfAsset({ asset }: Session, payment: InboxPayment): boolean {
  return (isNative(asset) || asset.issuer !== null) && sameAsset(payment.asset, asset);
}

/** Whether another backend's payments row names this payment. */
export function isNamed(payment: InboxPayment, olderRow: string | null): boolean {
  return olderRow !== null && [payment.txHash, payment.innerTxHash].includes(olderRow);
}

function allowed(
  session: Session,
  payment: InboxPayment,
  { olderRow, ambiguous }: FoldContext,
  before: { readonly credited: Stroops; readonly kept: Stroops },
): ReadonlySet<Verdict> {
  const right = new Set<Verdict>();
  // What it meant before the other session came stays.
  if (ambiguous && !payment.assigned) right.add('ambiguous');
  if (!isOfAsset(session, payment)) return right.add('wrong_asset');
  if (payment.amount === 0n) return right.add('nothing');
  const isShort = before.kept < session.price;
  if (isNamed(payment, olderRow) && isShort) return right.add('credited');
  if (payment.closedAt > deadlineOf(session)) return right.add('late');
  if (isShort) right.add('credited');
  if (before.credited >= session.price || olderRow !== null) right.add('duplicate');
  if (session.closedThroughLedger !== null && endingName(session) === 'cancelled') {
    right.add('after_cancellation');
  }
  return right;
}

/**
 * The order in which payments count: the ledger's own; what was placed behind a ledger comes after all of it, as does money
 * from before the opening.
 */
export function byPlace(openedAfter: number) {
  const ledgerOf = ({ placedAfter, ledger }: InboxPayment) =>
    placedAfter ?? Math.max(ledger, openedAfter);
  const isBehind = ({ placedAfter, ledger }: InboxPayment) =>
    placedAfter !== null || ledger <= openedAfter ? 1 : 0;
  return (a: InboxPayment, b: InboxPayment): number =>
    ledgerOf(a) - ledgerOf(b) || isBehind(a) - isBehind(b) || byLedger(a, b);
}

function byLedger(a: InboxPayment, b: InboxPayment): number {
  if (a.operationId !== b.operationId) {
    return BigInt(a.operationId) < BigInt(b.operationId) ? -1 : 1;
  }
  if (a.subIndex !== b.subIndex) return a.subIndex - b.subIndex;
  return a.txHash < b.txHash ? -1 : a.txHash > b.txHash ? 1 : a.opIndex - b.opIndex;
}
