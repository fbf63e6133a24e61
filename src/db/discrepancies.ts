/**
 * Where reconciliation looks: one query for each kind of discrepancy (domain/discrepancy.ts), each on an index that
 * holds only what is wrong. bench/reconcile.ts shows what they read.
 */
import { sql, type SQL } from 'drizzle-orm';
import type { Discrepancy } from '../domain/discrepancy.ts';
import type { Db } from './connection.ts';
import { FOREIGN, OPEN, UNSETTLED, WRONG } from './suspects.ts';

/** Kinds that are found by a query for sessions, and repaired by settling them. */
export type SessionDiscrepancy = Extract<
  Discrepancy,
  | 'not_in_care'
  | 'stuck_processing'
  | 'paid_without_payment'
  | 'unsettled_payment'
  | 'foreign_ending'
  | 'overdue'
>;

/** Sessions taken at once: one settle commit's worth. */
const PAGE = 200;

/** A page of what was found, and where the next one begins; null: there is none. */
export type Finding<T> = { readonly found: readonly T[]; readonly next: string | null };

/** Which rows of a query: those after a key, or some that are looked at again. */
type Bound = ({ readonly after: Key } | { readonly ids: readonly string[] }) & {
  /** Look also for what is looked for once a day only. */
  readonly thorough: boolean;
};

/** Where a page begins: a moment, where one orders by it, and an id. */
type Key = { readonly at: string; readonly id: string };

const START: Key = { at: '-infinity', id: '00000000-0000-0000-0000-000000000000' };

/** The key of a row as text, `<moment> <id>`; `readKey` is its inverse. */
const keyOf = (at: SQL, id: SQL): SQL =>
  sql`to_char(${at} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || ' ' || ${id}`;

function readKey(key: string | null): Key {
  const [at = START.at, id = START.id] = key?.split(' ') ?? [];
  return { at, id };
}

const among = (id: SQL, bound: Bound): SQL =>
  'ids' in bound
    ? sql`${id} = ANY(${sql.param(bound.ids)}::uuid[])`
    : sql`${id} > ${bound.after.id}::uuid`;

const amongByTime = (at: SQL, id: SQL, bound: Bound): SQL =>
  'ids' in bound
    ? among(id, bound)
    : sql`(${at}, ${id}) > (${bound.after.at}::timestamptz, ${bound.after.id}::uuid)`;

/** Sessions whose own columns show a discrepancy of this kind. */
const wrong = (kind: SessionDiscrepancy, bound: Bound): SQL =>
  sql`(${sql.raw(WRONG)}) = ${kind} AND ${among(sql`s.id`, bound)}`;

/** A person is asked, or has answered: it is not found again and again. */
const unexplained = (kind: string): SQL => sql`NOT EXISTS (SELECT FROM settlement.attention t
  WHERE t.subject = s.id::text AND t.kind = ${kind} AND t.resolved_by IS DISTINCT FROM 'settle')`;

/** The newest trace of a session that was made `processing` by somebody who does not say when. */
const PROCESSING_TRACE = sql`coalesce(s.processing_since, greatest(s.created_at,
  (SELECT max(r.first_at) FROM settlement.reported_payments r WHERE r.session_id = s.id),
  (SELECT max(j.at) FROM settlement.session_journal j WHERE j.session_id = s.id),
  (SELECT max(lp.seen_at) FROM settlement.ledger_payments lp
    WHERE lp.account = s.receiving_account AND lp.reference = s.memo)))`;

/** The query of each kind: a page of sessions' ids, each with its key if that is more than the id. */
const QUERIES: Record<SessionDiscrepancy, (bound: Bound) => SQL> = {
  not_in_care: (bound) => sql`
    SELECT s.id, ${keyOf(sql`s.expires_at`, sql`s.id`)} AS key FROM checkout_sessions s
    WHERE ${sql.raw(OPEN)} AND ${amongByTime(sql`s.expires_at`, sql`s.id`, bound)}
      ${bound.thorough ? sql`` : sql`AND s.expires_at < now() - interval '5 minutes'`}
      AND NOT EXISTS (SELECT FROM settlement.active_sessions a WHERE a.session_id = s.id)
      AND ${unexplained('opening_not_covered')}
    ORDER BY s.expires_at, s.id LIMIT ${PAGE}`,
  stuck_processing: (bound) => sql`
    SELECT s.id FROM checkout_sessions s
    WHERE ${wrong('stuck_processing', bound)} AND ${PROCESSING_TRACE} < now() - interval '5 minutes'
    ORDER BY s.id LIMIT ${PAGE}`,
  // One that somebody gave a row is an unsettled payment.
  paid_without_payment: (bound) => sql`
    SELECT s.id FROM checkout_sessions s
    WHERE ${wrong('paid_without_payment', bound)} AND ${unexplained('paid_without_evidence')}
      AND NOT EXISTS (SELECT FROM payments p WHERE p.session_id = s.id AND ${sql.raw(UNSETTLED)})
    ORDER BY s.id LIMIT ${PAGE}`,
  unsettled_payment: (bound) => sql`
    (SELECT p.session_id AS id FROM payments p
      WHERE ${sql.raw(UNSETTLED)} AND ${among(sql`p.session_id`, bound)}
      ORDER BY p.session_id LIMIT ${PAGE})
    UNION (SELECT s.id FROM checkout_sessions s WHERE ${wrong('unsettled_payment', bound)}
      ORDER BY s.id LIMIT ${PAGE})
    ORDER BY id LIMIT ${PAGE}`,
  foreign_ending: (bound) => sql`
    SELECT s.id FROM checkout_sessions s
    WHERE ${wrong('foreign_ending', bound)} AND ${unexplained('opening_not_covered')}
    ORDER BY s.id LIMIT ${PAGE}`,
  overdue: (bound) => sql`
    SELECT s.id, ${keyOf(sql`a.deadline`, sql`s.id`)} AS key
    FROM settlement.active_sessions a JOIN checkout_sessions s ON s.id = a.session_id
    WHERE a.deadline < now() - interval '5 minutes' AND ${sql.raw(OPEN)}
      AND ${amongByTime(sql`a.deadline`, sql`a.session_id`, bound)}
      AND ${unexplained('opening_not_covered')}
    ORDER BY a.deadline, a.session_id LIMIT ${PAGE}`,
};

type Row = { id: string; key?: string };

/** Finds a page of sessions. `after` is the `next` of the page before; null for the first. */
export async function findSessions(
  db: Db,
  kind: SessionDiscrepancy,
  { after, thorough }: { after: string | null; thorough: boolean },
): Promise<Finding<string>> {
  const { rows } = await db.execute<Row>(QUERIES[kind]({ after: readKey(after), thorough }));
  const found = rows.map(({ id }) => id);
  const last = rows.at(-1);
  return {
    found,
    next: rows.length < PAGE || !last ? null : (last.key ?? `${START.at} ${last.id}`),
  };
}

/** Of these sessions, those of which it is still so. */
export async function stillSo(
  db: Db,
  kind: SessionDiscrepancy,
  ids: readonly string[],
): Promise<string[]> {
  if (ids.length === 0) return [];
  const { rows } = await db.execute<Row>(QUERIES[kind]({ ids, thorough: true }));
  return rows.map(({ id }) => id);
}

/** Times a `processing` that somebody else wrote by its newest trace, so that settle sees how old it is. */
export async function timeProcessing(db: Db, ids: readonly string[]): Promise<void> {
  await db.execute(sql`
    UPDATE checkout_sessions s SET processing_since = ${PROCESSING_TRACE}
    WHERE s.id = ANY(${sql.param(ids)}::uuid[]) AND s.status = 'processing' AND s.processing_since IS NULL`);
}

/** How long a ledger payment may stay without a verdict before that is a discrepancy. */
const UNDECIDED_AFTER = sql`interval '60 seconds'`;

/** Ledger payments without a verdict for over a minute, by key. */
export async function findUndecided(db: Db): Promise<string[]> {
  const { rows } = await db.execute<{ payment: string }>(sql`
    SELECT concat_ws(':', tx_hash, op_index, sub_index) AS payment FROM settlement.undecided_payments
    WHERE since < now() - ${UNDECIDED_AFTER} ORDER BY since LIMIT ${PAGE * 5}`);
  return rows.map(({ payment }) => payment);
}

/** An event that is due, and the session whose workflow sends it. */
export type OverdueEvent = { readonly deliveryId: string; readonly sessionId: string };

/**
 * Deliveries that have been due for over a minute, first in line, not in flight, to an endpoint that does not rest.
 * Ordered by when they fell due, which waking a session does not change: `next` leads past them.
 */
export async function findOverdueEvents(
  db: Db,
  after: string | null,
): Promise<Finding<OverdueEvent>> {
  const { at, id } = readKey(after);
  const { rows } = await db.execute<OverdueEvent & { key: string }>(sql`
    SELECT d.delivery_id AS "deliveryId", d.session_id AS "sessionId",
      ${keyOf(sql`d.at`, sql`d.id`)} AS key
    FROM (SELECT *, coalesce(next_retry_at, created_at) AS at FROM webhook_deliveries
      WHERE status IN ('pending', 'failed')
        AND coalesce(next_retry_at, created_at) < now() - interval '60 seconds') d
    LEFT JOIN settlement.endpoint_state e ON e.endpoint_id = d.endpoint_id
    WHERE d.event_id IS NOT NULL AND (d.at, d.id) > (${at}::timestamptz, ${id}::uuid)
      AND (e.paused_until IS NULL OR e.paused_until < now())
      AND NOT EXISTS (SELECT FROM webhook_deliveries b
        WHERE b.session_id = d.session_id AND b.endpoint_id = d.endpoint_id
          AND b.sequence < d.sequence AND b.status IN ('pending', 'failed'))
      AND NOT EXISTS (SELECT FROM settlement.delivery_attempts t WHERE t.delivery_id = d.delivery_id
        AND t.finished_at IS NULL AND t.started_at > now() - interval '60 seconds')
    ORDER BY d.at, d.id LIMIT ${PAGE}`);
  return {
    found: rows.map(({ deliveryId, sessionId }) => ({ deliveryId, sessionId })),
    next: rows.length < PAGE ? null : (rows.at(-1)?.key ?? null),
  };
}

/** Deliveries of an older backend that are still open, by delivery id. */
export async function findForeignDeliveries(
  db: Db,
  after: string | null,
): Promise<Finding<string>> {
  const { rows } = await db.execute<{ id: string }>(sql`
    SELECT d.delivery_id AS id FROM webhook_deliveries d
    WHERE ${sql.raw(FOREIGN)} AND d.delivery_id > ${after ?? START.id}::uuid
      -- A person is asked about what cannot be taken over; when its session is paid after all, it can.
      AND (NOT EXISTS (SELECT FROM settlement.attention t WHERE t.kind = 'foreign_delivery'
          AND t.subject IN (d.session_id::text, d.delivery_id::text))
        OR d.event = 'payment.confirmed' AND EXISTS (SELECT FROM checkout_sessions s
          WHERE s.id = d.session_id AND s.status = 'paid' AND s.payment_id IS NOT NULL))
    ORDER BY d.delivery_id LIMIT ${PAGE}`);
  const found = rows.map(({ id }) => id);
  return { found, next: found.length < PAGE ? null : (found.at(-1) ?? null) };
}

/** Sessions not at rest, those whose run was looked for the longest time ago first, and marks them as looked for. */
export async function takeUnchecked(db: Db): Promise<string[]> {
  const { rows } = await db.execute<{ id: string }>(sql`
    UPDATE settlement.active_sessions a SET checked_at = now()
    FROM (SELECT session_id FROM settlement.active_sessions ORDER BY checked_at NULLS FIRST
      LIMIT ${PAGE} FOR UPDATE SKIP LOCKED) due
    WHERE a.session_id = due.session_id
      -- A wake that is due already brings the run back.
      AND (a.wake_after IS NULL OR a.wake_after > now() + interval '10 seconds')
    RETURNING a.session_id AS id`);
  return rows.map(({ id }) => id);
}

/** Why a discrepancy of a session cannot be repaired yet, in words. */
export async function whyLeft(db: Db, ids: readonly string[]): Promise<Map<string, string>> {
  const { rows } = await db.execute<{ id: string; why: string }>(sql`
    SELECT s.id, coalesce(
      (SELECT 'needs a person: ' || string_agg(DISTINCT t.kind, ', ') FROM settlement.attention t
        WHERE t.resolved_at IS NULL AND t.subject IN (s.id::text, s.receiving_account)),
      (SELECT 'the account cannot be read: ' || w.problem FROM settlement.watched_accounts w
        WHERE w.account = s.receiving_account),
      (SELECT 'the ledger is read through ' || to_char(w.through_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
        || ', its deadline is ' || to_char(least(s.expires_at, s.cancel_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
        FROM settlement.watched_accounts w WHERE w.account = s.receiving_account),
      'its account is not read yet') AS why
    FROM checkout_sessions s WHERE s.id = ANY(${sql.param(ids)}::uuid[])`);
  return new Map(rows.map(({ id, why }) => [id, why]));
}
