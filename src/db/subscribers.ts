/** Where events of a session go: the merchant's endpoints, at most `MOST_ENDPOINTS` of them. */
import { sql, type SQL } from 'drizzle-orm';
import { DEFAULT_EVENTS, type EventType } from '../domain/event.ts';
import type { Db } from './connection.ts';
import { merchantEndpointId } from './ids.ts';

/**
 * Endpoints of one merchant that get events, beside its `webhook_url`. A backend inserts them by itself, and each one multiplies
 * the deliveries of every session: 20 is what one merchant may have under way at once (webhook/post.ts MERCHANT_AT_ONCE). The
 * oldest win, so that endpoints that are added later cannot displace one that works.
 */
export const MOST_ENDPOINTS = 20;

/** An endpoint, and the events that it asks for; an empty list means the default ones. */
export type Subscriber = { readonly endpointId: string; readonly events: readonly EventType[] };

/** Whether an endpoint gets events of this type. */
export function wants({ events }: Subscriber, type: EventType): boolean {
  return (events.length > 0 ? events : DEFAULT_EVENTS).includes(type);
}

/** The merchant's active endpoints in the order in which they count; an index has it. */
const OLDEST_FIRST = (merchant: SQL): SQL => sql`
  FROM webhook_endpoints w WHERE w.merchant_id = ${merchant} AND w.is_active ORDER BY w.created_at, w.id`;

/** Whether a merchant (an expression) has more active endpoints than get events. */
export const hasMoreEndpoints = (merchant: SQL): SQL => sql`EXISTS (
  SELECT ${OLDEST_FIRST(merchant)} OFFSET ${sql.raw(String(MOST_ENDPOINTS))} LIMIT 1)`;

/** Fields of the facts of a session `s`, as `json_build_object` takes them. */
export const SUBSCRIBERS: SQL = sql`
  'merchantUrl', (SELECT m.webhook_url IS NOT NULL FROM merchants m WHERE m.id = s.merchant_id),
  'endpoints', (
    SELECT json_agg(json_build_object('endpointId', few.id, 'events', few.events) ORDER BY few.id)
    FROM (SELECT w.id, w.events ${OLDEST_FIRST(sql`s.merchant_id`)} LIMIT ${sql.raw(String(MOST_ENDPOINTS))}) few),
  'hasMoreEndpoints', ${hasMoreEndpoints(sql`s.merchant_id`)}`;

/** Those fields, as they come. */
export type RawSubscribers = {
  merchantUrl: boolean;
  endpoints: { endpointId: string; events: EventType[] | null }[] | null;
  hasMoreEndpoints: boolean;
};

/** Reads those fields. An endpoint whose `events` is no list gets the default ones. */
export function toSubscribers(raw: RawSubscribers & { merchantId: string }): Subscriber[] {
  return [
    ...(raw.merchantUrl ? [{ endpointId: merchantEndpointId(raw.merchantId), events: [] }] : []),
    ...(raw.endpoints ?? []).map(({ endpointId, events }) => ({
      endpointId,
      events: Array.isArray(events) ? events : [],
    })),
  ];
}

/** Closes what was asked about merchants that have no more endpoints than get events. One look into an index without such. */
export async function forgetEndpointQuestions(db: Db): Promise<void> {
  await db.execute(sql`
    UPDATE settlement.attention t SET resolved_at = now(), resolved_by = 'settle', reason = 'it is no longer so'
    WHERE t.kind = 'too_many_endpoints' AND t.resolved_at IS NULL
      AND NOT ${hasMoreEndpoints(sql`t.subject::uuid`)}`);
}
