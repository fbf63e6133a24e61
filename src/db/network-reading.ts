/** The network read ledger by ledger (DESIGN §6 c): one cursor for all accounts. */
import { sql } from 'drizzle-orm';
import type { Pool } from 'pg';
import type { Db } from './connection.ts';
import { inTransaction, storeRecords, type Findings, type Proof } from './inbox.ts';

/** How far the network was read; null before the first ledger. */
export async function networkReading(db: Db): Promise<Proof | null> {
  const { rows } = await db.execute<{ through_ledger: string; through_time: string }>(
    sql`SELECT through_ledger, through_time::text FROM settlement.network_reading`,
  );
  const [row] = rows;
  if (!row) return null;
  return {
    throughLedger: Number(row.through_ledger),
    throughTime: new Date(row.through_time),
  };
}

/**
 * Begins the reading after a ledger, or begins it anew after a gap. What the old reading covered is written into the
 * accounts first, since coverage never decreases; then every account has to join again.
 */
export async function beginNetworkReading(pool: Pool, after: Proof): Promise<void> {
  const [ledger, time] = [after.throughLedger, after.throughTime.toISOString()];
  await inTransaction(pool, async (tx) => {
    await tx.execute(sql`
      UPDATE settlement.asset_coverage c SET through_ledger = n.through_ledger, through_time = n.through_time
      FROM settlement.watched_accounts w, settlement.network_reading n
      WHERE c.account = w.account AND n.through_ledger > c.through_ledger
        AND w.network_from <= greatest(w.through_ledger, c.through_ledger) + 1`);
    await tx.execute(sql`
      UPDATE settlement.watched_accounts w SET through_ledger = n.through_ledger, through_time = n.through_time
      FROM settlement.network_reading n
      WHERE n.through_ledger > w.through_ledger AND w.network_from <= w.through_ledger + 1`);
    await tx.execute(sql`
      UPDATE settlement.watched_accounts SET network_from = NULL WHERE network_from IS NOT NULL`);
    await tx.execute(sql`
      INSERT INTO settlement.network_reading AS n (id, through_ledger, through_time)
      VALUES (1, ${ledger}, ${time})
      ON CONFLICT (id) DO UPDATE SET read_at = now(), through_ledger = excluded.through_ledger,
        through_time = excluded.through_time`);
  });
}

/**
 * Stores a ledger that was read whole for the given accounts: rows and progress in one transaction. Returns false, and
 * stores nothing, when it is not the next one (another watcher was faster).
 */
export async function storeLedger(
  pool: Pool,
  ledger: Proof,
  accounts: readonly string[],
  findings: Findings,
): Promise<boolean> {
  return inTransaction(pool, async (tx) => {
    const { rowCount } = await tx.execute(sql`
      UPDATE settlement.network_reading SET read_at = now(), through_ledger = ${ledger.throughLedger},
        through_time = ${ledger.throughTime.toISOString()}
      WHERE through_ledger = ${ledger.throughLedger - 1}`);
    if (rowCount === 0) return false;
    await tx.execute(sql`
      UPDATE settlement.watched_accounts SET network_from = ${ledger.throughLedger}
      WHERE network_from IS NULL AND account = ANY(${sql.param(accounts)}::text[])`);
    await storeRecords(tx, findings);
    return true;
  });
}
