/** What the watcher needs to know and to remember: accounts, their coverage, and the work lists. */
import { sql } from 'drizzle-orm';
import type { Db } from './connection.ts';
import { JOIN_NETWORK, THROUGH_LEDGER, THROUGH_TIME } from './coverage.ts';
import type { Proof } from './inbox.ts';
import { instantExists } from './predicates.ts';

/** How the ledger is read: each account's payments (rules a and b of DESIGN §6), or the network's ledgers (rule c). */
export type ReadStrategy = 'accounts' | 'ledgers';

/** An account that is read, and how urgent its reading is. */
export type WatchedAccount = {
  readonly account: string;
  readonly cursor: string;
  readonly throughLedger: number;
  readonly throughTime: Date;
  readonly readAt: Date | null;
  /** Sessions on it that are not closed. */
  readonly openSessions: number;
  /** What its own pages must still show: the reading of the network has not begun for it, or leaves a gap behind. */
  readonly needsPages: boolean;
};

/** Where a newly watched account begins: a ledger that closed before the opening of its oldest open session. */
export type Registration = {
  readonly account: string;
  /** Horizon's cursor of the end of that ledger. */
  readonly cursor: string;
  readonly fromLedger: number;
  readonly fromTime: Date;
};

/** Begins to watch an account; nothing happens when it is watched already. */
export async function registerAccount(tx: Db, r: Registration): Promise<void> {
  const from = r.fromTime.toISOString();
  await tx.execute(sql`
    INSERT INTO settlement.watched_accounts
      (account, cursor, from_ledger, from_time, through_ledger, through_time)
    VALUES (${r.account}, ${r.cursor}, ${r.fromLedger}, ${from}, ${r.fromLedger}, ${from})
    ON CONFLICT (account) DO NOTHING`);
}

/** Where an account that is watched already began; null when nobody watches it. */
export async function findAccount(db: Db, account: string): Promise<Registration | null> {
  const { rows } = await db.execute<{ cursor: string; from_ledger: string; from_time: string }>(sql`
    SELECT cursor, from_ledger, from_time::text FROM settlement.watched_accounts
    WHERE account = ${account}`);
  const [row] = rows;
  if (!row) return null;
  const { cursor, from_ledger, from_time } = row;
  return { account, cursor, fromLedger: Number(from_ledger), fromTime: new Date(from_time) };
}

/**
 * When the oldest session on an account was created that is open, or young enough to be judged anew whatever an older
 * backend made of it; null when there is none.
 */
export async function oldestOpening(db: Db, account: string): Promise<Date | null> {
  const { rows } = await db.execute<{ oldest: string | null }>(sql`
    SELECT min(created_at)::text AS oldest FROM checkout_sessions
    WHERE receiving_account = ${account} AND ${instantExists(sql`created_at`)} AND (status IN ('pending', 'processing')
      OR created_at >= (SELECT history_from FROM settlement.network))`);
  const oldest = rows[0]?.oldest ?? null;
  return oldest === null ? null : new Date(oldest);
}

/** Every watched account, the least recently read first. */
export async function watchedAccounts(db: Db): Promise<WatchedAccount[]> {
  const { rows } = await db.execute<{
    account: string;
    cursor: string;
    through_ledger: string;
    through_time: string;
    read_at: string | null;
    open_sessions: number;
    needs_pages: boolean;
  }>(sql`
    SELECT w.account, w.cursor, w.through_ledger, w.through_time::text, w.read_at::text,
      (SELECT count(*)::int FROM settlement.active_sessions a
       WHERE a.account = w.account AND a.deadline IS NOT NULL) AS open_sessions,
      w.network_from IS NULL OR EXISTS (
        SELECT FROM settlement.active_sessions a
        LEFT JOIN settlement.asset_coverage c ON c.account = a.account AND c.asset = a.asset
        WHERE a.account = w.account AND a.deadline IS NOT NULL
          AND w.network_from > greatest(w.through_ledger, c.through_ledger) + 1) AS needs_pages
    FROM settlement.watched_accounts w ORDER BY w.read_at NULLS FIRST`);
  return rows.map((row) => ({
    account: row.account,
    cursor: row.cursor,
    throughLedger: Number(row.through_ledger),
    throughTime: new Date(row.through_time),
    readAt: row.read_at === null ? null : new Date(row.read_at),
    openSessions: row.open_sessions,
    needsPages: row.needs_pages,
  }));
}

/** Where the reading of an account stands; null when nobody watches it. */
export async function accountToRead(
  db: Db,
  account: string,
): Promise<Pick<WatchedAccount, 'account' | 'cursor'> | null> {
  const { rows } = await db.execute<{ cursor: string }>(
    sql`SELECT cursor FROM settlement.watched_accounts WHERE account = ${account}`,
  );
  return rows[0] === undefined ? null : { account, cursor: rows[0].cursor };
}

/** When any account was last read, and what is wrong with one; null when none is watched or none was ever read. */
export async function newestReading(db: Db): Promise<{ at: Date | null; problem: string | null }> {
  const { rows } = await db.execute<{ at: string | null; problem: string | null }>(sql`
    SELECT greatest(max(read_at), (SELECT read_at FROM settlement.network_reading))::text AS at,
      max(problem) AS problem FROM settlement.watched_accounts`);
  const at = rows[0]?.at ?? null;
  return { at: at === null ? null : new Date(at), problem: rows[0]?.problem ?? null };
}

/** An asset on an account whose coverage some session is waiting for. */
export type AwaitedCoverage = {
  readonly account: string;
  readonly asset: string;
  readonly throughLedger: number;
  readonly throughTime: Date;
};

/**
 * Coverage that falls short of the deadline of a session whose deadline is over at `at` (a ledger's close time). What the
 * reading of the network covers is not awaited where that goes on by itself.
 */
export async function awaitedCoverage(
  db: Db,
  at: Date,
  strategy: ReadStrategy,
): Promise<AwaitedCoverage[]> {
  const { rows } = await db.execute<{
    account: string;
    asset: string;
    through_ledger: string;
    through_time: string;
  }>(sql`
    SELECT DISTINCT a.account, a.asset,
      ${THROUGH_LEDGER} AS through_ledger, (${THROUGH_TIME})::text AS through_time
    FROM settlement.active_sessions a
    JOIN settlement.watched_accounts w ON w.account = a.account
    LEFT JOIN settlement.asset_coverage c ON c.account = a.account AND c.asset = a.asset
    ${JOIN_NETWORK}
    WHERE a.deadline <= ${at.toISOString()} AND a.deadline > ${THROUGH_TIME}
      AND (n.id IS NULL OR ${strategy} <> 'ledgers')`);
  return rows.map((row) => ({
    account: row.account,
    asset: row.asset,
    throughLedger: Number(row.through_ledger),
    throughTime: new Date(row.through_time),
  }));
}

/**
 * Moves the coverage of one asset by the evidence of DESIGN §6 (b): its entry was last modified in a ledger that is
 * covered, so nothing arrived since. The condition is judged against what is stored now, not against what the
 * reader remembers. Returns whether the evidence held.
 */
export async function extendCoverage(
  db: Db,
  account: string,
  asset: string,
  lastModifiedLedger: number,
  proof: Proof,
): Promise<boolean> {
  const { rowCount } = await db.execute(sql`
    INSERT INTO settlement.asset_coverage AS stored (account, asset, through_ledger, through_time)
    SELECT w.account, ${asset}, ${proof.throughLedger}, ${proof.throughTime.toISOString()}::timestamptz
    FROM settlement.watched_accounts w
    LEFT JOIN settlement.asset_coverage c ON c.account = w.account AND c.asset = ${asset}
    ${JOIN_NETWORK}
    WHERE w.account = ${account} AND ${THROUGH_LEDGER} >= ${lastModifiedLedger}
    ON CONFLICT (account, asset) DO UPDATE SET
      through_ledger = greatest(stored.through_ledger, excluded.through_ledger),
      through_time = greatest(stored.through_time, excluded.through_time)`);
  return (rowCount ?? 0) > 0;
}

/** Remembers why an account cannot be read, for the operator; a page that is stored clears it. */
export async function noteProblem(db: Db, account: string, problem: string): Promise<void> {
  await db.execute(sql`
    UPDATE settlement.watched_accounts SET problem = ${problem}, read_at = now()
    WHERE account = ${account}`);
}
