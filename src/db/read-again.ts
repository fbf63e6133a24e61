/** The second reading of accounts, by reconciliation: whose turn it is, and where it stands. */
import { sql } from 'drizzle-orm';
import type { Db } from './connection.ts';

/** An account that is to be read again, from one paging token of Horizon to another. */
export type ReadAgain = { readonly account: string; readonly from: string; readonly until: string };

/** What is read again each time: the last hour of ledgers. Gaps that are filled later are found once a day. */
const RECENT_LEDGERS = 720;
/** The first ledger that was read of an account's row `w`, by its pages or whole. */
const FIRST_READ = sql`least(lower(w.read_ledgers), w.through_ledger, (SELECT lower(c.ledgers)
  FROM settlement.coverage c WHERE c.account = w.account AND c.asset = '*'))`;
/** The paging token from which an account's row `w` is read again. */
const READ_AGAIN_FROM = sql`coalesce(w.recheck_cursor, (${FIRST_READ} << 32)::text)`;
/** And to which: the end of the ledger that its pages are read through. */
const READ_AGAIN_UNTIL = sql`(((w.through_ledger + 1) << 32) - 1)::text`;
/** And once a day: the last day. */
const DAY_LEDGERS = 17_280;

/**
 * Accounts whose turn it is, the longest waiting first: busy ones (a session is open, or was closed within the hour)
 * every run, others once a day. The first time, an account is read again from where its reading began.
 */
export async function accountsToReadAgain(db: Db, most: number): Promise<ReadAgain[]> {
  const { rows } = await db.execute<ReadAgain & Record<string, unknown>>(sql`
    SELECT w.account, ${READ_AGAIN_FROM} AS from, ${READ_AGAIN_UNTIL} AS until
    FROM settlement.watched_accounts w
    WHERE w.rechecked_at IS NULL OR w.rechecked_at < now() - interval '1 day'
      OR (w.rechecked_at < now() - interval '4 minutes' AND EXISTS (
        SELECT FROM settlement.active_sessions a WHERE a.account = w.account))
    ORDER BY w.rechecked_at NULLS FIRST, w.account LIMIT ${most}`);
  return rows.map(({ account, from, until }) => ({ account, from, until }));
}

/**
 * Remembers how far an account was read again, if it still stands where this reading began. After `settle network
 * accept-reset` it does not, and nothing is written. One that is finished begins the next time with its recent ledgers, or,
 * when it was its daily turn, with those of the last day.
 */
export async function noteReadAgain(
  db: Db,
  begun: ReadAgain,
  cursor: string,
  isFinished: boolean,
): Promise<void> {
  if (!isFinished) {
    await db.execute(sql`
      UPDATE settlement.watched_accounts w SET recheck_cursor = ${cursor} WHERE ${whereBegun(begun)}`);
    return;
  }
  await db.execute(sql`
    UPDATE settlement.watched_accounts w SET rechecked_at = now(),
      recheck_cursor = (greatest(${FIRST_READ}, w.through_ledger - CASE
        WHEN EXISTS (SELECT FROM settlement.active_sessions a WHERE a.account = w.account)
        THEN ${RECENT_LEDGERS}::bigint ELSE ${DAY_LEDGERS}::bigint END) << 32)::text
    WHERE ${whereBegun(begun)}`);
}

/** The account's row `w`, while its second reading stands where this one began and its first one has not gone back. */
function whereBegun({ account, from, until }: ReadAgain) {
  return sql`w.account = ${account} AND ${READ_AGAIN_FROM} = ${from}
    AND (${READ_AGAIN_UNTIL})::bigint >= ${until}::bigint`;
}

/**
 * An account that could not be read again goes behind those that wait with it, or three such accounts would keep all the
 * others from their turn. Its cursor stays. A busy one is tried in the next run, any other in an hour.
 */
export async function noteNotReadAgain(db: Db, begun: ReadAgain): Promise<void> {
  await db.execute(sql`
    UPDATE settlement.watched_accounts w SET rechecked_at = CASE
      WHEN EXISTS (SELECT FROM settlement.active_sessions a WHERE a.account = w.account)
      THEN now() ELSE now() - interval '23 hours' END
    WHERE ${whereBegun(begun)}`);
}
