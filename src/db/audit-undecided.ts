/** P1: a ledger payment without a verdict waits for what is not read yet, or is forgotten. */
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { assetKey } from '../domain/asset.ts';
import { firstMissing } from '../domain/audit-intervals.ts';
import { creditableLedgers, NOTHING_READ, readAccountLedgers } from './audit-coverage.ts';
import type { Collector } from './audit-findings.ts';
import type { Db } from './connection.ts';

/** The key of a ledger payment that has had no verdict for over a minute. */
export type Undecided = readonly [txHash: string, opIndex: number, subIndex: number];

/** Payments read in one statement. */
const PAGE = 500;
/** The pause between two looks: coverage may have grown a moment ago. */
const LOOK_AGAIN_MS = 2_000;

type Row = {
  key: Undecided;
  account: string;
  ledger: string;
  asset_code: string;
  asset_issuer: string | null;
  is_listed: boolean;
  session_id: string | null;
  opened_after: string | null;
  /** Nothing that is not read yet can change what it means. */
  is_clear: boolean;
};

/**
 * Judges them as long as patience lasts: one that could have a verdict gets it within seconds. Returns how many wait
 * for their ledgers to be read.
 */
export async function auditUndecided(
  db: Db,
  undecided: readonly Undecided[],
  patienceMs: number,
  collector: Collector,
): Promise<number> {
  let { forgotten, waiting } = await look(db, undecided);
  for (let waited = 0; waited < patienceMs && forgotten.length > 0; waited += LOOK_AGAIN_MS) {
    await sleep(Math.min(LOOK_AGAIN_MS, patienceMs - waited));
    const again = await look(
      db,
      forgotten.map(({ key }) => key),
    );
    forgotten = again.forgotten;
    waiting += again.waiting;
  }
  collector.add(
    forgotten.map(({ key, is_listed }) => ({
      promise: 'P1',
      check: 'no_verdict',
      subject: `payment ${key.join(':')}`,
      problem: `It has had no verdict for over a minute${is_listed ? '.' : ', and stands in no work list.'}`,
    })),
  );
  return waiting;
}

async function look(
  db: Db,
  keys: readonly Undecided[],
): Promise<{ forgotten: readonly Row[]; waiting: number }> {
  const forgotten: Row[] = [];
  let waiting = 0;
  for (let i = 0; i < keys.length; i += PAGE) {
    const rows = await readRows(db, keys.slice(i, i + PAGE));
    const read = await readAccountLedgers(db, [...new Set(rows.map(({ account }) => account))]);
    for (const row of rows) {
      if (waits(row, read.get(row.account) ?? NOTHING_READ)) waiting += 1;
      else forgotten.push(row);
    }
  }
  return { forgotten, waiting };
}

/** Whether its meaning depends on ledgers that are not read yet. */
function waits(row: Row, read: Parameters<typeof creditableLedgers>[0]): boolean {
  if (row.session_id === null || row.is_clear) return false;
  // The ledger has not dated the opening yet.
  if (row.opened_after === null) return true;
  const asset = assetKey({ code: row.asset_code, issuer: row.asset_issuer });
  const wanted = { from: Number(row.opened_after) + 1, through: Number(row.ledger) };
  return firstMissing(creditableLedgers(read, asset), wanted) !== null;
}

async function readRows(db: Db, keys: readonly Undecided[]): Promise<Row[]> {
  const { rows } = await db.execute<Row>(sql`
    SELECT json_build_array(lp.tx_hash, lp.op_index, lp.sub_index) AS key, lp.account, lp.ledger, lp.asset_code,
      lp.asset_issuer, u.tx_hash IS NOT NULL AS is_listed, s.id AS session_id, s.opened_after,
      s.status = 'paid' OR s.sharing > 1 OR lp.amount = 0 OR lp.closed_at > coalesce(s.final_deadline, least(s.expires_at, s.cancel_at))
        OR (lp.asset_code, coalesce(lp.asset_issuer, '')) <> (s.asset_code, coalesce(s.asset_issuer, ''))
        OR (s.asset_issuer IS NULL AND s.asset_code <> 'XLM') AS is_clear
    FROM jsonb_to_recordset(${JSON.stringify(keys.map(([tx, op, sub]) => ({ tx, op, sub })))}::jsonb)
      AS k(tx text, op int, sub int)
    JOIN settlement.ledger_payments lp ON (lp.tx_hash, lp.op_index, lp.sub_index) = (k.tx, k.op, k.sub)
    LEFT JOIN settlement.undecided_payments u USING (tx_hash, op_index, sub_index)
    LEFT JOIN LATERAL (
      SELECT c.*, 1 AS sharing FROM checkout_sessions c WHERE c.id = lp.assigned_to
      UNION ALL SELECT c.*, count(*) OVER () FROM checkout_sessions c WHERE lp.assigned_to IS NULL
        AND c.receiving_account = lp.account AND c.memo = lp.reference LIMIT 1) s ON true
    WHERE lp.verdict IS NULL ORDER BY lp.tx_hash, lp.op_index, lp.sub_index`);
  return rows;
}
