/** What the watcher needs to know and to remember of the accounts it reads. */
import { sql, type SQL } from 'drizzle-orm';
import type { PageStart } from '../domain/account-page.ts';
import type { Db } from './connection.ts';
import { firstLedgerAfter, OVER_BY_NOW, proven, readOnly, through, isHole } from './coverage.ts';
import { whyAside } from './set-aside.ts';

/** How the ledger is read: each account by itself, or the network's ledgers whole. */
export type ReadStrategy = 'accounts' | 'ledgers';

/** An account that is read, where its pages go on, and how urgent its reading is. */
export type WatchedAccount = {
  readonly account: string;
  readonly start: PageStart;
  /** Since it was last read, by the database's clock, which wrote that down; null: never. */
  readonly msSinceRead: number | null;
  /** Sessions on it that are not closed. */
  readonly openSessions: number;
  /** What they ask for, by assetKey. */
  readonly assets: readonly string[];
  /** Read through this ledger without a hole, from where its pages stand: by pages, whole ledgers or its entry. */
  readonly readThrough: number;
  /** The newest ledger that its entry was seen in; 0 before the first. */
  readonly seenIn: number;
  /** What its own pages must still show: the reading of the network has not begun for it, or leaves a gap behind. */
  readonly needsPages: boolean;
  /** Why it is set aside now, in words; null: it is not. */
  readonly aside: string | null;
};

/** Where the reading of an account begins: behind a ledger that closed before the opening of a session. */
export type Registration = { readonly account: string; readonly start: PageStart };

/**
 * Begins to watch an account. One that is watched already is read from further back where its reading began later than
 * this; otherwise nothing happens.
 */
export async function registerAccount(tx: Db, { account, start }: Registration): Promise<void> {
  await tx.execute(sql`
    INSERT INTO settlement.watched_accounts AS w (account, through_ledger, known_record)
    VALUES (${account}, ${start.afterLedger}, ${start.known})
    ON CONFLICT (account) DO UPDATE SET through_ledger = excluded.through_ledger,
      known_record = excluded.known_record, read_at = NULL
    WHERE w.through_ledger > excluded.through_ledger
      AND NOT (w.read_ledgers + ${proven(sql`w.account`, sql`'*'`)}) @> (excluded.through_ledger + 1)`);
}

/** Whether an account is read from a ledger on. */
export async function isWatchedFrom(
  db: Db,
  account: string,
  afterLedger: number,
): Promise<boolean> {
  const { rows } = await db.execute(sql`
    SELECT FROM settlement.watched_accounts w WHERE account = ${account} AND (
      w.through_ledger <= ${afterLedger}
      OR (w.read_ledgers + ${proven(sql`w.account`, sql`'*'`)}) @> (${afterLedger}::bigint + 1))`);
  return rows.length > 0;
}

/** What is read of the account of the row `w`, as coverage.ts has it, without looking the row up again. */
const READ = sql`(w.read_ledgers
  + coalesce((SELECT c.ledgers FROM settlement.coverage c WHERE c.account = w.account AND c.asset = '*'), '{}')
  + coalesce((SELECT int8multirange(int8range(w.network_from, n.through_ledger + 1))
    FROM settlement.network_reading n WHERE w.network_from <= n.through_ledger), '{}')
  + coalesce((SELECT range_agg(h.ledgers) FROM settlement.history_holes h
    WHERE h.account = w.account AND ${isHole(sql`h`)}), '{}'))`;

const READ_THROUGH = through(READ, sql`w.through_ledger`);

const WATCHED = (condition: SQL): SQL => sql`
  SELECT w.account, w.through_ledger, w.known_record, extract(epoch FROM clock_timestamp() - w.read_at)::float8 * 1000 AS ms_since_read, open.n AS open_sessions, open.assets,
    ${READ_THROUGH} AS read_through,
    coalesce((SELECT max(upper(c.ledgers)) - 1 FROM settlement.coverage c
      WHERE c.account = w.account AND c.asset <> '*'), 0) AS seen_in,
    w.network_from IS NULL OR EXISTS (
      SELECT FROM settlement.active_sessions a JOIN checkout_sessions s ON s.id = a.session_id
      WHERE a.account = w.account AND a.deadline IS NOT NULL AND s.opened_after + 1 < w.network_from AND ${through(
        sql`(${proven(sql`a.account`, sql`a.asset`)} + ${readOnly(sql`a.account`)})`,
        sql`s.opened_after`,
      )} < w.network_from - 1) AS needs_pages,
    ${whyAside('read', sql`w.account`)} AS aside
  FROM settlement.watched_accounts w
  CROSS JOIN LATERAL (
    SELECT count(*)::int AS n, coalesce(json_agg(DISTINCT a.asset), '[]') AS assets FROM settlement.active_sessions a
    WHERE a.account = w.account AND a.deadline IS NOT NULL) open
  WHERE ${condition} ORDER BY w.read_at NULLS FIRST`;

/** Every watched account, the least recently read first. */
export async function watchedAccounts(db: Db): Promise<WatchedAccount[]> {
  const { rows } = await db.execute<WatchedRow>(WATCHED(sql`true`));
  return rows.map(toWatched);
}

/** One watched account; null when it is not watched. */
export async function watchedAccount(db: Db, account: string): Promise<WatchedAccount | null> {
  const { rows } = await db.execute<WatchedRow>(WATCHED(sql`w.account = ${account}`));
  return rows[0] === undefined ? null : toWatched(rows[0]);
}

type WatchedRow = {
  account: string;
  through_ledger: string;
  known_record: string | null;
  ms_since_read: number | null;
  open_sessions: number;
  assets: string[];
  read_through: string;
  seen_in: string;
  needs_pages: boolean;
  aside: string | null;
};

function toWatched(row: WatchedRow): WatchedAccount {
  return {
    account: row.account,
    start: { afterLedger: Number(row.through_ledger), known: row.known_record },
    msSinceRead: row.ms_since_read,
    openSessions: row.open_sessions,
    assets: row.assets,
    readThrough: Number(row.read_through),
    seenIn: Number(row.seen_in),
    needsPages: row.needs_pages,
    aside: row.aside,
  };
}

/**
 * Lets the pages of an account go on behind what other evidence covers, from the newest record of the inbox there: the
 * record that they began with is no longer shown. Returns where they begin now.
 */
export async function movePageStart(
  db: Db,
  account: string,
  { afterLedger, known }: PageStart,
): Promise<PageStart> {
  const { rows } = await db.execute<{ through_ledger: string; known_record: string | null }>(sql`
    UPDATE settlement.watched_accounts w SET through_ledger = next.ledger, known_record = next.record
    FROM (SELECT w.account, ${READ_THROUGH} AS ledger, coalesce((
        SELECT lp.operation_id::text FROM settlement.ledger_payments lp
        WHERE lp.account = w.account AND lp.ledger <= ${READ_THROUGH}
        ORDER BY lp.operation_id DESC LIMIT 1), w.known_record) AS record
      FROM settlement.watched_accounts w WHERE w.account = ${account}) next
    WHERE w.account = next.account AND w.through_ledger = ${afterLedger}
      AND w.known_record IS NOT DISTINCT FROM ${known}
    RETURNING w.through_ledger, w.known_record`);
  const [row] = rows;
  return row === undefined
    ? { afterLedger, known }
    : { afterLedger: Number(row.through_ledger), known: row.known_record };
}

/** Names the record that the pages of an account must begin with, where none was known. */
export async function noteKnownRecord(
  db: Db,
  account: string,
  { afterLedger, known }: PageStart,
): Promise<void> {
  await db.execute(sql`
    UPDATE settlement.watched_accounts SET known_record = ${known}
    WHERE account = ${account} AND through_ledger = ${afterLedger} AND known_record IS NULL`);
}

/** Marks an account as looked at: nothing has moved in it, so no page was read. */
export async function noteRead(db: Db, account: string): Promise<void> {
  await db.execute(sql`
    UPDATE settlement.watched_accounts SET read_at = now(), problem = NULL WHERE account = ${account}`);
}

/**
 * When any account was last read (null: never), how long ago by the same clock, and what is wrong with one.
 */
export async function newestReading(
  db: Db,
): Promise<{ at: Date | null; msAgo: number; problem: string | null }> {
  const { rows } = await db.execute<{
    at: string | null;
    ms: number | null;
    problem: string | null;
  }>(sql`
    SELECT at::text, extract(epoch FROM now() - at)::float8 * 1000 AS ms, problem
    FROM (SELECT greatest(max(read_at), (SELECT read_at FROM settlement.network_reading)) AS at,
      max(problem) AS problem FROM settlement.watched_accounts) newest`);
  const [row] = rows;
  const at = row?.at ?? null;
  return {
    at: at === null ? null : new Date(at),
    msAgo: row?.ms ?? Infinity,
    problem: row?.problem ?? null,
  };
}

/** Ledgers that must still be proven for an account before sessions on it can end. */
export type MissingLedgers = { readonly account: string; readonly ledgers: readonly number[] };

/** Ledgers asked for at once for one account: three minutes of them on the public network. */
const MOST_LEDGERS = 36;

/**
 * Ledgers that are not shown keep no later ones from being asked for. They are asked for again after a minute, and after
 * this once they count as a hole.
 */
const ASK_AGAIN_AFTER = sql.raw("interval '1 hour'");

/**
 * Ledgers that keep sessions from ending whose deadline the chain has passed: the oldest of each account. What the
 * reading of the network will cover by itself is left to it.
 */
export async function missingLedgers(db: Db, strategy: ReadStrategy): Promise<MissingLedgers[]> {
  const { rows } = await db.execute<{ account: string; ledgers: string[] }>(sql`
    WITH due AS MATERIALIZED (
      SELECT DISTINCT a.account, a.asset, a.opened_after AS first, ${firstLedgerAfter(sql`a.deadline`, sql`a.opened_after`)} AS last
      FROM ${OVER_BY_NOW} a WHERE a.opened_after IS NOT NULL),
    missing AS (
      SELECT due.account, n FROM due,
        unnest(int8multirange(int8range(due.first + 1, greatest(due.last, due.first + 1)))
          - ${proven(sql`due.account`, sql`due.asset`)}
          - coalesce((SELECT range_agg(h.ledgers) FROM settlement.history_holes h
            WHERE h.account = due.account AND h.asked_at > now() - CASE WHEN ${isHole(sql`h`)}
              THEN ${ASK_AGAIN_AFTER} ELSE interval '1 minute' END), '{}')) AS gap,
        generate_series(lower(gap), least(upper(gap) - 1, lower(gap) + ${MOST_LEDGERS})) AS n
      WHERE ${strategy} <> 'ledgers' OR n < coalesce((SELECT w.network_from FROM settlement.watched_accounts w
        WHERE w.account = due.account), 0))
    SELECT account, (array_agg(DISTINCT n ORDER BY n))[1:${sql.raw(String(MOST_LEDGERS))}] AS ledgers
    FROM missing GROUP BY account`);
  return rows.map(({ account, ledgers }) => ({ account, ledgers: ledgers.map(Number) }));
}

/** Remembers why an account cannot be read, for the operator; a page that is stored clears it. */
export async function noteProblem(db: Db, account: string, problem: string): Promise<void> {
  await db.execute(sql`
    UPDATE settlement.watched_accounts SET problem = ${problem}, read_at = now()
    WHERE account = ${account}`);
}
