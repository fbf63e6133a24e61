/** P3 over all of the outbox: what each delivery is of, whether it is accounted for, and what was never to be sent. */
import { sql } from 'drizzle-orm';
import type { Check } from '../domain/audit.ts';
import type { Unsent } from './audit-events.ts';
import type { Finding } from './audit-findings.ts';
import type { RowsAudited } from './audit-inbox.ts';
import type { Db } from './connection.ts';

/** Deliveries read in one statement. */
const PAGE = 2_000;
/** The first key of all. */
const START = '00000000-0000-0000-0000-000000000000';

/** Checks a page of deliveries, in the order of their ids. What an older backend made and kept is none of ours. */
export async function auditDeliveries(db: Db, after: string | null): Promise<RowsAudited<string>> {
  const { rows } = await db.execute<{
    count: number;
    last: string | null;
    found: { id: string; check: Check; problem: string }[] | null;
  }>(sql`
    WITH page AS MATERIALIZED (
      SELECT delivery_id, event_id, session_id, event, status FROM webhook_deliveries
      WHERE delivery_id > ${after ?? START}::uuid ORDER BY delivery_id LIMIT ${PAGE}),
    judged AS (
      SELECT d.delivery_id AS id, CASE
        WHEN e.id IS NULL THEN '{delivery_stray,It delivers an event that does not exist.}'
        WHEN e.session_id <> d.session_id OR e.type <> d.event
          THEN '{delivery_stray,It is not of the event that it names.}'
        WHEN d.status = 'delivered' AND NOT EXISTS (SELECT FROM settlement.delivery_attempts a
            WHERE a.delivery_id = d.delivery_id AND a.response_status BETWEEN 200 AND 299)
          THEN '{delivery_unproven,"It was accepted, but no attempt says so."}'
        WHEN d.status = 'dead' AND NOT EXISTS (SELECT FROM webhook_dead_letters l
            WHERE l.delivery_id = d.delivery_id)
          THEN '{delivery_unproven,"It was given up, and there is no dead letter of it."}'
        -- Whoever opens a delivery enters its session into the work list, in the same transaction.
        WHEN d.status IN ('pending', 'failed') AND NOT EXISTS (SELECT FROM settlement.active_sessions a
            WHERE a.session_id = d.session_id)
          THEN '{delivery_forgotten,"It is open, but its session is at rest: nobody will look at it."}'
        END::text[] AS broken
      FROM page d LEFT JOIN settlement.events e ON e.id = d.event_id WHERE d.event_id IS NOT NULL)
    SELECT (SELECT count(*)::int FROM page) AS count,
      (SELECT delivery_id FROM page ORDER BY delivery_id DESC LIMIT 1) AS last,
      (SELECT json_agg(json_build_object('id', id, 'check', broken[1], 'problem', broken[2]))
        FROM judged WHERE broken IS NOT NULL) AS found`);
  const [{ count, last, found } = { count: 0, last: null, found: null }] = rows;
  return {
    rows: count,
    next: count < PAGE ? null : last,
    found: (found ?? []).map(({ id, check, problem }) => ({
      promise: 'P3',
      check,
      subject: `delivery ${id}`,
      problem,
    })),
  };
}

/**
 * Of what an endpoint has no delivery of, what it should have had. Which endpoints a merchant had in the past, the data
 * does not say: it may have been registered, switched on or subscribed later. But what one commit makes of a kind goes to
 * the same endpoints, and settings seldom change for one commit only: an event is missed if another one of its
 * commit, or the ones before and after it, went there. (After the last one there are the settings of now.)
 */
export async function missedDeliveries(db: Db, unsent: readonly Unsent[]): Promise<Finding[]> {
  const lines = Map.groupBy(unsent, ({ endpointId, type }) => `${endpointId} ${type}`);
  const found: Finding[] = [];
  // Each line reads all events of its kind: seconds, where there are millions.
  if (unsent.length > 0) await db.execute(sql`SET LOCAL statement_timeout = '10min'`);
  for (const line of lines.values()) {
    const [{ endpointId, merchantId, type } = NOTHING] = line;
    const { rows } = await db.execute<{ id: string }>(sql`
      WITH made AS (
        SELECT e.created_at AS at, bool_or(d.id IS NOT NULL) AS sent FROM settlement.events e
        LEFT JOIN webhook_deliveries d ON d.event_id = e.id AND d.endpoint_id = ${endpointId}
        WHERE e.merchant_id = ${merchantId} AND e.type = ${type} GROUP BY e.created_at),
      line AS (
        SELECT at, sent, lag(sent) OVER (ORDER BY at) AS before, lead(sent) OVER (ORDER BY at) AS after FROM made)
      SELECT e.id FROM settlement.events e JOIN line ON line.at = e.created_at
      WHERE e.id = ANY(${sql.param(line.map(({ eventId }) => eventId))}::uuid[])
        AND (sent OR (before AND coalesce(after, true)))`);
    found.push(
      ...rows.map(({ id }): Finding => ({
        promise: 'P3',
        check: 'delivery_missing',
        subject: `event ${id}`,
        problem: `There is no delivery of it to endpoint ${endpointId}, which got what was made before and after it.`,
      })),
    );
  }
  return found;
}

const NOTHING: Unsent = { eventId: '', type: 'payment.confirmed', endpointId: '', merchantId: '' };
