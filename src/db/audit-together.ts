/** The sums of an event that tells many held payments together, read anew. One statement reads no more than the event counts. */
import { sql } from 'drizzle-orm';
import { ASSETS, type Counted, type KnownTogether } from '../domain/audit-together.ts';
import type { Db } from './connection.ts';
import {
  INBOX_PAYMENT,
  parseStored,
  somePayments,
  toInboxPayment,
  type RawPayment,
} from './inbox-payment.ts';

type Raw = {
  count: number;
  last: RawPayment | null;
  sums: { code: string; issuer: string | null; amount: string; payments: number }[] | null;
  assets: number;
};

/** The first payments that the event counts, as sums: those that were in the inbox when it was made. */
export async function knownTogether(
  db: Db,
  sessionId: string,
  { verdict, count }: Counted,
  madeAt: string,
): Promise<KnownTogether> {
  const where = sql`p.verdict = ${verdict} AND p.seen_at <= ${madeAt}::timestamptz`;
  const some = somePayments(sessionId, { where, most: count });
  const { rows } = await db.execute<{ known: Raw }>(sql`
    WITH known AS MATERIALIZED (
      SELECT lp.*, row_number() OVER (ORDER BY lp.operation_id, lp.sub_index, lp.tx_hash, lp.op_index) AS place FROM (
        SELECT * FROM ${some} few) lp),
    assets AS (
      SELECT min(place) AS place, asset_code, asset_issuer, sum(amount) AS amount, count(*) AS payments
      FROM known GROUP BY asset_code, asset_issuer)
    SELECT json_build_object('count', (SELECT count(*) FROM known),
      'last', (SELECT ${INBOX_PAYMENT} FROM known lp ORDER BY lp.place DESC LIMIT 1),
      'assets', (SELECT count(*) FROM assets),
      'sums', (SELECT json_agg(json_build_object('code', a.asset_code, 'issuer', a.asset_issuer,
          'amount', a.amount::text, 'payments', a.payments) ORDER BY a.place)
        FROM (SELECT * FROM assets ORDER BY place LIMIT ${ASSETS}) a)) AS known`);
  const { count: found, last, sums, assets } = rows[0]?.known ?? NONE;
  return {
    count: found,
    last: last === null ? null : toInboxPayment(last),
    assets,
    sums: (sums ?? []).map(({ amount, ...sum }) => ({ ...sum, amount: parseStored(amount) })),
  };
}

const NONE: Raw = { count: 0, last: null, sums: null, assets: 0 };
