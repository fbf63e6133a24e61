import { sameAsset, isNative } from './asset.ts';
import { NOTHING_BEFORE, type JudgedBefore } from './judged-before.ts';
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
  /** As `payment.placedAfter`, or new: a decision already stood that the payment's own place would change. */
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
  /** Totals of what was judged before and is not listed here; absent when everything is. */
  readonly before?: JudgedBefore;
};

/** What judging needs besides the session: who else claims its reference, how far is read, which payment its row names. */
export type JudgeContext = {
  readonly ambiguous: boolean;
  /** Transaction hash of the session's live `payments` row, outer or inner; null without a row. */
  readonly paidByTxHash: string | null;
  /** The ledger after which the session was opened. Earlier money counts without any reading. */
  readonly openedAfter: number;
  /** Every payment of the ledgers after `openedAfter` through this one is in the inbox. Nothing later is credited. */
  readonly readThrough: number;
  /** Totals of payments that are not among those to be judged, and sort before them; absent when all are. */
  readonly before?: JudgedBefore;
};

/**
 * Judges every ledger payment of a session: a fold in ledger order over what is read without a hole from the opening on.
 * What lies beyond sorts later and changes nothing before it, so the same ledger gives the same verdicts in whatever
 * order it was discovered (docs/decisions/0013-settlement-is-a-function-of-the-ledger.md).
 *
 * A stored verdict stands. A payment that is found when a decision stands which its own place would change (history that
 * was filled in, say) is placed behind every such decision.
 */
export function judge(
  session: Session,
  payments: readonly InboxPayment[],
  context: JudgeContext,
): Judgement {
  const behind = placeBehind(session, payments, context);
  let placed = payments.map((payment): Placed => ({ payment, placedAfter: payment.placedAfter }));
  for (;;) {
    const judgement = fold(session, placed, context);
    const displaced = displacedBy(judgement, session, context);
    if (displaced.size === 0) return judgement;
    placed = placed.map((p) => (displaced.has(p.payment) ? { ...p, placedAfter: behind } : p));
  }
}

/** A payment and the ledger behind which it sorts; null while it sorts at its own place. */
type Placed = { readonly payment: InboxPayment; readonly placedAfter: number | null };

function fold(session: Session, payments: readonly Placed[], context: JudgeContext): Judgement {
  const judged: Judged[] = [];
  const waiting: InboxPayment[] = [];
  const { before } = context;
  let { credited, completing, completed } = before ?? NOTHING_BEFORE;
  for (const placed of [...payments].sort(inOrder)) {
    const { payment, placedAfter } = placed;
    const verdict = judgeOne(session, placed, context, credited >= session.price);
    if (verdict === null) {
      waiting.push(payment);
      continue;
    }
    judged.push({ payment, verdict, placedAfter });
    if (verdict !== 'credited' || payment.resolved) continue;
    credited += payment.amount;
    if (completing !== null || credited < session.price) continue;
    completing = payment;
    completed = credited;
  }
  const ofAll = before === undefined ? {} : { before };
  return { ...ofAll, judged, credited, completing, completed, waiting };
}

/**
 * New payments whose own place would change what stands: a confirmation or an ending that was made of the sum so far, or
 * a verdict behind them.
 */
function displacedBy(
  { judged }: Judgement,
  session: Session,
  context: JudgeContext,
): Set<InboxPayment> {
  const { price, closedThroughLedger } = session;
  const stands = standsIn(session, context);
  const displaced = new Set<InboxPayment>();
  const standing = judged.filter(
    ({ payment, verdict }) => stands(payment) && verdict === 'credited',
  );
  const { credited, everCredited } = context.before ?? NOTHING_BEFORE;
  const isPaid = context.paidByTxHash !== null || sumOf(standing) >= price - everCredited;
  let fresh: InboxPayment[] = [];
  let sum = credited;
  for (const { payment, verdict, placedAfter } of judged) {
    const isNew = !stands(payment);
    const wouldCount = verdict === 'credited' || (verdict === 'duplicate' && isNew && sum < price);
    if (!wouldCount) continue;
    if (isNew && placedAfter === null) fresh.push(payment);
    else if (!isNew && (isPaid || sum >= price)) {
      for (const p of fresh.splice(0)) displaced.add(p);
    }
    if (verdict === 'credited' && !payment.resolved) sum += payment.amount;
  }
  const isEnded = closedThroughLedger !== null && !isPaid;
  return isEnded ? new Set([...displaced, ...fresh]) : displaced;
}

/** The ledger behind which a payment sorts that must change nothing of what stands. */
function placeBehind(
  session: Session,
  payments: readonly InboxPayment[],
  context: JudgeContext,
): number {
  // Behind one that was placed before, too: two at the same place would sort by their own ledgers.
  const standing = payments
    .filter(standsIn(session, context))
    .map(({ placedAfter, ledger }) => (placedAfter === null ? ledger : placedAfter + 1));
  const { behind } = context.before ?? NOTHING_BEFORE;
  return Math.max(context.readThrough, behind, session.closedThroughLedger ?? 0, ...standing);
}

/**
 * Whether a verdict was given before that still holds. `unmatched` says only that no session was there. While nothing is
 * decided of the session as a whole, its backend may edit its deadline and its asset: late or on time, and in which
 * asset, is judged by those of now.
 */
function standsIn(session: Session, { paidByTxHash }: JudgeContext) {
  const { status, finalDeadline, closedThroughLedger } = session;
  const isDecided =
    status === 'paid' ||
    finalDeadline !== null ||
    closedThroughLedger !== null ||
    paidByTxHash !== null;
  return ({ verdict, closedAt, asset }: InboxPayment): boolean => {
    if (verdict === null || verdict === 'unmatched') return false;
    if (isDecided) return true;
    const isLate = closedAt > effectiveDeadline(session);
    const isOfAsset = hasAsset(session) && sameAsset(asset, session.asset);
    if (verdict === 'credited') return !isLate && isOfAsset;
    return !(verdict === 'late' && !isLate) && !(verdict === 'wrong_asset' && isOfAsset);
  };
}

function sumOf(judged: readonly Judged[]): Stroops {
  return judged.reduce((sum, { payment }) => sum + payment.amount, 0n);
}

/** The rows of the table in docs/guarantees.md, in their order. */
function judgeOne(
  session: Session,
  placed: Placed,
  context: JudgeContext,
  alreadyPaid: boolean,
): Verdict | null {
  const { payment } = placed;
  if (standsIn(session, context)(payment)) return payment.verdict;
  if (context.ambiguous && !payment.assigned) return 'ambiguous';
  if (!hasAsset(session) || !sameAsset(payment.asset, session.asset)) return 'wrong_asset';
  if (payment.amount === 0n) return 'nothing';
  if (isNamedBy(context.paidByTxHash, payment) && !alreadyPaid) return 'credited';
  if (payment.closedAt > effectiveDeadline(session)) return 'late';
  if (alreadyPaid || context.paidByTxHash !== null) return 'duplicate';
  if (!isRead(session, placed, context)) return null;
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

/** Whether everything that sorts before the payment is known. What is found after an ending is placed behind it. */
function isRead(
  { closedThroughLedger }: Session,
  { payment, placedAfter }: Placed,
  { openedAfter, readThrough }: JudgeContext,
): boolean {
  if (placedAfter !== null || closedThroughLedger !== null) return true;
  return payment.ledger <= Math.max(openedAfter, readThrough);
}

/** Compares two payments by the place at which they count: the ledger's own order, or behind the ledger named. */
function inOrder(a: Placed, b: Placed): number {
  const [x, y] = [a.placedAfter ?? a.payment.ledger, b.placedAfter ?? b.payment.ledger];
  const isPlaced = (p: Placed) => Number(p.placedAfter !== null);
  return x - y || isPlaced(a) - isPlaced(b) || inLedgerOrder(a.payment, b.payment);
}

/** Compares two ledger payments by their place on the ledger. */
export function inLedgerOrder(a: LedgerPayment, b: LedgerPayment): number {
  const [x, y] = [BigInt(a.operationId), BigInt(b.operationId)];
  if (x !== y) return x < y ? -1 : 1;
  return a.subIndex - b.subIndex || ledgerPaymentKey(a).localeCompare(ledgerPaymentKey(b));
}
