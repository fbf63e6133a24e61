/** The outbox on its way out: which delivery is next at each endpoint. db/attempts.ts records what became of it. */
import { sql } from 'drizzle-orm';
import type { Head } from '../domain/delivery.ts';
import type { Db } from './connection.ts';
import { merchantEndpointId } from './ids.ts';
import { confirmedWaits, firstAttemptAt, isOpen, openLines } from './lines.ts';
import { prepared } from './prepared.ts';

/** The first open delivery of a session to an endpoint, with everything that sending it needs. */
export type NextDelivery = Head & {
  readonly deliveryId: string;
  readonly eventId: string;
  readonly endpointId: string;
  readonly merchantId: string;
  readonly sequence: number;
  /** Attempts since it was made or asked for again. */
  readonly attempts: number;
  /** How often a person has put it back in line. */
  readonly redeliveries: number;
  /** How often a person has decided about its endpoint: paused, disabled or resumed it. */
  readonly decisions: number;
  readonly occurredAt: Date;
  /** The exact text to send. */
  readonly body: string;
  /** Null when the endpoint, or the merchant's URL, is gone. */
  readonly url: string | null;
  /** The current secret and, while one rotates, the old one, as they are stored: db/secrets.ts reads them. */
  readonly secrets: readonly string[];
  readonly disabled: boolean;
  /** Another open delivery of the session to the same endpoint comes after it. */
  readonly moreWait: boolean;
};

type Row = {
  delivery_id: string;
  event_id: string;
  endpoint_id: string;
  merchant_id: string;
  event: string;
  sequence: number;
  attempts: number;
  redeliveries: number;
  decisions: number;
  at: string | null;
  first_attempt_at: string | null;
  confirmed_waits: boolean;
  rests_until: string | null;
  occurred_at: string;
  body: string;
  merchant_url: string | null;
  merchant_secret: string | null;
  endpoint_url: string | null;
  endpoint_secret: string | null;
  previous_secret: string | null;
  disabled: boolean;
  more_wait: boolean;
};

/** The head of each endpoint's line for this session, due or not. */
export async function nextDeliveries(db: Db, sessionId: string): Promise<NextDelivery[]> {
  return (await HEADS(db, { sessionId })).map(toNext);
}

const HEADS = prepared<Row>(
  'heads',
  sql`
    SELECT d.delivery_id, d.event_id, d.endpoint_id, d.merchant_id, d.event,
      d.sequence, d.attempts, coalesce(d.redeliveries, 0) AS redeliveries, coalesce(s.decisions, 0) AS decisions,
      greatest(d.next_retry_at, s.paused_until)::text AS at, ${firstAttemptAt('d')}::text AS first_attempt_at,
      ${confirmedWaits('d')} AS confirmed_waits,
      (SELECT count(*) > 1 FROM (SELECT FROM webhook_deliveries o
        WHERE o.session_id = d.session_id AND o.endpoint_id = d.endpoint_id AND ${isOpen('o')} LIMIT 2) two) AS more_wait,
      s.paused_until::text AS rests_until,
      d.occurred_at::text, d.body, m.webhook_url AS merchant_url, m.webhook_secret AS merchant_secret,
      w.url AS endpoint_url, w.secret AS endpoint_secret,
      CASE WHEN s.previous_secret_until > now() THEN s.previous_secret END AS previous_secret,
      coalesce(s.disabled_at IS NOT NULL, false) OR coalesce(NOT w.is_active, false) AS disabled
    FROM ${openLines(sql.placeholder('sessionId'))} line
    CROSS JOIN LATERAL (SELECT o.*, e.occurred_at, e.body FROM webhook_deliveries o
      JOIN settlement.events e ON e.id = o.event_id
      WHERE o.session_id = ${sql.placeholder('sessionId')} AND o.endpoint_id = line.endpoint_id AND ${isOpen('o')}
      ORDER BY o.sequence, o.created_at LIMIT 1) d
    JOIN merchants m ON m.id = d.merchant_id
    LEFT JOIN webhook_endpoints w ON w.id = d.endpoint_id
    LEFT JOIN settlement.endpoint_state s ON s.endpoint_id = d.endpoint_id
    ORDER BY d.endpoint_id`,
);

function toNext(row: Row): NextDelivery {
  const ofMerchant = row.endpoint_id === merchantEndpointId(row.merchant_id);
  const secret = ofMerchant ? row.merchant_secret : row.endpoint_secret;
  return {
    deliveryId: row.delivery_id,
    eventId: row.event_id,
    endpointId: row.endpoint_id,
    merchantId: row.merchant_id,
    event: row.event,
    sequence: row.sequence,
    attempts: row.attempts,
    redeliveries: row.redeliveries,
    decisions: row.decisions,
    at: new Date(row.at ?? 0),
    firstAttemptAt: row.first_attempt_at === null ? null : new Date(row.first_attempt_at),
    confirmedWaits: row.confirmed_waits,
    restsUntil: row.rests_until === null ? null : new Date(row.rests_until),
    occurredAt: new Date(row.occurred_at),
    body: row.body,
    url: ofMerchant ? row.merchant_url : row.endpoint_url,
    secrets: [secret, row.previous_secret].filter((s) => s !== null),
    disabled: row.disabled,
    moreWait: row.more_wait,
  };
}
