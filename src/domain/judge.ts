import { sameAsset, isNative } from './asset.ts';
import { ledgerPaymentKey, type LedgerPayment } from './ledger-payment.ts';
import type { Stroops } from './money.ts';
import { effectiveDeadline, endingOf, type Session } from './session.ts';

/** What one ledger payment means for one session. docs/guarantees.md has the table in words. */
export type Verdict =
  /** No session has this reference on this account. The one verdict that a later settle may overwrite. */
  | 'unmatched'
  /** Two sessions have this reference (old data). */
  | 'ambiguous'
  /** Another asset or issuer, or the session itself names no issuer. */
  | 'wrong_asset'
  /** An amount of zero. */
  | 'nothing'
  /** Its ledger closed after the effective deadline. */
  | 'late'
  /** The session was already paid by others. */
  | 'duplicate'
  /** On time, but found after we had told everybody that the session was cancelled. */
  | 'after_cancellation'
  /** It counts. */
  | 'credited';

/** A ledger payment of a session, with what an earlier settle or an operator decided about it. */
export type InboxPayment = LedgerPayment & {
  readonly verdict: Verdict | null;
  /** It sorts behind this ledger instead of at its own place; null for almost all. */
  readonly placedAfter: number | null;
  /** An operator has dealt with it (returned it, say): it never counts again. */
  readonly resolved: boolean;
  /** An operator gave it to this session, whatever its reference says. */
  readonly assigned: boolean;
};

/** A ledger payment and what it means. */
export type Judged = {
  readonly payment: InboxPayment;
  readonly verdict: Verdict;
  /** As `payment.placedAfter`, or newly: it was found when a decision already stood that its own place would change. */
  readonly placedAfter: number | null;
};

/** The judgement of all ledger payments of one session. */
export type Judgement = {
  /** In the order in which they count. */
  readonly judged: readonly Judged[];
  /** The sum of what is credited, in stroops. */
  readonly credited: Stroops;
  /** The payment with which the credited sum reaches the price; null while it is short. */
  readonly completing: LedgerPayment | null;
  /** What is credited through the completing payment, in stroops; 0 while it is short. */
  readonly completed: Stroops;
  /** Payments of ledgers up to which the account is not read yet: they have no meaning until it is. */
  readonly waiting: readonly InboxPayment[];
};

/** What judging needs besides the session: who else claims its reference, how far is read, which payment its row names. */
export type JudgeContext = {
  readonly ambiguous: boolean;
  /** Transaction hash of the session's live `payments` row, outer or inner; null without a row. */
  readonly paidByTxHash: string | null;
  /** The ledger after which the session was opened. Earlier money counts as the first after it. */
  readonly openedAfter: number;
  /** Every payment of the ledgers after `openedAfter` through this one is in the inbox. Nothing later is credited. */
  readonly readThrough: number;
};

/**
 * Judges every ledger payment of a session: a fold in ledger order over what is read without a hole from the opening on.
 * What lies beyond sorts later and changes nothing before it, so the same ledger gives the same verdicts in whatever
 * order it was discovered (docs/decisions/0013-settlement-is-a-function-of-the-ledger.md).
 *
 * A stored verdict stands. A payment that is found when a decision stands which its own place would change (history that
 * was filled in, say) is placed behind what is read.
 */
export function judge(
  session: Session,
  payments: readonly InboxPayment[],
  context: JudgeContext,
): Judgement {
  const first = fold(session, payments, context);
  const displaced = displacedBy(first, session, context);
  if (displaced.size === 0) return first;
  const placed = payments.map((p) =>
    displaced.has(p) ? { ...p, placedAfter: context.readThrough } : p,
  );
  return fold(session, placed, context);
}

function fold(
  session: Session,
  payments: readonly InboxPayment[],
  context: JudgeContext,
): Judgement {
  const judged: Judged[] = [];
  const waiting: InboxPayment[] = [];
  let credited = 0n;
  let completing: LedgerPayment | null = null;
  let completed = 0n;
  for (const payment of [...payments].sort(inOrderOf(context.openedAfter))) {
    const verdict = judgeOne(session, payment, context, credited >= session.price);
    if (verdict === null) {
      waiting.push(payment);
      continue;
    }
    judged.push({ payment, verdict, placedAfter: payment.placedAfter });
    if (verdict !== 'credited' || payment.resolved) continue;
    credited += payment.amount;
    if (completing !== null || credited < session.price) continue;
    completing = payment;
    completed = credited;
  }
  return { judged, credited, completing, completed, waiting };
}

/**
 * Newly credited payments whose own place would change what stands: an event that was made of the sum so far, or a
 * verdict behind them.
 */
function displacedBy(
  { judged }: Judgement,
  { price, closedThroughLedger }: Session,
  { paidByTxHash }: JudgeContext,
): Set<InboxPayment> {
  const displaced = new Set<InboxPayment>();
  const isTold = paidByTxHash !== null || closedThroughLedger !== null;
  let fresh: InboxPayment[] = [];
  let sum = 0n;
  for (const { payment, verdict } of judged) {
    const isNew = payment.verdict === null || payment.verdict === 'unmatched';
    const wouldCount = verdict === 'credited' || (verdict === 'duplicate' && isNew && sum < price);
    if (!wouldCount) continue;
    if (isNew && payment.placedAfter === null) fresh.push(payment);
    else if (!isNew && fresh.length > 0 && (isTold || sum >= price)) {
      for (const p of fresh) displaced.add(p);
      fresh = [];
    }
    if (verdict === 'credited' && !payment.resolved) sum += payment.amount;
  }
  return displaced;
}

/** The rows of the table in docs/guarantees.md, in their order. */
function judgeOne(
  session: Session,
  payment: InboxPayment,
  context: JudgeContext,
  alreadyPaid: boolean,
): Verdict | null {
  if (payment.verdict !== null && payment.verdict !== 'unmatched') return payment.verdict;
  if (context.ambiguous && !payment.assigned) return 'ambiguous';
  if (!hasAsset(session) || !sameAsset(payment.asset, session.asset)) return 'wrong_asset';
  if (payment.amount === 0n) return 'nothing';
  if (isNamedBy(context.paidByTxHash, payment) && !alreadyPaid) return 'credited';
  if (payment.closedAt > effectiveDeadline(session)) return 'late';
  if (alreadyPaid || context.paidByTxHash !== null) return 'duplicate';
  if (!isRead(payment, context)) return null;
  const cancelled = session.closedThroughLedger !== null && endingOf(session) === 'cancelled';
  return cancelled ? 'after_cancellation' : 'credited';
}

/** A session in an issued asset without an issuer (the older backend wrote such rows) can be paid by nothing. */
function hasAsset({ asset }: Session): boolean {
  return isNative(asset) || asset.issuer !== null;
}

function isNamedBy(txHash: string | null, payment: LedgerPayment): boolean {
  return txHash !== null && (payment.txHash === txHash || payment.innerTxHash === txHash);
}

/** Whether everything that sorts before the payment is known. */
function isRead(payment: InboxPayment, { readThrough }: JudgeContext): boolean {
  return payment.placedAfter !== null || payment.ledger <= readThrough;
}

/**
 * Compares two ledger payments by the place at which they count: the ledger's own order, then what was placed behind a
 * ledger. What came before the opening counts as the first thing after it.
 */
function inOrderOf(openedAfter: number) {
  const place = ({ placedAfter, ledger }: InboxPayment): readonly [number, 0 | 1] => {
    if (placedAfter !== null) return [placedAfter, 1];
    return ledger <= openedAfter ? [openedAfter, 1] : [ledger, 0];
  };
  return (a: InboxPayment, b: InboxPayment): number => {
    const [[x, xPlaced], [y, yPlaced]] = [place(a), place(b)];
    return x - y || xPlaced - yPlaced || inLedgerOrder(a, b);
  };
}

/** Compares two ledger payments by their place on the ledger. */
export function inLedgerOrder(a: LedgerPayment, b: LedgerPayment): number {
  const [x, y] = [BigInt(a.operationId), BigInt(b.operationId)];
  if (x !== y) return x < y ? -1 : 1;
  return a.subIndex - b.subIndex || ledgerPaymentKey(a).localeCompare(ledgerPaymentKey(b));
}
