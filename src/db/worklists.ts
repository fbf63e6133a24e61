/** The work lists: what is undecided, what coverage now closes, whom to wake. Each query costs what is due, not what exists. */
import { sql, type SQL } from 'drizzle-orm';
import { reached } from '../metrics/bounds.ts';
import { assetKey } from '../domain/asset.ts';
import { effectiveDeadline, type Session } from '../domain/session.ts';
import type { Db } from './connection.ts';
import { ASSET_KEY, firstLedgerAfter, OVER_BY_NOW, proven, readOnly } from './coverage.ts';
import { workListDeadline } from './predicates.ts';
import { isAside, setAside } from './set-aside.ts';

/** Rows taken from a work list at once: one settle commit's worth. */
const BATCH = 200;

/** Sessions that were set aside and whose pause is over: they are tried again, whatever list they came from. */
const PAUSE_IS_OVER = sql`(
  SELECT s.id, s.merchant_id, a.until FROM (SELECT * FROM settlement.set_aside
    WHERE kind = 'settle' AND until <= now() ORDER BY until LIMIT ${sql.raw(String(BATCH))}) a
  JOIN checkout_sessions s ON s.id = a.subject::uuid)`;

/** The round in which a row (`merchant_id`, `id`) of a list has its turn: each merchant has one row in each round. */
const roundOf = (since: SQL): SQL =>
  sql`row_number() OVER (PARTITION BY merchant_id ORDER BY ${since}, id)`;

/**
 * Sessions that have an undecided ledger payment, in rounds of one session of each merchant, those that have waited longest first.
 * Each counts once, however many payments it has, and those that are set aside do not count: nobody's payments fill the list. It
 * is longer by as many as the caller has under way, so that these do not fill it either.
 */
export async function sessionsWithUndecided(db: Db, underWay = 0): Promise<string[]> {
  const { rows } = await db.execute<{ id: string }>(sql`
    WITH undecided AS MATERIALIZED (
      SELECT lp.account, lp.reference, lp.assigned_to, lp.asset_code, lp.asset_issuer,
        min(lp.ledger) AS ledger, min(u.since) AS since
      FROM settlement.undecided_payments u JOIN settlement.ledger_payments lp USING (tx_hash, op_index, sub_index)
      GROUP BY 1, 2, 3, 4, 5),
    sessions AS (
      SELECT s.id, s.merchant_id, u.since FROM undecided u
      JOIN checkout_sessions s ON s.receiving_account = u.account AND s.memo = u.reference
      -- What lies beyond what is read has no meaning yet.
      WHERE u.assigned_to IS NULL AND u.ledger <= (SELECT greatest(
        upper(${proven(
          sql`u.account`,
          sql`CASE WHEN u.asset_issuer IS NULL THEN 'native'
          ELSE u.asset_code || ':' || u.asset_issuer END`,
        )}), upper(${readOnly(sql`u.account`)}), 0) - 1)
      UNION ALL SELECT s.id, s.merchant_id, u.since FROM undecided u JOIN checkout_sessions s ON s.id = u.assigned_to),
    due AS (SELECT id, merchant_id, min(since) AS since FROM (
        SELECT * FROM sessions UNION ALL ${PAUSE_IS_OVER}) sessions
      WHERE NOT ${isAside('settle', sql`sessions.id::text`)} GROUP BY id, merchant_id)
    SELECT id FROM due ORDER BY ${roundOf(sql`since`)}, since, id LIMIT ${BATCH * 5 + underWay}`);
  return dueNow(rows, BATCH * 5 + underWay);
}

/** A list that is full has left some out; they are in the next one. */
function dueNow(rows: readonly { id: string }[], most: number): string[] {
  if (rows.length >= most) reached('due_list');
  return rows.map(({ id }) => id);
}

/** Payments that are marked as unmatched by one statement. */
const MARKED_AT_ONCE = 1_000;

/**
 * Gives the verdict `unmatched` to undecided ledger payments that name no session, to a part of them where they are many. A
 * session that appears a moment later finds them all the same: its settle looks for payments, whatever their verdict.
 */
export async function markUnmatched(db: Db): Promise<{ txHash: string; payment: string }[]> {
  const { rows } = await db.execute<{ txHash: string; payment: string }>(sql`
    WITH nameless AS MATERIALIZED (
      SELECT lp.tx_hash, lp.op_index, lp.sub_index
      FROM settlement.undecided_payments u JOIN settlement.ledger_payments lp USING (tx_hash, op_index, sub_index)
      WHERE (lp.assigned_to IS NOT NULL OR NOT EXISTS (SELECT FROM checkout_sessions s
          WHERE s.receiving_account = lp.account AND s.memo = lp.reference))
        AND (lp.assigned_to IS NULL OR NOT EXISTS (SELECT FROM checkout_sessions s WHERE s.id = lp.assigned_to))
      LIMIT ${MARKED_AT_ONCE}),
    lost AS (
      DELETE FROM settlement.undecided_payments u USING nameless
      WHERE (u.tx_hash, u.op_index, u.sub_index) = (nameless.tx_hash, nameless.op_index, nameless.sub_index)
      RETURNING u.tx_hash, u.op_index, u.sub_index),
    marked AS (
      UPDATE settlement.ledger_payments lp SET verdict = 'unmatched', decided_at = now() FROM lost
      WHERE (lp.tx_hash, lp.op_index, lp.sub_index) = (lost.tx_hash, lost.op_index, lost.sub_index)
        AND lp.verdict IS NULL
      RETURNING lp.tx_hash, lp.op_index, lp.sub_index)
    SELECT tx_hash AS "txHash", concat_ws(':', tx_hash, op_index, sub_index) AS payment FROM marked`);
  return rows;
}

/**
 * Open sessions that end: the chain has a ledger that closed strictly after the effective deadline, and everything from
 * the opening up to that ledger is proven. First by the deadline, which an index knows: few sessions are due and not
 * yet closed, however many accounts are watched. In rounds of one session of each merchant; `underWay` as above.
 */
export async function sessionsToClose(db: Db, underWay = 0): Promise<string[]> {
  const { rows } = await db.execute<{ id: string }>(sql`
    SELECT id FROM (SELECT a.session_id AS id, a.deadline, a.merchant_id
      FROM ${OVER_BY_NOW} a
    CROSS JOIN LATERAL (SELECT ${firstLedgerAfter(sql`a.deadline`, sql`a.opened_after`)} AS ledger) over
    WHERE a.opened_after IS NOT NULL AND over.ledger IS NOT NULL
      AND ${proven(sql`a.account`, sql`a.asset`)} @> int8range(a.opened_after + 1, over.ledger)
      AND NOT EXISTS (SELECT FROM settlement.parked_records r
        WHERE r.account = a.account AND r.resolved_at IS NULL AND r.ledger < over.ledger)
      AND NOT ${isAside('settle', sql`a.session_id::text`)}) due
    ORDER BY ${roundOf(sql`deadline`)}, deadline, id LIMIT ${BATCH * 5 + underWay}`);
  return dueNow(rows, BATCH * 5 + underWay);
}

/** A session to wake, and its receiving account. */
export type DueWake = { readonly id: string; readonly account: string };

/** The next merchant, in the order of their ids, that a session waits to be woken for; an index leads from one to the next. */
const nextMerchant = (after: SQL): SQL => sql`
  SELECT w.merchant_id FROM settlement.active_sessions w
  WHERE w.wake_after IS NOT NULL AND ${after} ORDER BY w.merchant_id LIMIT 1`;

/** Due sessions that are considered, shared by the merchants, the oldest of each first: bounds the cost of one query. */
const CHOSEN_AMONG = 5_000;

/**
 * Takes up to `most` sessions that are due for a wake, and schedules the next wake in a minute, in case they do not come to
 * rest. Merchants take turns, and the accounts of each merchant, the oldest session first: ten thousand sessions of one merchant
 * delay no other merchant, thousands of one account no other account.
 */
export async function takeDueWakes(db: Db, most: number): Promise<DueWake[]> {
  const { rows } = await db.execute<DueWake & Record<string, unknown>>(sql`
    WITH RECURSIVE merchant AS (
      (${nextMerchant(sql`true`)})
      UNION ALL
      SELECT (${nextMerchant(sql`w.merchant_id > m.merchant_id`)}) FROM merchant m WHERE m.merchant_id IS NOT NULL),
    line AS (
      SELECT w.*, row_number() OVER (PARTITION BY w.merchant_id, w.account ORDER BY w.wake_after, w.session_id) AS place
      FROM merchant m CROSS JOIN LATERAL (
        SELECT l.session_id, l.merchant_id, l.account, l.wake_after FROM settlement.active_sessions l
        WHERE l.merchant_id = m.merchant_id AND l.wake_after <= now() ORDER BY l.wake_after
        LIMIT (SELECT greatest(${most}::bigint, ${CHOSEN_AMONG} / greatest(count(merchant_id), 1)) FROM merchant)) w),
    due AS (
      SELECT session_id, wake_after,
        row_number() OVER (PARTITION BY merchant_id ORDER BY place, wake_after, session_id) AS round
      FROM line ORDER BY round, wake_after, session_id LIMIT ${most}),
    taken AS (
      SELECT l.session_id, l.account, due.round, due.wake_after
      FROM settlement.active_sessions l JOIN due USING (session_id)
      WHERE l.wake_after <= now() FOR UPDATE OF l SKIP LOCKED),
    asked AS (
      UPDATE settlement.active_sessions a SET wake_after = now() + interval '1 minute'
      FROM taken WHERE a.session_id = taken.session_id RETURNING a.session_id)
    SELECT taken.session_id AS id, taken.account FROM taken JOIN asked USING (session_id)
    ORDER BY taken.round, taken.wake_after, taken.session_id`);
  return rows.map(({ id, account }) => ({ id, account }));
}

/**
 * Puts back what was taken within the last minute, by whoever read before: one that was killed may have taken wakes and
 * not sent them. A session that was woken all the same only looks once more. Returns how many.
 */
export async function regainWakes(db: Db): Promise<number> {
  const { rowCount } = await db.execute(sql`
    UPDATE settlement.active_sessions SET wake_after = now()
    WHERE wake_after > now() AND wake_after <= now() + interval '1 minute'`);
  return rowCount ?? 0;
}

/** Puts wakes back that could not be sent, so that the next turn finds them. */
export async function returnWakes(db: Db, sessionIds: readonly string[]): Promise<void> {
  await db.execute(sql`
    UPDATE settlement.active_sessions SET wake_after = now()
    WHERE session_id = ANY(${sql.param(sessionIds)}::uuid[])`);
}

/** Sets sessions aside that could not be woken while others could; each is woken again after its pause. */
export async function postponeWakes(
  db: Db,
  sessionIds: readonly string[],
  error: unknown,
): Promise<void> {
  for (const id of sessionIds) await setAside(db, 'wake', id, error);
  await db.execute(sql`
    UPDATE settlement.active_sessions a SET wake_after = s.until FROM settlement.set_aside s
    WHERE a.session_id = ANY(${sql.param(sessionIds)}::uuid[]) AND s.kind = 'wake' AND s.subject = a.session_id::text`);
}

/** Has the watcher wake these sessions; one that is not over and that nobody has in care comes into the work list whole. */
export async function wakeSessions(tx: Db, sessionIds: readonly string[]): Promise<void> {
  await tx.execute(sql`
    INSERT INTO settlement.active_sessions AS a (session_id, live_session, merchant_id, account, asset, deadline, wake_after)
    SELECT s.id, s.id, s.merchant_id, s.receiving_account, ${ASSET_KEY}, ${workListDeadline('s')}, now()
    FROM checkout_sessions s WHERE s.id = ANY(${sql.param(sessionIds)}::uuid[]) ORDER BY s.id
    ON CONFLICT (session_id) DO UPDATE SET wake_after = now()`);
}

/** Takes a session out of the work list that somebody has deleted: it would be woken, and not be found, for ever. */
export async function forgetDeleted(db: Db, sessionId: string): Promise<void> {
  await db.execute(sql`
    DELETE FROM settlement.active_sessions WHERE session_id = ${sessionId}
      AND NOT EXISTS (SELECT FROM checkout_sessions s WHERE s.id = ${sessionId})`);
}

/** Enters an open session, whose row is written, into the work list. */
export async function activate(
  tx: Db,
  session: Pick<Session, 'id' | 'receivingAccount' | 'asset' | 'expiresAt' | 'cancelAt'>,
  options: { wake: boolean },
): Promise<void> {
  const deadline = effectiveDeadline({ ...session, finalDeadline: null });
  await tx.execute(sql`
    INSERT INTO settlement.active_sessions (session_id, live_session, merchant_id, account, asset, deadline, wake_after)
    SELECT s.id, s.id, s.merchant_id, ${session.receivingAccount}, ${assetKey(session.asset)},
      ${deadline.toISOString()}, CASE WHEN ${options.wake} THEN now() END
    FROM checkout_sessions s WHERE s.id = ${session.id}
    ON CONFLICT (session_id) DO NOTHING`);
}
