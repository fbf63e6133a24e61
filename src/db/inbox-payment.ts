/** One row of the inbox on its way out of the database. Amounts cross as text: json would make floats of them. */
import { sql, type SQL } from 'drizzle-orm';
import type { InboxPayment } from '../domain/judge.ts';
import { ledgerPaymentKey } from '../domain/ledger-payment.ts';
import { parseSum } from '../domain/money.ts';
import type { Db } from './connection.ts';

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

/** How a statement names a session: by the row that it calls `s`, or by its id alone. */
type OfSession = { readonly id: SQL; readonly account: SQL; readonly reference: SQL };

const OF_ROW: OfSession = {
  id: sql`s.id`,
  account: sql`s.receiving_account`,
  reference: sql`s.memo`,
};
const byId = (id: string): OfSession => ({
  id: sql`${id}::uuid`,
  account: sql`(SELECT c.receiving_account FROM checkout_sessions c WHERE c.id = ${id})`,
  reference: sql`(SELECT c.memo FROM checkout_sessions c WHERE c.id = ${id})`,
});

/** Which of a session's payments: those that fulfil `where` (they are called `p`), the first or the last of them, so many. */
type Some = { readonly where?: SQL; readonly last?: true; readonly most: number };

/**
 * Some payments of the session with this id, or of the row `s`, in ledger order. PostgreSQL takes no order through a UNION of
 * parts with conditions: each part is ordered, by its index, and cut off by itself, so that no more is read than asked for.
 */
export function somePayments(session: string | null, { where = sql`true`, last, most }: Some): SQL {
  const { id, account, reference } = session === null ? OF_ROW : byId(session);
  const order = sql.raw(
    last === true ? 'p.operation_id DESC, p.sub_index DESC' : 'p.operation_id, p.sub_index',
  );
  const limit = sql.raw(String(most));
  return sql`(SELECT * FROM (
    (SELECT p.* FROM settlement.ledger_payments p
      WHERE p.account = ${account} AND p.reference = ${reference} AND p.assigned_to IS NULL
        AND (p.session_id IS NULL OR p.session_id = ${id}) AND ${where} ORDER BY ${order} LIMIT ${limit})
    UNION ALL (SELECT p.* FROM settlement.ledger_payments p
      WHERE p.assigned_to = ${id} AND ${where} ORDER BY ${order} LIMIT ${limit})) p
    ORDER BY ${order} LIMIT ${limit})`;
}

/** Payments of one session that are read in one statement: about 0.5 MB. */
const PAGE = 1_000;

/**
 * The ledger payments of a session in ledger order, page by page. `row` is the JSON of one, which the statement calls `lp`;
 * `where` restricts those that it calls `p`.
 */
export async function* paymentPages<Raw extends RawPayment>(
  db: Db,
  sessionId: string,
  { row = INBOX_PAYMENT, where = sql`true` }: { row?: SQL; where?: SQL } = {},
): AsyncGenerator<Raw[]> {
  let [operationId, subIndex] = ['-1', -1];
  // After a reset of the network two payments may have one place: what the page before had of it is left out.
  let before = new Set<string>();
  for (;;) {
    const { rows } = await db.execute<{ payment: Raw }>(sql`
      SELECT ${row} AS payment FROM ${somePayments(sessionId, {
        where: sql`(p.operation_id, p.sub_index) >= (${operationId}::bigint, ${subIndex}::int) AND ${where}`,
        most: PAGE + before.size,
      })} lp ORDER BY lp.operation_id, lp.sub_index`);
    const page = rows.map(({ payment }) => payment).filter((p) => !before.has(ledgerPaymentKey(p)));
    if (page.length > 0) yield page;
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE) return;
    const isSame = (p: Raw) => p.operationId === last.operationId && p.subIndex === last.subIndex;
    const ofPlace = page.filter(isSame).map(ledgerPaymentKey);
    before = page.every(isSame) ? new Set([...before, ...ofPlace]) : new Set(ofPlace);
    ({ operationId, subIndex } = last);
  }
}

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
