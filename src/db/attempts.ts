/** What becomes of deliveries: every attempt is written down before and after its POST, and so is every giving up. */
import { sql } from 'drizzle-orm';
import type { AfterAttempt, DeadReason, PostOutcome } from '../domain/delivery.ts';
import { Refusal } from '../domain/failure.ts';
import type { Db } from './connection.ts';
import { ASSET_KEY } from './coverage.ts';
import type { NextDelivery } from './deliveries.ts';

/** An attempt under way: its number over the delivery's whole life, and among those that the schedule counts. */
export type StartedAttempt = { readonly attempt: number; readonly attempts: number };

/**
 * Writes down that a delivery is about to be sent. Null when it is not to be sent any more, because another activity
 * has begun its next attempt, or it was accepted or given up meanwhile. A wake that was due for the session is put off
 * by the minute that a taken one has: what it would bring about is being done, and the view that follows sees the rest.
 */
export async function startAttempt(
  db: Db,
  { deliveryId, attempts }: Pick<NextDelivery, 'deliveryId' | 'attempts'>,
  now: Date,
): Promise<StartedAttempt | null> {
  const { rows } = await db.execute<StartedAttempt>(sql`
    WITH started AS (
      UPDATE webhook_deliveries SET attempts = attempts + 1
      WHERE delivery_id = ${deliveryId} AND attempts = ${attempts} AND status IN ('pending', 'failed')
      RETURNING attempts, session_id),
    in_hand AS (
      UPDATE settlement.active_sessions a SET wake_after = now() + interval '1 minute'
      FROM started WHERE a.session_id = started.session_id AND a.wake_after <= now())
    INSERT INTO settlement.delivery_attempts (delivery_id, attempt, started_at)
    SELECT ${deliveryId}, coalesce((SELECT max(a.attempt) FROM settlement.delivery_attempts a
        WHERE a.delivery_id = ${deliveryId}), 0) + 1, ${now.toISOString()}::timestamptz
    FROM started RETURNING attempt, (SELECT attempts FROM started) AS attempts`);
  return rows[0] ?? null;
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
 * Writes down how an attempt ended and what follows: accepted, to be sent again, or a dead letter. An endpoint that
 * accepted something has its failures forgotten, and the rest they brought it; a pause without failures is a person's, and stays.
 */
export async function finishAttempt(
  db: Db,
  { deliveryId, endpointId }: Pick<NextDelivery, 'deliveryId' | 'endpointId'>,
  { attempt, outcome, next, now, durationMs }: FinishedAttempt,
): Promise<void> {
  const status = { delivered: 'delivered', retry: 'failed', dead: 'dead' }[next.kind];
  const response = outcome.kind === 'answered' ? outcome.status : null;
  const error = next.kind === 'delivered' ? null : `${outcome.kind}: ${outcome.detail}`;
  const at = now.toISOString();
  const entry = JSON.stringify({ attempt, timestamp: at, status: response, error });
  await db.execute(sql`
    WITH finished AS (
      UPDATE settlement.delivery_attempts SET finished_at = ${at}, outcome = ${outcome.kind},
        response_status = ${response}, detail = ${outcome.detail}, duration_ms = ${durationMs}
      WHERE delivery_id = ${deliveryId} AND attempt = ${attempt}),
    forgiven AS (
      UPDATE settlement.endpoint_state SET consecutive_failures = 0, paused_until = NULL
      WHERE endpoint_id = ${endpointId} AND consecutive_failures > 0 AND ${status} = 'delivered'),
    delivery AS (
      UPDATE webhook_deliveries SET status = ${status}::webhook_delivery_status,
        response_status = ${response}, attempt_log = attempt_log || ${entry}::jsonb,
        delivered_at = CASE WHEN ${status} = 'delivered' THEN ${at}::timestamptz ELSE delivered_at END,
        next_retry_at = ${next.kind === 'retry' ? next.at.toISOString() : null}
      WHERE delivery_id = ${deliveryId} AND status IN ('pending', 'failed') RETURNING *)
    ${deadLetter(next.kind === 'dead' ? next.reason : null)}`);
}

/** Gives a delivery up without another POST. */
export async function giveUp(db: Db, deliveryId: string, reason: DeadReason): Promise<void> {
  await db.execute(sql`
    WITH delivery AS (
      UPDATE webhook_deliveries SET status = 'dead', next_retry_at = NULL
      WHERE delivery_id = ${deliveryId} AND status IN ('pending', 'failed') RETURNING *)
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

/** Sends a delivery later, without counting an attempt. */
export async function postpone(db: Db, deliveryId: string, until: Date): Promise<void> {
  await db.execute(sql`
    UPDATE webhook_deliveries SET next_retry_at = ${until.toISOString()}
    WHERE delivery_id = ${deliveryId} AND status IN ('pending', 'failed')`);
}

/** One more failure of an endpoint, whatever the event. Returns how many that are in a row. */
export async function countFailure(
  db: Db,
  { endpointId, merchantId }: { endpointId: string; merchantId: string },
): Promise<number> {
  const { rows } = await db.execute<{ failures: number }>(sql`
    INSERT INTO settlement.endpoint_state AS s (endpoint_id, merchant_id, consecutive_failures)
    VALUES (${endpointId}, ${merchantId}, 1)
    ON CONFLICT (endpoint_id) DO UPDATE SET consecutive_failures = s.consecutive_failures + 1
    RETURNING consecutive_failures AS failures`);
  return rows[0]?.failures ?? 1;
}

/** The endpoint rests as a whole; what made it rest for longer stands. */
export async function pauseEndpoint(db: Db, endpointId: string, until: Date): Promise<void> {
  await db.execute(sql`
    UPDATE settlement.endpoint_state SET paused_until = greatest(paused_until, ${until.toISOString()}::timestamptz)
    WHERE endpoint_id = ${endpointId}`);
}

/** The endpoint answered 410: nothing more is sent there until a person enables it again. */
export async function disableEndpoint(
  db: Db,
  { endpointId, merchantId }: { endpointId: string; merchantId: string },
  reason: string,
): Promise<void> {
  await db.execute(sql`
    INSERT INTO settlement.endpoint_state AS s (endpoint_id, merchant_id, disabled_at, disabled_reason)
    VALUES (${endpointId}, ${merchantId}, now(), ${reason})
    ON CONFLICT (endpoint_id) DO UPDATE SET disabled_at = now(), disabled_reason = excluded.disabled_reason`);
}

/**
 * Puts a delivery back in line under its old id, its schedule from the start. Asking again while it is open
 * makes it due at once. @throws Refusal DeliveryNotFound when the session has no such delivery of ours
 */
export async function redeliver(db: Db, sessionId: string, deliveryId: string): Promise<void> {
  const { rowCount } = await db.execute(sql`
    WITH again AS (
      UPDATE webhook_deliveries SET status = 'pending', attempts = 0, next_retry_at = NULL
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
    INSERT INTO settlement.active_sessions AS a (session_id, account, asset, deadline, wake_after)
    SELECT s.id, s.receiving_account, ${ASSET_KEY}, NULL, now()
    FROM checkout_sessions s JOIN again ON again.session_id = s.id
    ON CONFLICT (session_id) DO UPDATE SET wake_after = now()`);
  if ((rowCount ?? 0) > 0) return;
  throw new Refusal(
    'DeliveryNotFound',
    `Session ${sessionId} has no delivery ${deliveryId}.`,
    'deliveryId',
  );
}
