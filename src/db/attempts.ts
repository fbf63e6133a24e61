/**
 * Attempts to deliver: each is recorded before and after its POST. Every write here is bound to what its caller read:
 * `attempts` grows with each start, `redeliveries` with each time a person puts the delivery back in line.
 */
import { sql } from 'drizzle-orm';
import type { AfterAttempt, DeadReason, PostOutcome } from '../domain/delivery.ts';
import { Refusal } from '../domain/failure.ts';
import { storable, storableJson } from '../domain/text.ts';
import type { Db } from './connection.ts';
import { ASSET_KEY } from './coverage.ts';
import type { NextDelivery } from './deliveries.ts';

/** An attempt under way: its number over the delivery's whole life, and among those that the schedule counts. */
export type StartedAttempt = { readonly attempt: number; readonly attempts: number };

/** A delivery and the state in which its caller read it. */
export type SeenDelivery = Pick<NextDelivery, 'deliveryId' | 'attempts' | 'redeliveries'>;

/** An endpoint, and how often a person had decided about it when it was read. */
export type SeenEndpoint = Pick<NextDelivery, 'endpointId' | 'decisions'>;

/** The detail of one outcome, in UTF-16 units. Senders cut shorter; this bounds the row whatever they do. */
const LONGEST_DETAIL = 1_000;

/**
 * Records that a delivery is about to be sent. Null when it must not be: another activity has begun its next attempt,
 * it was accepted or given up, or a person has decided about it or its endpoint since it was read. A wake that was due
 * for the session is put off by the minute that a taken one has: what it would bring about is being done, and the view
 * that follows sees the rest.
 */
export async function startAttempt(
  db: Db,
  { endpointId, decisions, ...seen }: SeenDelivery & SeenEndpoint,
  now: Date,
): Promise<StartedAttempt | null> {
  const { rows } = await db.execute<StartedAttempt>(sql`
    WITH started AS (
      UPDATE webhook_deliveries SET attempts = attempts + 1
      WHERE ${unchanged(seen)} AND ${undecided({ endpointId, decisions })}
      RETURNING attempts, session_id),
    in_hand AS (
      UPDATE settlement.active_sessions a SET wake_after = now() + interval '1 minute'
      FROM started WHERE a.session_id = started.session_id AND a.wake_after <= now())
    INSERT INTO settlement.delivery_attempts (delivery_id, attempt, started_at)
    SELECT ${seen.deliveryId}, coalesce((SELECT max(a.attempt) FROM settlement.delivery_attempts a
        WHERE a.delivery_id = ${seen.deliveryId}), 0) + 1, ${now.toISOString()}::timestamptz
    FROM started RETURNING attempt, (SELECT attempts FROM started) AS attempts`);
  return rows[0] ?? null;
}

/** The open delivery as it was read: nobody has started an attempt or put it back in line since. */
function unchanged({ deliveryId, attempts, redeliveries }: SeenDelivery) {
  return sql`delivery_id = ${deliveryId} AND status IN ('pending', 'failed')
    AND attempts = ${attempts} AND coalesce(redeliveries, 0) = ${redeliveries}`;
}

/**
 * No person has decided about the endpoint since it was read. The subquery may miss a decision that commits while the
 * statement waits for the delivery's row; a resumption, which writes that row, is caught by `unchanged`.
 */
function undecided({ endpointId, decisions }: SeenEndpoint) {
  return sql`NOT EXISTS (SELECT FROM settlement.endpoint_state s
    WHERE s.endpoint_id = ${endpointId} AND s.decisions <> ${decisions})`;
}

/** How an attempt ended. */
export type FinishedAttempt = {
  readonly attempt: number;
  readonly outcome: PostOutcome;
  readonly next: AfterAttempt;
  readonly now: Date;
  readonly durationMs: number;
};

/**
 * Records how an attempt of the delivery `seen` (as it was read before its start) ended, and what follows: accepted, to
 * be sent again, or a dead letter. The outcome of any attempt is kept. Only the newest attempt decides what follows, and
 * none does after a person has asked for the event again; an accepted one also ends what a later attempt has begun.
 *
 * An endpoint that accepted something has its failures forgotten, with the pause they caused, unless a person has
 * decided about the endpoint meanwhile.
 */
export async function finishAttempt(
  db: Db,
  seen: SeenDelivery & SeenEndpoint,
  { attempt, outcome, next, now, durationMs }: FinishedAttempt,
): Promise<void> {
  const { deliveryId, endpointId, decisions } = seen;
  const status = { delivered: 'delivered', retry: 'failed', dead: 'dead' }[next.kind];
  const response = outcome.kind === 'answered' ? outcome.status : null;
  const detail = storable(outcome.detail, LONGEST_DETAIL);
  const error = next.kind === 'delivered' ? null : `${outcome.kind}: ${detail}`;
  const at = now.toISOString();
  const entry = storableJson({ attempt, timestamp: at, status: response, error });
  await db.execute(sql`
    WITH finished AS (
      UPDATE settlement.delivery_attempts SET finished_at = ${at}, outcome = ${outcome.kind},
        response_status = ${response}, detail = ${detail}, duration_ms = ${durationMs}
      WHERE delivery_id = ${deliveryId} AND attempt = ${attempt}),
    forgiven AS (
      UPDATE settlement.endpoint_state SET consecutive_failures = 0, paused_until = NULL
      WHERE endpoint_id = ${endpointId} AND decisions = ${decisions}
        AND consecutive_failures > 0 AND ${status} = 'delivered'),
    delivery AS (
      UPDATE webhook_deliveries SET status = ${status}::webhook_delivery_status,
        response_status = ${response}, attempt_log = attempt_log || ${entry}::jsonb,
        delivered_at = CASE WHEN ${status} = 'delivered' THEN ${at}::timestamptz ELSE delivered_at END,
        next_retry_at = ${next.kind === 'retry' ? next.at.toISOString() : null}
      WHERE delivery_id = ${deliveryId} AND status IN ('pending', 'failed')
        AND coalesce(redeliveries, 0) = ${seen.redeliveries}
        AND (attempts = ${seen.attempts + 1} OR ${status} = 'delivered') RETURNING *)
    ${deadLetter(next.kind === 'dead' ? next.reason : null)}`);
}

/**
 * Gives a delivery up without another POST, if it is as it was read. One of a disabled endpoint is given up only while
 * no person has decided about the endpoint since.
 */
export async function giveUp(
  db: Db,
  { endpointId, decisions, ...seen }: SeenDelivery & SeenEndpoint,
  reason: DeadReason,
): Promise<void> {
  await db.execute(sql`
    WITH delivery AS (
      UPDATE webhook_deliveries SET status = 'dead', next_retry_at = NULL
      WHERE ${unchanged(seen)} AND ${undecided({ endpointId, decisions })}
      RETURNING *)
    ${deadLetter(reason)}`);
}

/** The end of a statement: a `delivery` that has just become dead gets its letter in the same one; again, if it was sent again. */
function deadLetter(reason: DeadReason | null) {
  return sql`
    INSERT INTO webhook_dead_letters (merchant_id, delivery_id, session_id, event, payload, attempts, reason)
    SELECT merchant_id, delivery_id, session_id, event, payload, attempt_log, ${reason}::text
    FROM delivery WHERE status = 'dead'
    ON CONFLICT (delivery_id) DO UPDATE SET attempts = excluded.attempts, reason = excluded.reason, retried_at = NULL`;
}

/** Sends a delivery later, without counting an attempt, if it is as it was read. */
export async function postpone(db: Db, seen: SeenDelivery, until: Date): Promise<void> {
  await db.execute(sql`
    UPDATE webhook_deliveries SET next_retry_at = ${until.toISOString()}
    WHERE ${unchanged(seen)}`);
}

/**
 * One more failure of an endpoint, whatever the event. Returns how many that are in a row; 0, and nothing is counted,
 * when a person has decided about the endpoint since it was read.
 */
export async function countFailure(
  db: Db,
  { endpointId, merchantId, decisions }: SeenEndpoint & Pick<NextDelivery, 'merchantId'>,
): Promise<number> {
  const { rows } = await db.execute<{ failures: number }>(sql`
    INSERT INTO settlement.endpoint_state AS s (endpoint_id, merchant_id, consecutive_failures)
    VALUES (${endpointId}, ${merchantId}, 1)
    ON CONFLICT (endpoint_id) DO UPDATE SET consecutive_failures = s.consecutive_failures + 1
    WHERE s.decisions = ${decisions}
    RETURNING consecutive_failures AS failures`);
  return rows[0]?.failures ?? 0;
}

/**
 * The endpoint rests as a whole because of its failures; a longer rest stands. Nothing is written when a success has
 * cleared them, or a person has decided about the endpoint since it was read.
 */
export async function pauseEndpoint(
  db: Db,
  { endpointId, decisions }: SeenEndpoint,
  until: Date,
): Promise<void> {
  await db.execute(sql`
    UPDATE settlement.endpoint_state SET paused_until = greatest(paused_until, ${until.toISOString()}::timestamptz)
    WHERE endpoint_id = ${endpointId} AND decisions = ${decisions} AND consecutive_failures > 0`);
}

/**
 * The endpoint answered 410: nothing more is sent there until a person resumes it. Nothing is written when a person has
 * decided about it since it was read.
 */
export async function disableEndpoint(
  db: Db,
  { endpointId, merchantId, decisions }: SeenEndpoint & Pick<NextDelivery, 'merchantId'>,
  reason: string,
): Promise<void> {
  await db.execute(sql`
    INSERT INTO settlement.endpoint_state AS s (endpoint_id, merchant_id, disabled_at, disabled_reason)
    VALUES (${endpointId}, ${merchantId}, now(), ${storable(reason)})
    ON CONFLICT (endpoint_id) DO UPDATE SET disabled_at = now(), disabled_reason = excluded.disabled_reason
    WHERE s.decisions = ${decisions}`);
}

/**
 * What puts a delivery back in line: its schedule from the start, due at once. An attempt that is under way finds
 * `redeliveries` changed, and leaves the delivery as it is.
 */
export const BACK_IN_LINE = sql`status = 'pending', attempts = 0, next_retry_at = NULL,
  redeliveries = coalesce(redeliveries, 0) + 1`;

/**
 * Puts a delivery back in line under its old id, its schedule from the start. Asking again while it is open
 * makes it due at once. @throws Refusal DeliveryNotFound when the session has no such delivery of ours
 */
export async function redeliver(db: Db, sessionId: string, deliveryId: string): Promise<void> {
  const { rowCount } = await db.execute(sql`
    WITH again AS (
      UPDATE webhook_deliveries SET ${BACK_IN_LINE}
      WHERE delivery_id = ${deliveryId} AND session_id = ${sessionId} AND event_id IS NOT NULL
      RETURNING session_id),
    letter AS (
      UPDATE webhook_dead_letters SET retried_at = now()
      WHERE delivery_id = ${deliveryId} AND session_id = ${sessionId}),
    journal AS (
      INSERT INTO settlement.session_journal (session_id, from_status, to_status, cause, actor, detail)
      SELECT s.id, s.status, s.status, 'redelivery asked for', 'client',
        json_build_object('deliveryId', ${deliveryId}::text)
      FROM checkout_sessions s JOIN again ON again.session_id = s.id)
    INSERT INTO settlement.active_sessions AS a (session_id, merchant_id, account, asset, deadline, wake_after)
    SELECT s.id, s.merchant_id, s.receiving_account, ${ASSET_KEY}, NULL, now()
    FROM checkout_sessions s JOIN again ON again.session_id = s.id
    ON CONFLICT (session_id) DO UPDATE SET wake_after = now()`);
  if ((rowCount ?? 0) > 0) return;
  throw new Refusal(
    'DeliveryNotFound',
    `Session ${sessionId} has no delivery ${deliveryId}.`,
    'deliveryId',
  );
}
