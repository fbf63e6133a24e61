/** P1 over all of the inbox: no verdict of another session's payment, no place that the chain does not know. One page is one statement. */
import { sql } from 'drizzle-orm';
import type { Check } from '../domain/audit.ts';
import type { NamedExcuse } from './audit-excuses.ts';
import type { Finding } from './audit-findings.ts';
import type { Undecided } from './audit-undecided.ts';
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

/** A page of the inbox, and what has had no verdict for over a minute. */
export type InboxAudited = RowsAudited<PaymentKey> & {
  readonly undecided: readonly Undecided[];
  readonly excused: readonly NamedExcuse[];
};

/** Checks a page of the inbox, in the order of its key. */
export async function auditInbox(db: Db, after: PaymentKey | null): Promise<InboxAudited> {
  const [txHash, opIndex, subIndex] = after ?? ['', -1, -1];
  const { rows } = await db.execute<{
    count: number;
    last: PaymentKey | null;
    found: { key: string; check: Check; problem: string; is_edited: boolean }[] | null;
    undecided: Undecided[] | null;
  }>(sql`
    WITH page AS MATERIALIZED (
      SELECT * FROM settlement.ledger_payments
      WHERE (tx_hash, op_index, sub_index) > (${txHash}, ${opIndex}, ${subIndex})
      ORDER BY tx_hash, op_index, sub_index LIMIT ${PAGE}),
    judged AS (
      SELECT concat_ws(':', lp.tx_hash, lp.op_index, lp.sub_index) AS key, 'wrong_verdict' AS check,
        'Its verdict belongs to session ' || coalesce(lp.session_id::text, 'none')
          || ', but its reference names another.' AS problem,
        -- The backend made it so, and a person was asked.
        EXISTS (SELECT FROM settlement.attention t WHERE t.subject = s.id::text AND t.kind = 'edited' AND strpos(t.detail,
          CASE WHEN s.receiving_account <> lp.account THEN ' to ' || lp.account
            ELSE ': it was ' || lp.reference || ', and is ' END) > 0) AS is_edited
      FROM page lp LEFT JOIN checkout_sessions s ON s.id = lp.session_id
      WHERE lp.verdict NOT IN ('unmatched', 'ambiguous')
        AND s.id IS NOT NULL AND (s.receiving_account <> lp.account OR CASE WHEN lp.assigned_to IS NULL
          THEN s.memo IS DISTINCT FROM lp.reference ELSE s.id <> lp.assigned_to END)
      UNION ALL SELECT concat_ws(':', lp.tx_hash, lp.op_index, lp.sub_index), 'differs_from_ledger', CASE
        WHEN lp.operation_id >> 32 <> lp.ledger THEN 'Its operation ' || lp.operation_id || ' is not of its ledger ' || lp.ledger || '.'
        ELSE 'It closed at ' || lp.closed_at::text || ', but its ledger ' || lp.ledger || ' at ' || l.closed_at::text || '.' END,
        false
      FROM page lp LEFT JOIN settlement.network n ON true LEFT JOIN settlement.ledgers l
        ON l.sequence = lp.ledger AND lp.seen_at >= coalesce(n.reset_at, '-infinity')
      WHERE lp.operation_id >> 32 <> lp.ledger OR l.closed_at <> lp.closed_at)
    SELECT (SELECT count(*)::int FROM page) AS count,
      (SELECT json_build_array(tx_hash, op_index, sub_index) FROM page
        ORDER BY tx_hash DESC, op_index DESC, sub_index DESC LIMIT 1) AS last,
      (SELECT json_agg(j ORDER BY key) FROM judged j) AS found,
      (SELECT json_agg(json_build_array(lp.tx_hash, lp.op_index, lp.sub_index) ORDER BY lp.tx_hash, lp.op_index, lp.sub_index)
        FROM page lp LEFT JOIN settlement.undecided_payments u USING (tx_hash, op_index, sub_index)
        -- An operator who gives it to another session has it judged anew: that counts from then.
        WHERE lp.verdict IS NULL AND coalesce(u.since, lp.seen_at) < now() - ${GRACE}) AS undecided`);
  const [{ count, last, found, undecided } = EMPTY] = rows;
  const named = (found ?? []).map((one) => ({ ...one, subject: `payment ${one.key}` }));
  return {
    rows: count,
    next: count < PAGE ? null : last,
    undecided: undecided ?? [],
    found: named
      .filter(({ is_edited }) => !is_edited)
      .map(({ check, subject, problem }) => ({ promise: 'P1', check, subject, problem })),
    excused: named
      .filter(({ is_edited }) => is_edited)
      .map(({ subject, problem }) => ({ reason: 'edited', subject, problem })),
  };
}

const EMPTY = { count: 0, last: null, found: null, undecided: null };
