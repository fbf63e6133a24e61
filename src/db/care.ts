/**
 * What the backend writes by itself: new sessions, edits of those in care, deletions. One index knows all of it, so it is
 * followed within a turn of the watcher.
 */
import { sql, type SQL } from 'drizzle-orm';
import type { Db } from './connection.ts';
import { underContention } from './serializable.ts';
import { ASSET_KEY } from './coverage.ts';
import { over, workListDeadline } from './predicates.ts';
import { isAside } from './set-aside.ts';
import { TERMS, UNSEEN } from './suspects.ts';

/** Sessions taken in at once. */
const BATCH = 200;
/** Within this many ledgers a payer may have known of a session that its transaction had not committed yet: a minute. */
const MARGIN_LEDGERS = 12;
/** The clock that wrote `created_at` may be ahead of the ledger's by this much, where nothing else dates an opening. */
const CLOCK_MARGIN = "interval '2 hours'";

const unseen = (after: string): SQL => sql`${sql.raw(`(${UNSEEN})`)} AND id > ${after}::uuid`;

/**
 * Dates the openings of new sessions by the ledger: behind the newest ledger of the last time that they were looked for,
 * when they were not there. A clock can lengthen the reading, never shorten it: where `created_at` is earlier, that
 * counts. Sessions older than the chain are dated one by one (`placeOpening`). To be called with the newest ledger of *before*.
 */
export async function placeOpenings(db: Db, newestLedger: number): Promise<void> {
  await db.execute(sql`
    WITH last AS (SELECT discovered_after AS ledger FROM settlement.network),
    placed AS (
      UPDATE checkout_sessions s SET opened_after = greatest(1, least(last.ledger - ${MARGIN_LEDGERS}, (
        SELECT le.sequence FROM settlement.ledgers le WHERE le.closed_at < s.created_at - interval '10 seconds'
        ORDER BY le.closed_at DESC, le.sequence DESC LIMIT 1)))
      FROM last WHERE ${sql.raw(`(${UNSEEN})`)} AND s.opened_after IS NULL AND last.ledger IS NOT NULL
        AND s.seen_status IS NULL AND s.created_at > (SELECT min(closed_at) + interval '10 seconds' FROM settlement.ledgers))
    UPDATE settlement.network SET discovered_after = ${newestLedger}`);
}

/** A session that the backend wrote or edited since it was last taken into account. */
export type Unseen = {
  readonly id: string;
  readonly openedAfter: number | null;
  /** An older backend ended it before the time from which endings are judged anew: its row stands. */
  readonly isHistory: boolean;
  readonly receivingAccount: string;
};

/** A page of them, in the order of their ids. */
export async function unseenSessions(db: Db, after: string): Promise<Unseen[]> {
  const { rows } = await db.execute<{
    id: string;
    opened_after: string | null;
    is_history: boolean;
    receiving_account: string;
  }>(sql`
    SELECT id, opened_after, receiving_account,
      status IN ('expired', 'cancelled') AND created_at < coalesce(
        (SELECT n.history_from FROM settlement.network n), '-infinity') AS is_history
    FROM checkout_sessions WHERE ${unseen(after)} AND NOT ${isAside('follow', sql`checkout_sessions.id::text`)} ORDER BY id LIMIT ${BATCH}`);
  return rows.map((row) => ({
    id: row.id,
    openedAfter: row.opened_after === null ? null : Number(row.opened_after),
    isHistory: row.is_history,
    receivingAccount: row.receiving_account,
  }));
}

/**
 * The instant before which a ledger surely closed before the opening of a session of which only `created_at` is known, and
 * how far the chain is read back for that: not further than what an older backend ended is judged anew.
 */
export async function surelyBefore(
  db: Db,
  sessionId: string,
): Promise<{ time: Date; readBackTo: Date }> {
  const { rows } = await db.execute<{ at: string; back: string }>(sql`
    SELECT (created_at - ${sql.raw(CLOCK_MARGIN)})::text AS at, (greatest(created_at,
      (SELECT n.history_from FROM settlement.network n)) - ${sql.raw(CLOCK_MARGIN)})::text AS back
    FROM checkout_sessions WHERE id = ${sessionId}`);
  const [row] = rows;
  return {
    time: new Date(row?.at ?? Number.NaN),
    readBackTo: new Date(row?.back ?? Number.NaN),
  };
}

/**
 * Dates an opening that has no date yet. Returns the ledger that counts: this one, or the one that another caller wrote
 * first. Only the first caller writes the row, so that identical requests do not queue on it.
 */
export async function placeOpening(db: Db, sessionId: string, ledger: number): Promise<number> {
  return underContention(async () => {
    const { rowCount } = await db.execute(sql`
      UPDATE checkout_sessions SET opened_after = ${ledger} WHERE id = ${sessionId} AND opened_after IS NULL`);
    if (rowCount === 1) return ledger;
    const { rows } = await db.execute<{ opened_after: string | null }>(
      sql`SELECT opened_after FROM checkout_sessions WHERE id = ${sessionId}`,
    );
    return Number(rows[0]?.opened_after ?? ledger);
  });
}

/**
 * Takes sessions into account as their rows are now: what they say is what counts from here on. A session that is open, or
 * that the backend ended, enters the work list with its present deadline and is woken. A cancellation that the backend
 * wrote becomes a request. Terms that were edited (price, asset, account) ask a person: the payer may have been told the
 * old ones; so does a memo, once money had come under the old one. Rows that are taken into account already, with their place in the work list, are not written.
 */
export async function takeSeen(db: Db, sessionIds: readonly string[]): Promise<void> {
  if (sessionIds.length === 0) return;
  await underContention(async () => {
    await take(db, sessionIds, sql`${sql.raw(`(${UNSEEN})`)}`);
    // A new statement: it sees what the caller that was first has committed.
    const { rows } = await db.execute<{ id: string }>(sql`
      SELECT s.id FROM checkout_sessions s WHERE s.id = ANY(${sql.param(sessionIds)}::uuid[])
        AND s.opened_after IS NOT NULL AND NOT EXISTS (SELECT FROM settlement.active_sessions a
          WHERE a.session_id = s.id AND a.deadline IS NOT DISTINCT FROM ${workListDeadline('s')}
            AND a.account = s.receiving_account AND a.asset = ${ASSET_KEY})`);
    const lacking = rows.map(({ id }) => id);
    if (lacking.length > 0) await take(db, lacking, sql`true`);
  });
}

/** How an attention `edited` says that the edit changed nothing; the audit knows by it that the row is not what was judged. */
export const DECIDED_BEFORE = 'The session was decided before that, and stays so.';

/** Characters of an attention about edits; a backend that edits again and again fills no table. */
const MOST_TOLD = 2_000;

async function take(db: Db, sessionIds: readonly string[], condition: SQL): Promise<void> {
  await db.execute(sql`
    WITH before AS (
      SELECT id AS edited_id, seen_terms AS terms_before, seen_memo AS memo_before FROM checkout_sessions
      WHERE id = ANY(${sql.param(sessionIds)}::uuid[]) AND ${condition} ORDER BY id FOR UPDATE),
    seen AS (
      UPDATE checkout_sessions s SET seen_status = s.status, seen_expires_at = s.expires_at, seen_memo = s.memo,
        seen_terms = ${sql.raw(TERMS)}
      FROM before WHERE s.id = before.edited_id RETURNING s.*, before.terms_before, before.memo_before),
    edited AS (
      INSERT INTO settlement.attention AS t (subject, kind, detail)
      SELECT s.id::text, 'edited', concat_ws(' ', told.terms, told.memo, CASE WHEN ${over('s')}
          THEN ${DECIDED_BEFORE} ELSE 'The session goes on by the row as it is now.' END)
      FROM seen s CROSS JOIN LATERAL (SELECT
        CASE WHEN s.terms_before <> s.seen_terms THEN 'The backend edited what the payer was asked for: it was '
          || s.terms_before || ', and is ' || s.seen_terms || '.' END AS terms,
        CASE WHEN s.memo_before <> s.memo AND EXISTS (SELECT FROM settlement.ledger_payments lp
            WHERE lp.reference = s.memo_before AND lp.session_id = s.id
              AND lp.account IN (s.receiving_account, split_part(s.terms_before, ' to ', 2)))
          THEN 'The backend edited the memo, and money had come under the old one: it was ' || s.memo_before
          || ', and is ' || s.memo || '.' END AS memo) told
      WHERE told.terms IS NOT NULL OR told.memo IS NOT NULL
      ON CONFLICT (subject, kind) WHERE resolved_at IS NULL
        DO UPDATE SET detail = left(t.detail || ' ' || excluded.detail, ${MOST_TOLD})),
    cancelled AS (
      INSERT INTO settlement.cancel_requests (session_id, actor)
      SELECT s.id, 'backend' FROM seen s WHERE s.status = 'cancelled' AND s.cancel_at IS NULL
        AND NOT ${over('s')} AND s.opened_after IS NOT NULL
      ON CONFLICT DO NOTHING)
    INSERT INTO settlement.active_sessions AS a (session_id, live_session, merchant_id, account, asset, deadline, wake_after)
    SELECT s.id, s.id, s.merchant_id, s.receiving_account, ${ASSET_KEY},
      ${workListDeadline('s')}, now()
    FROM seen s WHERE s.opened_after IS NOT NULL ORDER BY s.id
    ON CONFLICT (session_id) DO UPDATE SET account = excluded.account, asset = excluded.asset,
      deadline = excluded.deadline, wake_after = now()`);
}

/** Sessions of the work list whose row the backend has deleted. */
export async function deletedSessions(db: Db): Promise<string[]> {
  const { rows } = await db.execute<{ id: string }>(sql`
    SELECT session_id AS id FROM settlement.active_sessions WHERE live_session IS NULL LIMIT ${BATCH}`);
  return rows.map(({ id }) => id);
}

/** Lets go of deleted sessions: nothing is awaited of them any more, and their open questions are void. */
export async function forgetSessions(db: Db, sessionIds: readonly string[]): Promise<void> {
  if (sessionIds.length === 0) return;
  await db.execute(sql`
    WITH gone AS (
      DELETE FROM settlement.active_sessions a WHERE a.session_id = ANY(${sql.param(sessionIds)}::uuid[])
        AND NOT EXISTS (SELECT FROM checkout_sessions s WHERE s.id = a.session_id)
      RETURNING a.session_id),
    requests AS (DELETE FROM settlement.cancel_requests c USING gone WHERE c.session_id = gone.session_id)
    UPDATE settlement.attention t SET resolved_at = now(), resolved_by = 'settle', reason = 'the session was deleted'
    FROM gone WHERE t.subject = gone.session_id::text AND t.resolved_at IS NULL`);
}
