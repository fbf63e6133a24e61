/**
 * What the partial indexes hold by which reconciliation finds what is wrong without reading what is right. PostgreSQL
 * uses such an index only for a query that says the same, so both take the text from here.
 */
import type { Asset } from '../domain/asset.ts';
import { formatAmount, type Stroops } from '../domain/money.ts';

/**
 * Of checkout_sessions: what kind of discrepancy its own columns show; null for a row as settle leaves it. Each kind
 * is one range of the index, in id order. `processing` may be a young report. The last line is `endingOf`
 * (domain/session.ts): an ending of ours that says something else was written over.
 */
export const WRONG = `CASE
  WHEN status = 'paid' THEN CASE WHEN payment_id IS NULL THEN 'paid_without_payment' END
  WHEN payment_id IS NOT NULL THEN 'unsettled_payment'
  WHEN status = 'processing' THEN 'stuck_processing'
  WHEN status = 'pending' THEN CASE WHEN closed_through_ledger IS NOT NULL OR legacy THEN 'foreign_ending' END
  WHEN closed_through_ledger IS NULL THEN CASE WHEN legacy IS NOT TRUE THEN 'foreign_ending' END
  WHEN (status = 'cancelled') <> (cancel_at IS NOT NULL AND cancel_at <= coalesce(final_deadline, expires_at)) THEN 'foreign_ending' END`;

/** Of checkout_sessions: open, and never ended. Of years of sessions these are a few. */
export const OPEN = `status IN ('pending', 'processing')
  AND closed_through_ledger IS NULL AND legacy IS NOT TRUE`;

/**
 * Of checkout_sessions: what the payer was asked for, as text: price, asset and receiving account. `termsInWords` says
 * the same of a session that is about to be opened.
 */
export const TERMS = `amount::text || ' ' || asset_code || coalesce(':' || asset_issuer, '') || ' to ' || receiving_account`;

/** The terms of a session as PostgreSQL writes them (\`TERMS\`), such as \`12.5000000 XLM to G…\`. */
export function termsInWords(session: {
  readonly price: Stroops;
  readonly asset: Asset;
  readonly receivingAccount: string;
}): string {
  const { price, asset, receivingAccount } = session;
  const issuer = asset.issuer === null ? '' : `:${asset.issuer}`;
  return `${formatAmount(price)} ${asset.code}${issuer} to ${receivingAccount}`;
}

/**
 * Of checkout_sessions: what the backend has written since the row was last taken into account. A row that never was
 * counts, unless it is over. The watcher follows these within one turn.
 */
export const UNSEEN = `CASE
  WHEN seen_status IS NULL THEN status <> 'paid' AND closed_through_ledger IS NULL
    AND (legacy IS NOT TRUE OR status IN ('pending', 'processing'))
  ELSE seen_status <> status OR seen_expires_at <> expires_at OR seen_memo IS DISTINCT FROM memo
    OR seen_terms <> ${TERMS} END`;

/** Of payments: live, and neither made nor found by settle. */
export const UNSETTLED = 'settled_at IS NULL AND superseded_by IS NULL';

/** Of webhook_deliveries: an older backend made it and has not finished it. */
export const FOREIGN = "event_id IS NULL AND status IN ('pending', 'failed')";
