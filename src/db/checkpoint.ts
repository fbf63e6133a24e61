/** What is asked of a person about the ledger as a whole: test networks are reset, and history can be lost. */
import { sql } from 'drizzle-orm';
import { storable } from '../domain/text.ts';
import type { Db } from './connection.ts';

/** The highest ledger that anything was read through; 0 when nothing was. */
export async function readThroughAnywhere(db: Db): Promise<number> {
  const { rows } = await db.execute<{ ledger: string | null }>(sql`
    SELECT greatest((SELECT max(through_ledger) FROM settlement.watched_accounts),
      (SELECT through_ledger FROM settlement.network_reading),
      (SELECT max(sequence) FROM settlement.ledgers)) AS ledger`);
  return Number(rows[0]?.ledger ?? 0);
}

/**
 * Asks the operator, once, and at every account: the network is another one now. `seen` is the newest ledger that it was
 * compared with: once it is gone, the operator has accepted the reset meanwhile, and is not asked again.
 */
export async function noteReset(
  db: Db,
  reason: string,
  seen: { readonly sequence: number; readonly hash: string } | null,
): Promise<void> {
  const detail = storable(reason);
  const stands = sql`(${seen?.hash ?? null}::text IS NULL OR EXISTS (SELECT FROM settlement.ledgers le
    WHERE le.sequence = ${seen?.sequence ?? 0} AND le.hash = ${seen?.hash ?? null}))`;
  await db.execute(sql`
    WITH noted AS (UPDATE settlement.watched_accounts SET problem = ${detail}
      WHERE problem IS DISTINCT FROM ${detail} AND ${stands})
    INSERT INTO settlement.attention (subject, kind, detail)
    SELECT 'network', 'network_reset', ${detail} WHERE ${stands}
    ON CONFLICT (subject, kind) WHERE resolved_at IS NULL DO NOTHING`);
}

/** Asks the operator, once: the chain of ledgers has a gap that no node fills. */
export async function noteBrokenChain(db: Db, detail: string): Promise<void> {
  await db.execute(sql`
    INSERT INTO settlement.attention (subject, kind, detail) VALUES ('network', 'history_gap', ${detail})
    ON CONFLICT (subject, kind) WHERE resolved_at IS NULL DO NOTHING`);
}
