/** Holes: ledgers that no answer shows. What counts as one is coverage.ts' (`isHole`). */
import { sql } from 'drizzle-orm';
import type { NotShown } from '../domain/not-shown.ts';
import type { Db } from './connection.ts';

/**
 * Writes down ledgers that no answer shows. A later answer makes the hole smaller, never larger. When it lasts (`HOLE_AFTER`),
 * crediting goes on behind it, and a session across it waits for a person.
 */
export async function noteHole(
  db: Db,
  accounts: readonly string[],
  { from, through: to }: NotShown,
): Promise<void> {
  const problem =
    to > from
      ? `Horizon does not show the ledgers ${from} to ${to}, or not all of them.`
      : `Horizon does not show ledger ${from}, or not all of it.`;
  await db.execute(sql`
    WITH known AS (
      UPDATE settlement.history_holes h SET asked_at = now(),
        ledgers = h.ledgers * int8range(NULL, ${to + 1})
      WHERE h.account = ANY(${sql.param(accounts)}::text[]) AND h.ledgers @> ${from}::bigint RETURNING h.account)
    INSERT INTO settlement.history_holes (account, ledgers, problem)
    SELECT w.account, int8range(${from}, ${to + 1}), ${problem}
    FROM unnest(${sql.param(accounts)}::text[]) AS w(account)
    WHERE w.account NOT IN (SELECT account FROM known)
    ON CONFLICT (account, ledgers) DO NOTHING`);
}

/**
 * A ledger that is shown ends the holes that it lies in: behind it, each ledger is asked for by itself again. The caller stores
 * the ledger in the same transaction.
 */
export async function endHoles(tx: Db, accounts: readonly string[], ledger: number): Promise<void> {
  await tx.execute(sql`
    WITH ended AS (
      SELECT account, ledgers FROM settlement.history_holes
      WHERE account = ANY(${sql.param(accounts)}::text[]) AND ledgers @> ${ledger}::bigint
      ORDER BY account, ledgers FOR UPDATE),
    filled AS (
      DELETE FROM settlement.history_holes h USING ended
      WHERE (h.account, h.ledgers) = (ended.account, ended.ledgers) AND lower(h.ledgers) = ${ledger}::bigint)
    UPDATE settlement.history_holes h SET ledgers = h.ledgers * int8range(NULL, ${ledger}::bigint)
    FROM ended WHERE (h.account, h.ledgers) = (ended.account, ended.ledgers) AND lower(h.ledgers) < ${ledger}::bigint`);
}
