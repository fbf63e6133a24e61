/**
 * What a session's ledger payments mean, folded in ledger order: written anew for the audit, without the code that wrote
 * the verdicts. Pure.
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
};

/** A payment in its place, and the meanings that its facts and its place allow. */
export type Placed = {
  readonly payment: InboxPayment;
  readonly allowed: ReadonlySet<Verdict>;
};

/** All payments of a session in the order in which they count. Sums are in stroops. */
export type Fold = {
  readonly placed: readonly Placed[];
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
};

/** After this instant money is late: what was written down at the end, else the earlier of deadline and cancellation. */
export function deadlineOf({ finalDeadline, expiresAt, cancelAt }: Session): Date {
  return finalDeadline ?? (cancelAt !== null && cancelAt < expiresAt ? cancelAt : expiresAt);
}

/** What a session is called that ended short. */
export function endingName(session: Session): 'cancelled' | 'expired' {
  const { cancelAt } = session;
  return cancelAt !== null && cancelAt <= deadlineOf(session) ? 'cancelled' : 'expired';
}

/** Folds the payments by their stored verdicts, and says at each which verdicts would be right. */
export function foldOf(
  session: Session,
  payments: readonly InboxPayment[],
  context: FoldContext,
): Fold {
  const placed: Placed[] = [];
  let [credited, kept, completed, hasReturned] = [0n, 0n, 0n, false];
  let completing: InboxPayment | null = null;
  for (const payment of payments.toSorted(byPlace(context.openedAfter ?? 0))) {
    placed.push({ payment, allowed: allowed(session, payment, context, { credited, kept }) });
    if (payment.verdict !== 'credited') continue;
    credited += payment.amount;
    if (payment.resolved) hasReturned = true;
    else kept += payment.amount;
    if (completing !== null || credited < session.price) continue;
    [completing, completed] = [payment, credited];
  }
  return { placed, credited, kept, completing, completed, hasReturned };
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

/** The ledger's own order; what was placed behind a ledger comes after all of it, as does money from before the opening. */
function byPlace(openedAfter: number) {
  const ledgerOf = ({ placedAfter, ledger }: InboxPayment) =>
    placedAfter ?? Math.max(ledger, openedAfter);
  const isBehind = ({ placedAfter, ledger }: InboxPayment) =>
    placedAfter !== null || ledger <= openedAfter ? 1 : 0;
  return (a: InboxPayment, b: InboxPayment): number => {
    const operations = BigInt(a.operationId) - BigInt(b.operationId);
    return (
      ledgerOf(a) - ledgerOf(b) ||
      isBehind(a) - isBehind(b) ||
      (operations === 0n ? 0 : operations < 0n ? -1 : 1) ||
      a.subIndex - b.subIndex ||
      (a.txHash < b.txHash ? -1 : a.txHash > b.txHash ? 1 : a.opIndex - b.opIndex)
    );
  };
}
