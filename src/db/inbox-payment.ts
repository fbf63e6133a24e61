/** One row of the inbox on its way out of the database. Amounts cross as text: json would make floats of them. */
import { sql } from 'drizzle-orm';
import type { InboxPayment } from '../domain/judge.ts';
import { parseSum } from '../domain/money.ts';

/** The JSON of one row of settlement.ledger_payments, which the statement calls `lp`. */
export const INBOX_PAYMENT = sql`json_build_object(
  'txHash', lp.tx_hash, 'innerTxHash', lp.inner_tx_hash, 'opIndex', lp.op_index,
  'subIndex', lp.sub_index, 'operationId', lp.operation_id::text, 'ledger', lp.ledger,
  'closedAt', lp.closed_at, 'type', lp.type, 'account', lp.account, 'sender', lp.sender,
  'assetCode', lp.asset_code, 'assetIssuer', lp.asset_issuer, 'amount', lp.amount::text,
  'reference', lp.reference, 'referenceSource', lp.reference_source,
  'verdict', lp.verdict, 'placedAfter', lp.placed_after, 'resolved', lp.resolved_at IS NOT NULL,
  'assigned', lp.assigned_to IS NOT NULL)`;

/**
 * The ledger payments of the session that the statement calls `s`: those that name it and belong to no other session
 * (old data has two with one reference), and those that an operator gave to it.
 */
export const PAYMENTS_OF_SESSION = sql`(
  SELECT p.* FROM settlement.ledger_payments p
  WHERE p.account = s.receiving_account AND p.reference = s.memo AND p.assigned_to IS NULL
    AND (p.session_id IS NULL OR p.session_id = s.id)
  UNION ALL SELECT p.* FROM settlement.ledger_payments p WHERE p.assigned_to = s.id)`;

/** What that JSON becomes when the driver has parsed it. */
export type RawPayment = Omit<InboxPayment, 'closedAt' | 'asset' | 'amount'> & {
  closedAt: string;
  assetCode: string;
  assetIssuer: string | null;
  amount: string;
};

/** The ledger payment that the JSON is of. */
export function toInboxPayment({ assetCode, assetIssuer, ...raw }: RawPayment): InboxPayment {
  return {
    ...raw,
    closedAt: new Date(raw.closedAt),
    asset: { code: assetCode, issuer: assetIssuer },
    amount: parseStored(raw.amount),
  };
}

/**
 * An amount as PostgreSQL writes it. numeric(36,7) of the backend holds more than Stellar can carry; such a price is
 * never reached. @throws RangeError for NaN
 */
export const parseStored = parseSum;
