/** Sending events again on an operator's word: the same ids, the same bytes, in their order. */
import { sql, type SQL } from 'drizzle-orm';
import { BACK_IN_LINE } from '../attempts.ts';
import type { Database, Db } from '../connection.ts';
import { merchantEndpointId } from '../ids.ts';
import { serializable } from '../serializable.ts';
import { wakeSessions } from '../worklists.ts';
import { writeDown, writeDownAtSessions, type By } from './decision.ts';
import { whichDeliveries, type WhichDeliveries } from './webhooks.ts';

/** Sessions put back in one transaction. All of a session's deliveries go together, so that none overtakes another. */
const SESSIONS_AT_ONCE = 100;

/** How far it has come, and what it leaves alone. Counts are deliveries. */
export type Redelivered = {
  readonly matching: number;
  readonly putBack: number;
  readonly sessions: number;
  /** Their endpoint is disabled, switched off or gone: they would become dead letters again at once. */
  readonly endpointDisabled: number;
  /** An older backend made them: we do not have their bytes. */
  readonly notOurs: number;
};

/** What can be sent again: an event of ours, to an endpoint that is served. */
const SENDABLE = sql`d.event_id IS NOT NULL AND d.session_id IS NOT NULL`;
const servedBut = (gone: readonly string[]) =>
  sql`(w.is_active OR w.id IS NULL AND m.webhook_url IS NOT NULL AND d.endpoint_id <> ALL(${sql.param(gone)}::uuid[]))
    AND s.disabled_at IS NULL`;
const FROM = sql`FROM webhook_deliveries d JOIN merchants m ON m.id = d.merchant_id
  LEFT JOIN webhook_endpoints w ON w.id = d.endpoint_id
  LEFT JOIN settlement.endpoint_state s ON s.endpoint_id = d.endpoint_id`;

/**
 * Puts every matching delivery back in line, those of the sessions that waited longest first, and has the sessions woken.
 * Each goes out under its old ids, its schedule from the start, in its order at each endpoint. Safe to stop and to run
 * again: what was put back is `pending`. `dryRun` only counts.
 */
export async function redeliverAll(
  { pool, db }: Database,
  which: WhichDeliveries,
  by: By,
  {
    dryRun = false,
    onPage = () => undefined,
  }: { dryRun?: boolean; onPage?: (done: Redelivered) => void } = {},
): Promise<Redelivered> {
  const served = servedBut(await goneEndpoints(db, which));
  let done = await count(db, which, served);
  if (dryRun) return done;
  // Each session once, as they match now: one whose endpoint fails again at once must not keep us for ever.
  const ids = await sessionsOf(db, which, served);
  for (let i = 0; i < ids.length; i += SESSIONS_AT_ONCE) {
    const page = ids.slice(i, i + SESSIONS_AT_ONCE);
    const { value } = await serializable(pool, (tx) => putBack(tx, { which, served, page }, by));
    done = {
      ...done,
      putBack: done.putBack + value.deliveries,
      sessions: done.sessions + value.sessions,
    };
    onPage(done);
  }
  return done;
}

/** Endpoints that had a row of their own once. A merchant's webhook_url never has one: its id derives. */
async function goneEndpoints(db: Db, which: WhichDeliveries): Promise<string[]> {
  const { rows } = await db.execute<{ id: string; merchant: string }>(sql`
    SELECT DISTINCT d.endpoint_id AS id, d.merchant_id AS merchant ${FROM}
    WHERE ${whichDeliveries(which)} AND d.endpoint_id IS NOT NULL AND w.id IS NULL`);
  return rows.flatMap(({ id, merchant }) => (id === merchantEndpointId(merchant) ? [] : [id]));
}

async function sessionsOf(db: Db, which: WhichDeliveries, served: SQL): Promise<string[]> {
  const { rows } = await db.execute<{ id: string }>(sql`
    SELECT d.session_id AS id ${FROM} WHERE ${whichDeliveries(which)} AND ${SENDABLE} AND (${served})
    GROUP BY d.session_id ORDER BY min(d.created_at), d.session_id`);
  return rows.map(({ id }) => id);
}

/** One page, written down in the journals of the sessions and, as one decision, in the operators'. */
async function putBack(
  tx: Db,
  { which, served, page }: { which: WhichDeliveries; served: SQL; page: readonly string[] },
  by: By,
) {
  const { rows } = await tx.execute<{ session: string; delivery: string }>(sql`
    WITH again AS (
      UPDATE webhook_deliveries SET ${BACK_IN_LINE}
      WHERE delivery_id IN (SELECT d.delivery_id ${FROM}
        WHERE d.session_id = ANY(${sql.param(page)}::uuid[]) AND ${whichDeliveries(which)}
          AND ${SENDABLE} AND (${served}))
      RETURNING session_id, delivery_id),
    letters AS (
      UPDATE webhook_dead_letters l SET retried_at = now() FROM again WHERE l.delivery_id = again.delivery_id)
    SELECT session_id AS session, delivery_id AS delivery FROM again ORDER BY 1, 2`);
  const sessions = [...new Set(rows.map(({ session }) => session))];
  if (sessions.length === 0) return { deliveries: 0, sessions: 0 };
  await wakeSessions(tx, sessions);
  await writeDownAtSessions(tx, by, sessions, { action: 'redelivery asked for', detail: {} });
  const deliveries = rows.map(({ delivery }) => delivery);
  await writeDown(tx, by, {
    action: 'webhooks sent again',
    subject: which.endpointId === null ? 'webhooks' : `endpoint ${which.endpointId}`,
    detail: { deliveries },
  });
  return { deliveries: deliveries.length, sessions: sessions.length };
}

async function count(db: Db, which: WhichDeliveries, served: SQL): Promise<Redelivered> {
  const { rows } = await db.execute<{ matching: number; disabled: number; foreign: number }>(sql`
    SELECT count(*)::int AS matching, count(*) FILTER (WHERE NOT (${SENDABLE}))::int AS foreign,
      count(*) FILTER (WHERE ${SENDABLE} AND (${served}) IS NOT TRUE)::int AS disabled
    ${FROM} WHERE ${whichDeliveries(which)}`);
  const { matching = 0, disabled = 0, foreign = 0 } = rows[0] ?? {};
  return { matching, putBack: 0, sessions: 0, endpointDisabled: disabled, notOurs: foreign };
}
