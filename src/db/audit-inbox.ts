/** P1 over all of the inbox: nothing undecided for long, nothing that counts for a stranger. One page is one statement. */
import { sql } from 'drizzle-orm';
import type { Finding } from './audit-findings.ts';
import type { Db } from './connection.ts';

/** Ledger payments read in one statement. */
const PAGE = 2_000;
/** What is younger may still be on its way through settle. */
const GRACE = sql`interval '60 seconds'`;

/** A page of rows, and the key that the next one begins after; null: there is none. */
export type RowsAudited<Key> = {
  readonly rows: number;
  readonly found: readonly Finding[];
  readonly next: Key | null;
};

/** The key of a ledger payment. */
export type PaymentKey = readonly [txHash: string, opIndex: number, subIndex: number];

/** Checks a page of the inbox, in the order of its key. */
export async function auditInbox(
  db: Db,
  after: PaymentKey | null,
): Promise<RowsAudited<PaymentKey>> {
  const [txHash, opIndex, subIndex] = after ?? ['', -1, -1];
  const { rows } = await db.execute<{
    count: number;
    last: PaymentKey | null;
    found: { key: string; undecided: boolean; problem: string }[] | null;
  }>(sql`
    WITH page AS MATERIALIZED (
      SELECT * FROM settlement.ledger_payments
      WHERE (tx_hash, op_index, sub_index) > (${txHash}, ${opIndex}, ${subIndex})
      ORDER BY tx_hash, op_index, sub_index LIMIT ${PAGE}),
    judged AS (
      SELECT concat_ws(':', lp.tx_hash, lp.op_index, lp.sub_index) AS key, lp.verdict IS NULL AS undecided, CASE
        -- An operator who gives it to another session has it judged anew: that counts from then.
        WHEN lp.verdict IS NULL AND coalesce(u.since, lp.seen_at) < now() - ${GRACE}
          THEN 'It has had no verdict for over a minute' || CASE WHEN u.tx_hash IS NULL
            THEN ', and stands in no work list.' ELSE '.' END
        WHEN lp.verdict NOT IN ('unmatched', 'ambiguous')
          -- A session that its backend has deleted leaves its money held, and listed as such.
          AND s.id IS NOT NULL AND (s.receiving_account <> lp.account OR CASE WHEN lp.assigned_to IS NULL
            THEN s.memo IS DISTINCT FROM lp.reference ELSE s.id <> lp.assigned_to END)
          THEN 'Its verdict belongs to session ' || coalesce(lp.session_id::text, 'none')
            || ', but its reference names another.' END AS problem
      FROM page lp LEFT JOIN checkout_sessions s ON s.id = lp.session_id
      LEFT JOIN settlement.undecided_payments u
        ON (u.tx_hash, u.op_index, u.sub_index) = (lp.tx_hash, lp.op_index, lp.sub_index))
    SELECT (SELECT count(*)::int FROM page) AS count,
      (SELECT json_build_array(tx_hash, op_index, sub_index) FROM page
        ORDER BY tx_hash DESC, op_index DESC, sub_index DESC LIMIT 1) AS last,
      (SELECT json_agg(j) FROM judged j WHERE problem IS NOT NULL) AS found`);
  const [{ count, last, found } = { count: 0, last: null, found: null }] = rows;
  return {
    rows: count,
    next: count < PAGE ? null : last,
    found: (found ?? []).map(({ key, undecided, problem }) => ({
      promise: 'P1',
      check: undecided ? 'no_verdict' : 'wrong_verdict',
      subject: `payment ${key}`,
      problem,
    })),
  };
}
