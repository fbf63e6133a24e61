/** The network read ledger by ledger: one place for all accounts. */
import { sql } from 'drizzle-orm';
import type { Pool } from 'pg';
import type { WholeLedger } from '../domain/evidence.ts';
import type { Db } from './connection.ts';
import { EVERY_ASSET } from './coverage.ts';
import { hasGrown, inTransaction, storeRecords } from './inbox.ts';

/** The last ledger that was read; null before the first. */
export async function networkReading(db: Db): Promise<number | null> {
  const { rows } = await db.execute<{ through_ledger: string }>(
    sql`SELECT through_ledger FROM settlement.network_reading`,
  );
  return rows[0] === undefined ? null : Number(rows[0].through_ledger);
}

/**
 * Begins the reading after a ledger, or begins it anew after a gap. What the old reading covered is written into the
 * accounts first, since coverage is never lost; then every account has to join again.
 */
export async function beginNetworkReading(pool: Pool, afterLedger: number): Promise<void> {
  await inTransaction(pool, async (tx) => {
    // First, as storeLedger does: a ledger that is being stored lets an account join.
    await tx.execute(sql`SELECT FROM settlement.network_reading FOR UPDATE`);
    await tx.execute(sql`
      INSERT INTO settlement.coverage AS c (account, asset, ledgers)
      SELECT w.account, ${EVERY_ASSET}, int8multirange(int8range(w.network_from, n.through_ledger + 1))
      FROM settlement.watched_accounts w, settlement.network_reading n
      WHERE w.network_from <= n.through_ledger ORDER BY w.account
      ON CONFLICT (account, asset) DO UPDATE SET ledgers = c.ledgers + excluded.ledgers`);
    await tx.execute(sql`
      UPDATE settlement.watched_accounts SET network_from = NULL WHERE network_from IS NOT NULL`);
    await tx.execute(sql`
      INSERT INTO settlement.network_reading AS n (id, through_ledger) VALUES (1, ${afterLedger})
      ON CONFLICT (id) DO UPDATE SET read_at = now(), through_ledger = excluded.through_ledger`);
  });
}

/**
 * Stores a ledger that was read whole: rows and progress in one transaction. It counts for the accounts that it was read
 * for; one that joins meanwhile begins with the next. Returns false, and stores nothing, when it is not the next one
 * (another watcher was faster), was read without an account that has joined (another watcher knew of it earlier), or by
 * a count that has grown.
 */
export async function storeLedger(pool: Pool, whole: WholeLedger): Promise<boolean> {
  return inTransaction(pool, async (tx) => {
    await tx.execute(sql`SELECT FROM settlement.network_reading FOR UPDATE`);
    if (await hasGrown(tx, whole)) return false;
    const { rowCount } = await tx.execute(sql`
      UPDATE settlement.network_reading SET read_at = now(), through_ledger = ${whole.sequence}
      WHERE through_ledger = ${whole.sequence - 1} AND NOT EXISTS (
        SELECT FROM settlement.watched_accounts w
        WHERE w.network_from IS NOT NULL AND w.account <> ALL(${sql.param([...whole.accounts])}::text[]))`);
    if (rowCount === 0) return false;
    await tx.execute(sql`
      UPDATE settlement.watched_accounts SET network_from = ${whole.sequence}
      WHERE network_from IS NULL AND account = ANY(${sql.param([...whole.accounts])}::text[])`);
    await storeRecords(tx, whole);
    return true;
  });
}
