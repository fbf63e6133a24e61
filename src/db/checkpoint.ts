/** Whether the ledger that is read is still the one that was read: test networks are reset and begin anew. */
import { sql } from 'drizzle-orm';
import { storable } from '../domain/text.ts';
import type { Db } from './connection.ts';

/** What was remembered of the ledger: the last one covered anywhere with its close time, and one with its hash. */
export type Remembered = {
  readonly highestLedger: number;
  readonly highestTime: Date;
  readonly checkpoint: { readonly ledger: number; readonly hash: string } | null;
};

/** Reads what was remembered. */
export async function remembered(db: Db): Promise<Remembered> {
  const { rows } = await db.execute<{
    highest: string | null;
    highest_time: string | null;
    ledger: string | null;
    hash: string | null;
  }>(sql`
    SELECT covered.through_ledger AS highest, covered.through_time::text AS highest_time,
      checkpoint_ledger AS ledger, checkpoint_hash AS hash
    FROM settlement.network LEFT JOIN (
      SELECT through_ledger, through_time FROM settlement.watched_accounts
      UNION ALL SELECT through_ledger, through_time FROM settlement.asset_coverage
      UNION ALL SELECT through_ledger, through_time FROM settlement.network_reading
      ORDER BY through_ledger DESC LIMIT 1) covered ON true`);
  const [row] = rows;
  return {
    highestLedger: Number(row?.highest ?? 0),
    highestTime: new Date(row?.highest_time ?? 0),
    checkpoint: row?.ledger && row.hash ? { ledger: Number(row.ledger), hash: row.hash } : null,
  };
}

/** Remembers a ledger by its hash. */
export async function storeCheckpoint(db: Db, ledger: number, hash: string): Promise<void> {
  await db.execute(
    sql`UPDATE settlement.network SET checkpoint_ledger = ${ledger}, checkpoint_hash = ${hash}`,
  );
}

/** Tells the operator, once, and at every account, that the network is another one now. */
export async function noteReset(db: Db, reason: string): Promise<void> {
  const detail = storable(reason);
  await db.execute(sql`
    WITH noted AS (UPDATE settlement.watched_accounts SET problem = ${detail}
      WHERE problem IS DISTINCT FROM ${detail})
    INSERT INTO settlement.attention (subject, kind, detail) VALUES ('network', 'network_reset', ${detail})
    ON CONFLICT (subject, kind) WHERE resolved_at IS NULL DO NOTHING`);
}
