/** The chain of ledgers by itself: each names the one before it, and none closed before it. */
import { sql } from 'drizzle-orm';
import type { Finding } from './audit-findings.ts';
import type { RowsAudited } from './audit-inbox.ts';
import type { Db } from './connection.ts';

/** Ledgers read in one statement: most of a day. */
const PAGE = 10_000;

/** A page of the chain. */
export type ChainAudited = RowsAudited<number> & {
  /** Ledgers of which it is not known what came before them: the chain begins there, and is believed from there on. */
  readonly anchors: readonly number[];
};

/** Checks a page of the chain, in the order of its numbers. */
export async function auditChain(db: Db, after: number | null): Promise<ChainAudited> {
  const { rows } = await db.execute<{
    count: number;
    last: string | null;
    anchors: number[] | null;
    found: { sequence: number; problem: string }[] | null;
  }>(sql`
    WITH page AS MATERIALIZED (
      SELECT * FROM settlement.ledgers WHERE sequence > ${after ?? 0} ORDER BY sequence LIMIT ${PAGE}),
    judged AS (
      SELECT p.sequence, CASE
        WHEN p.prev_hash IS NOT NULL AND before.sequence IS DISTINCT FROM p.sequence - 1
          THEN 'It names a ledger before it, which the chain lacks.'
        WHEN before.sequence = p.sequence - 1 AND p.prev_hash <> before.hash
          THEN 'It names ' || p.prev_hash || ' as the ledger before it, but that one is ' || before.hash || '.'
        WHEN p.closed_at < before.closed_at
          THEN 'It closed at ' || p.closed_at::text || ', before ledger ' || before.sequence || ' at ' || before.closed_at::text || '.'
        END AS problem
      FROM page p LEFT JOIN LATERAL (SELECT * FROM settlement.ledgers b WHERE b.sequence < p.sequence
        ORDER BY b.sequence DESC LIMIT 1) before ON true)
    SELECT (SELECT count(*)::int FROM page) AS count, (SELECT max(sequence) FROM page) AS last,
      (SELECT json_agg(sequence ORDER BY sequence) FROM page WHERE prev_hash IS NULL) AS anchors,
      (SELECT json_agg(j ORDER BY sequence) FROM judged j WHERE problem IS NOT NULL) AS found`);
  const [{ count, last, anchors, found } = { count: 0, last: null, anchors: null, found: null }] =
    rows;
  return {
    rows: count,
    next: count < PAGE || last === null ? null : Number(last),
    anchors: anchors ?? [],
    found: (found ?? []).map(({ sequence, problem }): Finding => ({
      promise: 'P4',
      check: 'chain',
      subject: `ledger ${sequence}`,
      problem,
    })),
  };
}
