import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import type { AfterAttempt, PostOutcome } from '../../src/domain/delivery.ts';
import {
  countFailure,
  disableEndpoint,
  finishAttempt,
  giveUp,
  pauseEndpoint,
  postpone,
  redeliver,
  startAttempt,
} from '../../src/db/attempts.ts';
import { nextDeliveries, type NextDelivery } from '../../src/db/deliveries.ts';
import { merchantEndpointId } from '../../src/db/ids.ts';
import { settleTogether } from '../../src/db/settle.ts';
import { takeDueWakes } from '../../src/db/worklists.ts';
import { createTestDatabase, insertMerchant, type TestDatabase } from '../support/database.ts';
import { minute } from '../domain/build.ts';
import { insertSession, receive, type StoredSession } from './build.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

const OK: PostOutcome = { kind: 'answered', status: 200, retryAfterMs: null, detail: 'thanks' };
const BAD: PostOutcome = { kind: 'answered', status: 503, retryAfterMs: null, detail: 'busy' };

/** A session that expired and was paid after all: two events, in this order, for every endpoint. */
async function twoEvents(): Promise<StoredSession> {
  const session = await insertSession(database, { covered: [-1, 31] });
  await settleTogether(database.pool, [session.id]);
  await receive(database, session, '10');
  await settleTogether(database.pool, [session.id]);
  return session;
}

async function onlyHead(sessionId: string): Promise<NextDelivery> {
  const [head, ...others] = await nextDeliveries(database.db, sessionId);
  if (!head || others.length > 0) throw new Error(`There is no single head.`);
  return head;
}

/** Sends the head as the worker does, with this outcome. */
async function attempt(
  head: NextDelivery,
  outcome: PostOutcome,
  next: AfterAttempt,
): Promise<number> {
  const started = await startAttempt(database.db, head, minute(40));
  if (!started) throw new Error('It is not to be sent.');
  await finishAttempt(database.db, head, {
    attempt: started.attempt,
    outcome,
    next,
    now: minute(41),
    durationMs: 12,
  });
  return started.attempt;
}

const stored = async (deliveryId: string) =>
  (
    await database.rows(
      `SELECT status, attempts, response_status, next_retry_at, delivered_at, jsonb_array_length(attempt_log) AS log
       FROM webhook_deliveries WHERE delivery_id = $1`,
      [deliveryId],
    )
  )[0];

const deadLetter = async (deliveryId: string) =>
  (
    await database.rows(
      `SELECT event, reason, jsonb_array_length(attempts) AS attempts, retried_at IS NOT NULL AS retried
       FROM webhook_dead_letters WHERE delivery_id = $1`,
      [deliveryId],
    )
  )[0];

describe('the line of an endpoint', () => {
  test('shows its first open delivery, with all that sending it needs', async () => {
    const session = await twoEvents();
    const head = await onlyHead(session.id);
    expect(head).toMatchObject({
      event: 'session.expired',
      sequence: 1,
      attempts: 0,
      endpointId: merchantEndpointId(session.merchantId),
      url: 'https://merchant.example/hook',
      secrets: ['a'.repeat(64)],
      disabled: false,
      firstAttemptAt: null,
      confirmedWaits: true,
      occurredAt: minute(30),
    });
    const [event] = await database.rows<{ body: string }>(
      'SELECT body FROM settlement.events WHERE id = $1',
      [head.eventId],
    );
    expect(head.body).toBe(event?.body);
  });

  test('goes on when its head was accepted, given up, or gave way; not when it failed', async () => {
    const retry = { kind: 'retry', at: minute(50) } as const;
    const accepted = await twoEvents();
    await attempt(await onlyHead(accepted.id), BAD, retry);
    expect(await onlyHead(accepted.id)).toMatchObject({
      event: 'session.expired',
      at: minute(50),
      attempts: 1,
      firstAttemptAt: minute(40),
    });
    await attempt(await onlyHead(accepted.id), OK, { kind: 'delivered' });
    expect(await onlyHead(accepted.id)).toMatchObject({
      event: 'payment.confirmed',
      confirmedWaits: false,
    });
    const gaveWay = await twoEvents();
    const head = await onlyHead(gaveWay.id);
    await giveUp(database.db, head, 'gave_way');
    expect((await onlyHead(gaveWay.id)).event).toBe('payment.confirmed');
    expect(await deadLetter(head.deliveryId)).toMatchObject({
      event: 'session.expired',
      reason: 'gave_way',
    });
  });

  test('is one for each endpoint: a failing one does not hold up another', async () => {
    const merchantId = await insertMerchant(database);
    const endpoint = randomUUID();
    await database.rows(
      `INSERT INTO webhook_endpoints (id, merchant_id, url, secret) VALUES ($1, $2, 'https://second.example', 'two')`,
      [endpoint, merchantId],
    );
    const session = await insertSession(database, { merchantId, covered: [-1, 31] });
    await settleTogether(database.pool, [session.id]);
    await receive(database, session, '10');
    await settleTogether(database.pool, [session.id]);
    const second = async () =>
      (await nextDeliveries(database.db, session.id)).find((d) => d.endpointId === endpoint);
    expect(await second()).toMatchObject({ url: 'https://second.example', secrets: ['two'] });
    await attempt((await second()) as NextDelivery, OK, { kind: 'delivered' });
    const heads = await nextDeliveries(database.db, session.id);
    expect(new Set(heads.map((d) => `${d.url} ${d.event}`))).toEqual(
      new Set([
        'https://merchant.example/hook session.expired',
        'https://second.example payment.confirmed',
      ]),
    );
    await database.rows('UPDATE webhook_endpoints SET is_active = false WHERE id = $1', [endpoint]);
    expect(await second()).toMatchObject({ disabled: true });
    await database.rows('DELETE FROM webhook_endpoints WHERE id = $1', [endpoint]);
    expect(await second()).toMatchObject({ url: null, secrets: [] });
  });

  test('has the old secret beside the new one while it rotates', async () => {
    const session = await twoEvents();
    const { endpointId, merchantId } = await onlyHead(session.id);
    await database.rows(
      `INSERT INTO settlement.endpoint_state (endpoint_id, merchant_id, previous_secret, previous_secret_until)
       VALUES ($1, $2, 'old', now() + interval '1 hour')`,
      [endpointId, merchantId],
    );
    expect((await onlyHead(session.id)).secrets).toEqual(['a'.repeat(64), 'old']);
    await database.rows('UPDATE settlement.endpoint_state SET previous_secret_until = now()');
    expect((await onlyHead(session.id)).secrets).toEqual(['a'.repeat(64)]);
  });

  test('rests with its endpoint: paused, and free again after a success', async () => {
    const session = await twoEvents();
    const head = await onlyHead(session.id);
    expect(await countFailure(database.db, head)).toBe(1);
    expect(await countFailure(database.db, head)).toBe(2);
    await pauseEndpoint(database.db, head, minute(60));
    expect((await onlyHead(session.id)).at).toEqual(minute(60));
    await finishAttempt(
      database.db,
      { ...head, deliveryId: randomUUID() },
      { attempt: 1, outcome: OK, next: { kind: 'delivered' }, now: minute(41), durationMs: 12 },
    );
    expect((await onlyHead(session.id)).at).toEqual(new Date(0));
    expect(await countFailure(database.db, head)).toBe(1);
  });

  test('is closed when its endpoint is disabled', async () => {
    const session = await twoEvents();
    const head = await onlyHead(session.id);
    await disableEndpoint(database.db, head, '4xx:410');
    await disableEndpoint(database.db, head, 'again');
    expect((await onlyHead(session.id)).disabled).toBe(true);
  });
});

describe('an attempt', () => {
  test('is written down before the POST and completed after it', async () => {
    const session = await twoEvents();
    const head = await onlyHead(session.id);
    expect(await startAttempt(database.db, head, minute(40))).toEqual({ attempt: 1, attempts: 1 });
    const attempts = () =>
      database.rows(
        `SELECT attempt, started_at, finished_at, outcome, response_status, detail, duration_ms
         FROM settlement.delivery_attempts WHERE delivery_id = $1 ORDER BY attempt`,
        [head.deliveryId],
      );
    expect(await attempts()).toMatchObject([{ attempt: 1, started_at: minute(40), outcome: null }]);
    await finishAttempt(database.db, head, {
      attempt: 1,
      outcome: OK,
      next: { kind: 'delivered' },
      now: minute(41),
      durationMs: 12,
    });
    expect(await attempts()).toEqual([
      {
        attempt: 1,
        started_at: minute(40),
        finished_at: minute(41),
        outcome: 'answered',
        response_status: 200,
        detail: 'thanks',
        duration_ms: 12,
      },
    ]);
    expect(await stored(head.deliveryId)).toEqual({
      status: 'delivered',
      attempts: 1,
      response_status: 200,
      next_retry_at: null,
      delivered_at: minute(41),
      log: 1,
    });
  });

  test('is begun by one of many activities that saw the same head', async () => {
    const session = await twoEvents();
    const head = await onlyHead(session.id);
    const started = await Promise.all(
      Array.from({ length: 8 }, () => startAttempt(database.db, head, minute(40))),
    );
    expect(started.filter((s) => s !== null)).toEqual([{ attempt: 1, attempts: 1 }]);
    await attempt(await onlyHead(session.id), OK, { kind: 'delivered' });
    const late = { ...head, attempts: 2 };
    expect(await startAttempt(database.db, late, minute(42))).toBeNull();
  });

  test('that ends after the delivery was accepted by another changes nothing of it', async () => {
    const session = await twoEvents();
    const head = await onlyHead(session.id);
    await startAttempt(database.db, head, minute(40)); // its worker hangs
    await attempt(await onlyHead(session.id), OK, { kind: 'delivered' });
    const before = await stored(head.deliveryId);
    await finishAttempt(database.db, head, {
      attempt: 1,
      outcome: BAD,
      next: { kind: 'dead', reason: 'max_attempts' },
      now: minute(45),
      durationMs: 1,
    });
    expect(await stored(head.deliveryId)).toEqual(before);
    expect(await deadLetter(head.deliveryId)).toBeUndefined();
  });

  test('that was the last makes a dead letter', async () => {
    const session = await twoEvents();
    const head = await onlyHead(session.id);
    await attempt(head, BAD, { kind: 'retry', at: minute(50) });
    await attempt(await onlyHead(session.id), BAD, { kind: 'dead', reason: 'max_attempts' });
    expect(await stored(head.deliveryId)).toMatchObject({ status: 'dead', next_retry_at: null });
    expect(await deadLetter(head.deliveryId)).toEqual({
      event: 'session.expired',
      reason: 'max_attempts',
      attempts: 2,
      retried: false,
    });
  });

  test('can be put off without being counted', async () => {
    const session = await twoEvents();
    const head = await onlyHead(session.id);
    await postpone(database.db, head, minute(70));
    expect(await onlyHead(session.id)).toMatchObject({ attempts: 0, at: minute(70) });
  });
});

describe('redelivery', () => {
  test('sends a dead letter again under its old id, its schedule from the start, its attempts numbered on', async () => {
    const session = await twoEvents();
    const head = await onlyHead(session.id);
    await attempt(head, BAD, { kind: 'dead', reason: 'max_attempts' });
    await database.rows('DELETE FROM settlement.active_sessions WHERE session_id = $1', [
      session.id,
    ]);
    await redeliver(database.db, session.id, head.deliveryId);
    const again = await onlyHead(session.id);
    expect(again).toMatchObject({
      deliveryId: head.deliveryId,
      eventId: head.eventId,
      body: head.body,
      attempts: 0,
      at: new Date(0),
      firstAttemptAt: null,
    });
    expect(await deadLetter(head.deliveryId)).toMatchObject({ retried: true });
    expect(await takeDueWakes(database.db, 1000)).toContainEqual(
      expect.objectContaining({ id: session.id }),
    );
    expect(await attempt(again, OK, { kind: 'delivered' })).toBe(2);
    expect(
      await database.rows(
        `SELECT detail->>'deliveryId' AS delivery FROM settlement.session_journal
         WHERE session_id = $1 AND cause = 'redelivery asked for'`,
        [session.id],
      ),
    ).toEqual([{ delivery: head.deliveryId }]);
  });

  test('sends again what was accepted, and makes due at once what waits', async () => {
    const session = await twoEvents();
    const head = await onlyHead(session.id);
    await attempt(head, OK, { kind: 'delivered' });
    await redeliver(database.db, session.id, head.deliveryId);
    expect((await onlyHead(session.id)).deliveryId).toBe(head.deliveryId);
    await postpone(database.db, await onlyHead(session.id), minute(99));
    expect((await onlyHead(session.id)).at).toEqual(minute(99));
    await redeliver(database.db, session.id, head.deliveryId);
    expect((await onlyHead(session.id)).at).toEqual(new Date(0));
  });

  test('is refused for what the session does not have', async () => {
    const session = await twoEvents();
    const other = await twoEvents();
    const { deliveryId } = await onlyHead(other.id);
    for (const id of [deliveryId, randomUUID()]) {
      await expect(redeliver(database.db, session.id, id)).rejects.toMatchObject({
        code: 'DeliveryNotFound',
        field: 'deliveryId',
      });
    }
    const journal = await database.rows(
      `SELECT FROM settlement.session_journal WHERE session_id = ANY($1) AND cause = 'redelivery asked for'`,
      [[session.id, other.id]],
    );
    expect(journal).toEqual([]);
  });
});
