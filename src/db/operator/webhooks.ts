/** Deliveries for operators: what was sent to whom, and what came of it. Reads only. */
import { sql, type SQL } from 'drizzle-orm';
import { Refusal } from '../../domain/failure.ts';
import type { Db } from '../connection.ts';

/** Where a delivery stands. `failed` is waiting for its next attempt; `dead` was given up. */
export type DeliveryStatus = 'pending' | 'failed' | 'delivered' | 'dead';

/** One event to one endpoint. Times are ISO 8601. */
export type Delivery = {
  readonly deliveryId: string;
  readonly event: string;
  /** Null: an older backend made it. */
  readonly eventId: string | null;
  readonly sessionId: string | null;
  readonly merchantId: string;
  readonly endpointId: string | null;
  readonly sequence: number;
  readonly status: DeliveryStatus;
  readonly attempts: number;
  readonly madeAt: string;
  readonly nextAt: string | null;
  readonly deliveredAt: string | null;
  /** Why it was given up. */
  readonly reason: string | null;
};

/** Which deliveries; null: any. Times are of when they were made, `until` itself excluded. */
export type WhichDeliveries = {
  readonly statuses: readonly DeliveryStatus[];
  readonly deliveryId: string | null;
  readonly merchantId: string | null;
  readonly endpointId: string | null;
  readonly sessionId: string | null;
  readonly since: Date | null;
  readonly until: Date | null;
};

/** The condition on `d`, the deliveries. */
export function whichDeliveries(which: WhichDeliveries): SQL {
  const { statuses, deliveryId, merchantId, endpointId, sessionId, since, until } = which;
  const conditions = [
    sql`d.status = ANY(${sql.param(statuses)}::webhook_delivery_status[])`,
    ...(deliveryId === null ? [] : [sql`d.delivery_id = ${deliveryId}`]),
    ...(merchantId === null ? [] : [sql`d.merchant_id = ${merchantId}`]),
    ...(endpointId === null ? [] : [sql`d.endpoint_id = ${endpointId}`]),
    ...(sessionId === null ? [] : [sql`d.session_id = ${sessionId}`]),
    ...(since === null ? [] : [sql`d.created_at >= ${since.toISOString()}`]),
    ...(until === null ? [] : [sql`d.created_at < ${until.toISOString()}`]),
  ];
  const isNarrow = deliveryId !== null || sessionId !== null || statuses.includes('delivered');
  return sql.join(isNarrow ? conditions : [UNDELIVERED, ...conditions], sql` AND `);
}

/** What is not delivered costs what there is of it: by the index of what is open, and by the letters of what is dead. */
const UNDELIVERED = sql`d.delivery_id = ANY(ARRAY(
  SELECT delivery_id FROM webhook_deliveries WHERE status IN ('pending', 'failed')
  UNION ALL SELECT delivery_id FROM webhook_dead_letters))`;

/** Those that match, the newest first, `most` of them. */
export function deliveries(db: Db, which: WhichDeliveries, most: number): Promise<Delivery[]> {
  return select(
    db,
    sql`${whichDeliveries(which)}
    ORDER BY d.created_at DESC, d.session_id, d.sequence DESC LIMIT ${most}`,
  );
}

/** One POST. */
export type Attempt = {
  readonly attempt: number;
  readonly at: string;
  /** Null: it has not ended, or nobody lived to see its end. */
  readonly outcome: string | null;
  readonly status: number | null;
  readonly tookMs: number | null;
  /** What the receiver answered, or why nothing was sent. */
  readonly detail: string | null;
};

/** A delivery with its attempts and the exact body. @throws Refusal DeliveryNotFound */
export async function showDelivery(
  db: Db,
  deliveryId: string,
): Promise<Delivery & { readonly body: string | null; readonly tries: readonly Attempt[] }> {
  const [found] = await select(db, sql`d.delivery_id = ${deliveryId}`);
  if (!found) {
    throw new Refusal('DeliveryNotFound', `There is no delivery ${deliveryId}.`, 'deliveryId');
  }
  const { rows: events } = await db.execute<{ body: string }>(
    sql`SELECT body FROM settlement.events WHERE id = ${found.eventId}`,
  );
  const { rows } = await db.execute<Attempt & { at: string }>(sql`
    SELECT attempt, started_at::text AS at, outcome, response_status AS status, duration_ms AS "tookMs", detail
    FROM settlement.delivery_attempts WHERE delivery_id = ${deliveryId} ORDER BY attempt`);
  const tries = rows.map((row) => ({ ...row, at: new Date(row.at).toISOString() }));
  return { ...found, body: events[0]?.body ?? null, tries };
}

async function select(db: Db, condition: SQL): Promise<Delivery[]> {
  const { rows } = await db.execute<Delivery>(sql`
    SELECT d.delivery_id AS "deliveryId", d.event, d.event_id AS "eventId", d.session_id AS "sessionId",
      d.merchant_id AS "merchantId", d.endpoint_id AS "endpointId", d.sequence, d.status, d.attempts,
      d.created_at::text AS "madeAt", d.next_retry_at::text AS "nextAt", d.delivered_at::text AS "deliveredAt",
      CASE WHEN d.status = 'dead' THEN (SELECT l.reason FROM webhook_dead_letters l
        WHERE l.delivery_id = d.delivery_id) END AS reason
    FROM webhook_deliveries d WHERE ${condition}`);
  const iso = (text: string | null) => (text === null ? null : new Date(text).toISOString());
  return rows.map((row) => ({
    ...row,
    madeAt: new Date(row.madeAt).toISOString(),
    nextAt: iso(row.nextAt),
    deliveredAt: iso(row.deliveredAt),
  }));
}
