import { sql } from 'drizzle-orm';
import type { Verdict } from '../domain/judge.ts';
import { storable } from '../domain/text.ts';
import type { Db } from './connection.ts';

/** More than any session has rows. */
const NO_LIMIT = 1_000_000_000;

/**
 * Remembers that a backend says this transaction pays the session. The first time counts for `processing`. Returns how often
 * it was reported, which grows when `isNew`; null, and no row, where `mostUnseen` others of the last hour are unanswered.
 */
export async function recordReport(
  db: Db,
  sessionId: string,
  txHash: string,
  { isNew = true, mostUnseen = NO_LIMIT }: { isNew?: boolean; mostUnseen?: number } = {},
): Promise<number | null> {
  const { rows } = await db.execute<{ times: number }>(sql`
    WITH others AS (
      SELECT bool_or(tx_hash = ${txHash}) IS TRUE AS is_known,
        count(*) FILTER (WHERE answer IS NULL AND first_at > now() - interval '1 hour') AS unseen
      FROM settlement.reported_payments WHERE session_id = ${sessionId})
    INSERT INTO settlement.reported_payments AS r (session_id, tx_hash)
    SELECT ${sessionId}::uuid, ${txHash} FROM others WHERE is_known OR unseen < ${mostUnseen}
    ON CONFLICT (session_id, tx_hash) DO UPDATE SET times = r.times + ${isNew ? 1 : 0}
    RETURNING r.times`);
  return rows[0]?.times ?? null;
}

/**
 * Stores the answer that the ledger gave to a report, the `times`-th of this transaction. The newest report's answer
 * stands: an earlier one that is answered later fills only an empty place.
 */
export async function recordAnswer(
  db: Db,
  { sessionId, txHash, times }: { sessionId: string; txHash: string; times: number },
  answer: string,
  asOfLedger: number | null,
): Promise<void> {
  await db.execute(sql`
    UPDATE settlement.reported_payments SET answer = ${storable(answer)}, as_of_ledger = ${asOfLedger}, answered_at = now()
    WHERE session_id = ${sessionId} AND tx_hash = ${txHash} AND (times = ${times} OR answer IS NULL)`);
}

/** What the inbox says about a transaction, by its outer or inner hash: one row per movement. */
export async function inboxByHash(
  db: Db,
  txHash: string,
): Promise<
  {
    payment: string;
    account: string;
    sessionId: string | null;
    verdict: Verdict | null;
    amount: string;
  }[]
> {
  const { rows } = await db.execute<{
    payment: string;
    account: string;
    session_id: string | null;
    verdict: Verdict | null;
    amount: string;
  }>(sql`
    SELECT concat_ws(':', tx_hash, op_index, sub_index) AS payment, account, session_id, verdict, amount::text
    FROM settlement.ledger_payments WHERE tx_hash = ${txHash} OR inner_tx_hash = ${txHash}
    ORDER BY op_index, sub_index`);
  return rows.map(({ session_id, ...row }) => ({ ...row, sessionId: session_id }));
}
