/** What chain, coverage and inbox say about a page of sessions, read without any of the product's SQL. */
import { sql } from 'drizzle-orm';
import { assetKey } from '../domain/asset.ts';
import type { LedgerEvidence } from '../domain/audit-evidence.ts';
import { NOTHING_READ, provenLedgers, readAccountLedgers, readLedgers } from './audit-coverage.ts';
import { DECIDED_BEFORE } from './care.ts';
import type { Db } from './connection.ts';
import type { GatheredFacts } from './facts.ts';
import { paymentId } from './audit-ids.ts';

/** Of sessions that are over, coverage this many ledgers before the newest one may be gone. */
const KEPT_LEDGERS = 120_960;

type Row = {
  id: string;
  opened_after: string | null;
  is_taken: boolean;
  newest: string | null;
  chain_from: string | null;
  first_after: string | null;
  end_closed_at: string | null;
  before_closed_at: string | null;
  parked_from: string | null;
  ended_at: string | null;
  reset_at: string | null;
  is_edited_since: boolean;
  seen: Record<string, string> | null;
};

/** Reads the evidence of sessions, in the snapshot in which their facts were read. */
export async function readEvidence(
  db: Db,
  facts: ReadonlyMap<string, GatheredFacts>,
): Promise<Map<string, LedgerEvidence>> {
  const accounts = new Set([...facts.values()].map(({ session }) => session.receivingAccount));
  const read = await readAccountLedgers(db, [...accounts]);
  const { rows } = await db.execute<Row>(sql`
    SELECT s.id, s.opened_after, s.seen_status IS NOT NULL AS is_taken, chain.newest, chain.chain_from, n.reset_at::text,
      (SELECT l.sequence FROM settlement.ledgers l
        WHERE l.closed_at > coalesce(s.final_deadline, least(s.expires_at, s.cancel_at))
          AND l.sequence > coalesce(s.opened_after, 0)
        ORDER BY l.closed_at, l.sequence LIMIT 1) AS first_after,
      (SELECT l.closed_at::text FROM settlement.ledgers l WHERE l.sequence = s.closed_through_ledger) AS end_closed_at,
      (SELECT l.closed_at::text FROM settlement.ledgers l
        WHERE l.sequence = s.closed_through_ledger - 1) AS before_closed_at,
      (SELECT min(r.ledger) FROM settlement.parked_records r
        WHERE r.account = s.receiving_account AND r.resolved_at IS NULL) AS parked_from,
      (SELECT min(j.at)::text FROM settlement.session_journal j WHERE j.session_id = s.id
        AND j.ledger = s.closed_through_ledger AND j.to_status IN ('expired', 'cancelled')) AS ended_at,
      EXISTS (SELECT FROM settlement.attention t WHERE t.subject = s.id::text AND t.kind = 'edited'
        AND strpos(t.detail, ${DECIDED_BEFORE}) > 0) AS is_edited_since,
      (SELECT json_object_agg(concat_ws(':', p.tx_hash, p.op_index, p.sub_index), p.seen_at) FROM (
        SELECT * FROM settlement.ledger_payments WHERE account = s.receiving_account AND reference = s.memo
        UNION SELECT * FROM settlement.ledger_payments WHERE assigned_to = s.id) p) AS seen
    FROM checkout_sessions s LEFT JOIN settlement.network n ON true
    CROSS JOIN (SELECT max(sequence) AS newest, min(sequence) AS chain_from FROM settlement.ledgers) chain
    WHERE s.id = ANY(${sql.param([...facts.keys()])}::uuid[])`);
  return new Map(
    rows.flatMap((row) => {
      const found = facts.get(row.id);
      if (found === undefined) return [];
      const { session, paymentRow, paymentRowId } = found;
      const ofAccount = read.get(session.receivingAccount) ?? NOTHING_READ;
      const asset = assetKey(session.asset);
      const evidence: LedgerEvidence = {
        openedAfter: numberOrNull(row.opened_after),
        isTaken: row.is_taken,
        proven: provenLedgers(ofAccount, asset),
        read: readLedgers(ofAccount, asset),
        holes: ofAccount.holes,
        keptFrom: Number(row.newest ?? 0) - KEPT_LEDGERS,
        chainFrom: numberOrNull(row.chain_from),
        firstAfterDeadline: numberOrNull(row.first_after),
        endClosedAt: dateOrNull(row.end_closed_at),
        beforeEndClosedAt: dateOrNull(row.before_closed_at),
        parkedFrom: numberOrNull(row.parked_from),
        endedAt: dateOrNull(row.ended_at),
        resetAt: dateOrNull(row.reset_at),
        isOwnRow: paymentRow !== null && paymentRowId === paymentId(row.id, paymentRow.txHash),
        isEditedSince: row.is_edited_since,
        seenAt: new Map(Object.entries(row.seen ?? {}).map(([key, at]) => [key, new Date(at)])),
      };
      return [[row.id, evidence] as const];
    }),
  );
}

function numberOrNull(text: string | null): number | null {
  return text === null ? null : Number(text);
}

function dateOrNull(text: string | null): Date | null {
  return text === null ? null : new Date(text);
}
