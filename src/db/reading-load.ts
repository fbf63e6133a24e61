/** How much there is to read: what a request budget is judged by. */
import { sql } from 'drizzle-orm';
import type { LedgerHeader } from '../domain/evidence.ts';
import type { Db } from './connection.ts';
import { ledgerHeaders, newestLedger } from './ledgers.ts';

/** Counts watched accounts, and those of them with sessions in care. */
export async function countWatched(db: Db): Promise<{ accounts: number; openAccounts: number }> {
  const { rows } = await db.execute<{ accounts: number; openAccounts: number }>(sql`
    SELECT count(*)::int AS accounts, (count(*) FILTER (WHERE EXISTS (
      SELECT FROM settlement.active_sessions a
      WHERE a.account = w.account AND a.deadline IS NOT NULL)))::int AS "openAccounts"
    FROM settlement.watched_accounts w`);
  return rows[0] ?? { accounts: 0, openAccounts: 0 };
}

/** The newest ledgers of the chain, up to `most`, in order; none before the chain has begun. */
export async function newestLedgers(db: Db, most: number): Promise<LedgerHeader[]> {
  const newest = await newestLedger(db);
  if (newest === null) return [];
  return ledgerHeaders(
    db,
    Array.from({ length: most }, (_, i) => newest.sequence - i),
  );
}
