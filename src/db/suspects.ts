/**
 * The predicates of the partial indexes by which reconciliation finds what is wrong without reading what is right.
 * PostgreSQL uses such an index only for a query that repeats its predicate, so both take the text from here.
 */

/** Of checkout_sessions: a status that settle never leaves beside these columns. `processing` may be a young report. */
export const SUSPECT = `status = 'processing'
  OR (status = 'paid') <> (payment_id IS NOT NULL)
  OR (status IN ('expired', 'cancelled') AND closed_through_ledger IS NULL AND legacy IS NOT TRUE)
  OR (status = 'pending' AND closed_through_ledger IS NOT NULL)`;

/** Of checkout_sessions: not over, or ended by somebody else without proof. */
export const UNCLOSED = "closed_through_ledger IS NULL AND status <> 'paid' AND legacy IS NOT TRUE";

/** Of payments: live, and neither made nor found by settle. */
export const UNSETTLED = 'settled_at IS NULL AND superseded_by IS NULL';

/** Of webhook_deliveries: an older backend made it and has not finished it. */
export const FOREIGN = "event_id IS NULL AND status IN ('pending', 'failed')";
