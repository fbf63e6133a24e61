/** Where reconciliation looks beside the sessions themselves: payments, events, webhooks and runs that are left unfinished. */
import { sql, type SQL } from 'drizzle-orm';
import type { Db } from './connection.ts';
import { keyOf, PAGE, readKey, START, type Finding } from './paging.ts';
import { FOREIGN } from './suspects.ts';

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

/** Sessions not at rest, those whose run was looked for the longest time ago first; `lock` them, or only look. */
const unchecked = (lock: SQL) => sql`
  SELECT session_id FROM settlement.active_sessions ORDER BY checked_at NULLS FIRST LIMIT ${PAGE} ${lock}`;

/** A wake that is due already brings the run back. */
const NOT_DUE = sql`(a.wake_after IS NULL OR a.wake_after > now() + interval '10 seconds')`;

/** Sessions not at rest whose run is to be looked for now. */
export async function findUnchecked(db: Db): Promise<string[]> {
  const { rows } = await db.execute<{ id: string }>(sql`
    SELECT a.session_id AS id FROM settlement.active_sessions a
    JOIN (${unchecked(sql``)}) due ON due.session_id = a.session_id WHERE ${NOT_DUE}`);
  return rows.map(({ id }) => id);
}

/** The same, and marks them as looked for. */
export async function takeUnchecked(db: Db): Promise<string[]> {
  const { rows } = await db.execute<{ id: string }>(sql`
    UPDATE settlement.active_sessions a SET checked_at = now()
    FROM (${unchecked(sql`FOR UPDATE SKIP LOCKED`)}) due
    WHERE a.session_id = due.session_id AND ${NOT_DUE}
    RETURNING a.session_id AS id`);
  return rows.map(({ id }) => id);
}
