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
  /** An operator has dealt with it (returned it, say): it never counts again. */
  readonly resolved: boolean;
  /** An operator gave it to this session, whatever its reference says. */
  readonly assigned: boolean;
};

/** A ledger payment and what it means. */
export type Judged = { readonly payment: InboxPayment; readonly verdict: Verdict };

/** The judgement of all ledger payments of one session. */
export type Judgement = {
  /** In ledger order. */
  readonly judged: readonly Judged[];
  /** The sum of what is credited, in stroops. */
  readonly credited: Stroops;
  /** The payment with which, in ledger order, the credited sum reaches the price; null while it is short. */
  readonly completing: LedgerPayment | null;
};

/** What judging needs besides the session: who else claims its reference, and which payment its row names. */
export type JudgeContext = {
  readonly ambiguous: boolean;
  /** Transaction hash of the session's live `payments` row, outer or inner; null without a row. */
  readonly paidByTxHash: string | null;
};

/**
 * Judges every ledger payment of a session, from facts alone: the same facts give the same verdicts, in whatever
 * order they were found, except that what was once credited stays credited.
 */
export function judge(
  session: Session,
  payments: readonly InboxPayment[],
  context: JudgeContext,
): Judgement {
  const judged: Judged[] = [];
  let credited = 0n;
  for (const payment of [...payments].sort(creditedFirst)) {
    const verdict = judgeOne(session, payment, context, credited >= session.price);
    judged.push({ payment, verdict });
    if (verdict === 'credited' && !payment.resolved) credited += payment.amount;
  }
  judged.sort((a, b) => inLedgerOrder(a.payment, b.payment));
  return { judged, credited, completing: completingOf(judged, session.price) };
}

/**
 * Depends on the set of what is credited, not on how it came to be: judging again names the same payment, though
 * a payment found later (a report overtakes the reader) had an earlier place on the ledger.
 */
function completingOf(inOrder: readonly Judged[], price: Stroops): LedgerPayment | null {
  let sum = 0n;
  for (const { payment, verdict } of inOrder) {
    if (verdict !== 'credited' || payment.resolved) continue;
    sum += payment.amount;
    if (sum >= price) return payment;
  }
  return null;
}

/** The rows of the table in docs/guarantees.md, in their order. */
function judgeOne(
  session: Session,
  payment: InboxPayment,
  context: JudgeContext,
  alreadyPaid: boolean,
): Verdict {
  if (payment.verdict !== null && payment.verdict !== 'unmatched') return payment.verdict;
  if (context.ambiguous && !payment.assigned) return 'ambiguous';
  if (!hasAsset(session) || !sameAsset(payment.asset, session.asset)) return 'wrong_asset';
  if (payment.amount === 0n) return 'nothing';
  if (isNamedBy(context.paidByTxHash, payment) && !alreadyPaid) return 'credited';
  if (payment.closedAt > effectiveDeadline(session)) return 'late';
  if (alreadyPaid || context.paidByTxHash !== null) return 'duplicate';
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

/** What was credited before, then the rest; each as the ledger ordered them. */
function creditedFirst(a: InboxPayment, b: InboxPayment): number {
  const rank = ({ verdict }: InboxPayment) => (verdict === 'credited' ? 0 : 1);
  return rank(a) - rank(b) || inLedgerOrder(a, b);
}

/** Compares two ledger payments by their place on the ledger. */
export function inLedgerOrder(a: LedgerPayment, b: LedgerPayment): number {
  const [x, y] = [BigInt(a.operationId), BigInt(b.operationId)];
  if (x !== y) return x < y ? -1 : 1;
  return a.subIndex - b.subIndex || ledgerPaymentKey(a).localeCompare(ledgerPaymentKey(b));
}
