/** Running totals over the judged payments of a session that has too many to read them all: as they are stored, and counted anew. */
import { sql } from 'drizzle-orm';
import {
  ASSETS_HELD,
  NOTHING_BEFORE,
  type HeldSums,
  type JudgedBefore,
} from '../domain/judged-before.ts';
import type { InboxPayment, Verdict } from '../domain/judge.ts';
import { formatAmount } from '../domain/money.ts';
import type { Db } from './connection.ts';
import {
  INBOX_PAYMENT,
  PAYMENTS_OF_SESSION,
  parseStored,
  toInboxPayment,
  type RawPayment,
} from './inbox-payment.ts';
import { deadline } from './predicates.ts';

/** Totals as they are stored. Sums cross as text. */
export type StoredTotals = {
  credited: string;
  everCredited: string;
  completing: { txHash: string; opIndex: number; subIndex: number } | null;
  completed: string;
  behind: number;
  last: JudgedBefore['last'];
  counts: JudgedBefore['counts'];
  afterCancellation: { amount: string; txHash: string } | null;
  held: Partial<Record<Verdict, StoredHeld>>;
  /** Late or on time by another deadline than the one of now; only where they were counted anew. */
  misjudged?: number;
};

type StoredHeld = Pick<HeldSums, 'payments' | 'furtherPayments'> & {
  sums: { code: string; issuer: string | null; amount: string; payments: number }[];
};

/** The totals as JSON for the table. */
export function toStored(before: JudgedBefore): StoredTotals {
  const { credited, everCredited, completing, completed, afterCancellation, held, ...rest } =
    before;
  return {
    ...rest,
    credited: formatAmount(credited),
    everCredited: formatAmount(everCredited),
    completed: formatAmount(completed),
    completing:
      completing === null
        ? null
        : {
            txHash: completing.txHash,
            opIndex: completing.opIndex,
            subIndex: completing.subIndex,
          },
    afterCancellation:
      afterCancellation === null
        ? null
        : {
            amount: formatAmount(afterCancellation.amount),
            txHash: afterCancellation.txHash,
          },
    held: mapHeld(held, ({ sums, ...counts }) => ({
      ...counts,
      sums: sums.map(({ asset, amount, payments }) => ({
        ...asset,
        amount: formatAmount(amount),
        payments,
      })),
    })),
  };
}

function mapHeld<From, To>(
  held: Partial<Record<Verdict, From>>,
  map: (sums: From) => To,
): Partial<Record<Verdict, To>> {
  return Object.fromEntries(Object.entries(held).map(([verdict, sums]) => [verdict, map(sums)]));
}

/** The totals that the row holds. */
export async function toBefore(db: Db, stored: StoredTotals): Promise<JudgedBefore> {
  const { behind, last, counts, afterCancellation: after } = stored;
  return {
    ...NOTHING_BEFORE,
    behind,
    last,
    counts,
    credited: parseStored(stored.credited),
    everCredited: parseStored(stored.everCredited),
    completed: parseStored(stored.completed),
    completing: stored.completing === null ? null : await payment(db, stored.completing),
    afterCancellation: after && { amount: parseStored(after.amount), txHash: after.txHash },
    held: mapHeld(stored.held, ({ sums, ...numbers }) => ({
      ...numbers,
      sums: sums.map(({ code, issuer, amount, payments }) => ({
        asset: { code, issuer },
        amount: parseStored(amount),
        payments,
      })),
    })),
  };
}

async function payment(
  db: Db,
  { txHash, opIndex, subIndex }: NonNullable<StoredTotals['completing']>,
): Promise<InboxPayment | null> {
  const { rows } = await db.execute<{ payment: RawPayment }>(sql`
    SELECT ${INBOX_PAYMENT} AS payment FROM settlement.ledger_payments lp
    WHERE (lp.tx_hash, lp.op_index, lp.sub_index) = (${txHash}, ${opIndex}, ${subIndex})`);
  const [row] = rows;
  return row === undefined ? null : toInboxPayment(row.payment);
}

/** Whether the totals `t` are of the session `s` as its row is now; an edit makes them void. */
export const ARE_OF_SESSION = sql`(t.session_id = s.id AND t.account = s.receiving_account
  AND t.reference IS NOT DISTINCT FROM s.memo AND t.price = s.amount AND t.deadline = ${deadline('s')})`;

/** The totals of the session that the statement calls `s`, unless it was edited since; null where none are kept, or by an earlier version. */
export const TOTALS_OF_SESSION = sql`(SELECT t.totals FROM settlement.session_totals t
  WHERE ${ARE_OF_SESSION} AND t.totals ? 'held')`;

const PLACE = sql.raw(
  'coalesce(placed_after, ledger), placed_after IS NOT NULL, operation_id, sub_index, tx_hash, op_index',
);

const PLACE_ARRAY = sql.raw(
  'ARRAY[coalesce(placed_after, ledger), (placed_after IS NOT NULL)::int, operation_id, sub_index]',
);

/** Counts the judged payments of a session, all of them; the settle that needs it writes it down. */
export async function countAnew(db: Db, sessionId: string): Promise<StoredTotals> {
  const { rows } = await db.execute<{ totals: StoredTotals }>(sql`
    WITH p AS MATERIALIZED (
      SELECT lp.tx_hash, lp.op_index, lp.sub_index, lp.operation_id, lp.ledger, lp.placed_after, lp.amount, lp.verdict,
        lp.asset_code, lp.asset_issuer, lp.resolved_at, s.amount AS price,
        lp.verdict = 'late' AND lp.closed_at <= ${deadline('s')}
          OR lp.verdict = 'credited' AND lp.closed_at > ${deadline('s')} AS misjudged
      FROM checkout_sessions s, LATERAL ${PAYMENTS_OF_SESSION} lp
      WHERE s.id = ${sessionId} AND lp.verdict NOT IN ('unmatched', 'ambiguous')),
    run AS (SELECT p.*, sum(amount) OVER (ORDER BY ${PLACE}) AS running FROM p
      WHERE verdict = 'credited' AND resolved_at IS NULL),
    held AS (SELECT verdict, asset_code, asset_issuer, sum(amount) AS amount, count(*) AS n,
        row_number() OVER (PARTITION BY verdict ORDER BY min(${PLACE_ARRAY})) AS place
      FROM p WHERE verdict <> 'credited' AND resolved_at IS NULL GROUP BY verdict, asset_code, asset_issuer),
    completing AS (SELECT * FROM run WHERE running >= price ORDER BY ${PLACE} LIMIT 1)
    SELECT json_build_object(
      'credited', (SELECT coalesce(sum(amount), 0)::text FROM run),
      'everCredited', (SELECT coalesce(sum(amount), 0)::text FROM p WHERE verdict = 'credited'),
      'completing', (SELECT json_build_object('txHash', tx_hash, 'opIndex', op_index, 'subIndex', sub_index)
        FROM completing),
      'completed', coalesce((SELECT running::text FROM completing), '0'),
      'behind', (SELECT coalesce(max(coalesce(placed_after + 1, ledger)), 0) FROM p),
      'last', (SELECT json_build_object('ledger', coalesce(placed_after, ledger), 'isPlaced', placed_after IS NOT NULL,
          'operationId', operation_id::text, 'subIndex', sub_index) FROM p WHERE verdict = 'credited'
        ORDER BY coalesce(placed_after, ledger) DESC, placed_after IS NOT NULL DESC, operation_id DESC, sub_index DESC
        LIMIT 1),
      'counts', (SELECT coalesce(json_object_agg(verdict, n), '{}')
        FROM (SELECT verdict, count(*) AS n FROM p GROUP BY verdict) c),
      'afterCancellation', (SELECT json_build_object('amount', amount::text, 'txHash', tx_hash) FROM p
        WHERE verdict = 'after_cancellation' AND resolved_at IS NULL ORDER BY ${PLACE} LIMIT 1),
      'held', (SELECT coalesce(json_object_agg(verdict, sums), '{}') FROM (
        SELECT verdict, json_build_object('payments', sum(n),
          'sums', json_agg(json_build_object('code', asset_code, 'issuer', asset_issuer, 'amount', amount::text, 'payments', n)
            ORDER BY place) FILTER (WHERE place <= ${ASSETS_HELD}),
          'furtherPayments', coalesce(sum(n) FILTER (WHERE place > ${ASSETS_HELD}), 0)) AS sums
        FROM held GROUP BY verdict) h),
      'misjudged', (SELECT count(*) FROM p WHERE misjudged)) AS totals`);
  const [row] = rows;
  if (row === undefined) throw new Error('PostgreSQL gave no row for an aggregate.');
  return row.totals;
}
