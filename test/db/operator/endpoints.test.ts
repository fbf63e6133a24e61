import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { countFailure, finishAttempt, pauseEndpoint } from '../../../src/db/attempts.ts';
import { merchantEndpointId } from '../../../src/db/ids.ts';
import {
  endpoints,
  pauseEndpointBy,
  resumeEndpoint,
  UNTIL_RESUMED,
} from '../../../src/db/operator/endpoints.ts';
import { type Receiver } from '../../../src/sandbox/receiver.ts';
import { type TestDatabase } from '../../support/database.ts';
import { type StoredSession } from '../build.ts';
import { ANN, decisionCount, decisions, letSleep, toWake } from './journals.ts';
import { sending } from './sending.ts';

const { now, deliver, twoEvents } = sending();
let database: TestDatabase;
let receiver: Receiver;
let merchantId: string;
let endpointId: string;
beforeEach(() => {
  ({ database, receiver, merchantId } = now());
  endpointId = merchantEndpointId(merchantId);
});

const arrived = () => receiver.received.map(({ event }) => event);
const ours = async () => (await endpoints(database.db)).find((e) => e.endpointId === endpointId);
const pause = (until: Date | null = null) => pauseEndpointBy(database.pool, endpointId, until, ANN);
const resume = () => resumeEndpoint(database.pool, endpointId, ANN);
const attempts = async ({ id }: StoredSession) =>
  database.rows(
    `SELECT event, attempts, status FROM webhook_deliveries WHERE session_id = $1 ORDER BY sequence`,
    [id],
  );

describe('an endpoint that an operator pauses', () => {
  test('gets nothing, counts no attempt, and has it all in order when it is resumed', async () => {
    const session = await twoEvents();
    expect(await pause()).toMatchObject({ state: 'paused', waiting: 2 });
    const seen = await deliver(session, 60 * 24 * 30);
    expect(seen).toMatchObject({ due: 0, atRest: false, nextLookAt: UNTIL_RESUMED.toISOString() });
    expect(arrived()).toEqual([]);
    expect(await attempts(session)).toEqual([
      { event: 'session.expired', attempts: 0, status: 'pending' },
      { event: 'payment.confirmed', attempts: 0, status: 'pending' },
    ]);
    await letSleep(database);
    expect(await resume()).toMatchObject({ state: 'active', pausedUntil: null });
    expect(await toWake(database)).toEqual(new Set([session.id]));
    await deliver(session);
    expect(arrived()).toEqual(['session.expired', 'payment.confirmed']);
    expect(await ours()).toMatchObject({ state: 'active', waiting: 0 });
  });

  test('until an instant, is served again after it by itself', async () => {
    const session = await twoEvents();
    const until = new Date(Date.now() + 60 * 60_000);
    expect(await pause(until)).toMatchObject({ pausedUntil: until.toISOString() });
    expect((await deliver(session, 59)).due).toBe(0);
    expect(arrived()).toEqual([]);
    await deliver(session, 61);
    expect(arrived()).toEqual(['session.expired', 'payment.confirmed']);
  });

  test('keeps an event that had failed before, though one waits behind it that it would give way to', async () => {
    const session = await twoEvents();
    receiver.answerWith(() => ({ status: 503 }));
    await deliver(session);
    await pause();
    await deliver(session, 60 * 24);
    expect(await attempts(session)).toMatchObject([
      { event: 'session.expired', status: 'failed' },
      { event: 'payment.confirmed', status: 'pending' },
    ]);
    receiver.answerWith(() => ({ status: 200 }));
    await resume();
    await deliver(session, 60 * 24);
    expect(arrived()).toEqual(['session.expired', 'session.expired', 'payment.confirmed']);
    expect(await attempts(session)).toEqual([
      { event: 'session.expired', attempts: 1, status: 'delivered' },
      { event: 'payment.confirmed', attempts: 1, status: 'delivered' },
    ]);
  });

  test('stays paused, though a POST that was in flight is accepted, or fails', async () => {
    const of = { endpointId, merchantId, decisions: 0 };
    for (let i = 0; i < 12; i += 1) await countFailure(database.db, of);
    await pause();
    await finishAttempt(
      database.db,
      { ...of, deliveryId: randomUUID(), attempts: 0, redeliveries: 0 },
      {
        attempt: 1,
        outcome: { kind: 'answered', status: 200, retryAfterMs: null, detail: '' },
        next: { kind: 'delivered' },
        now: new Date(),
        durationMs: 1,
      },
    );
    expect(await ours()).toMatchObject({ state: 'paused', failures: 0 });
    expect(await countFailure(database.db, of)).toBe(0);
    await pauseEndpoint(database.db, of, new Date(Date.now() + 60_000));
    expect(await ours()).toMatchObject({ pausedUntil: UNTIL_RESUMED.toISOString() });
  });

  test('leaves other endpoints alone', async () => {
    const other = randomUUID();
    await database.rows(
      `INSERT INTO webhook_endpoints (id, merchant_id, url, secret) VALUES ($1, $2, $3, 'two')`,
      [other, merchantId, `${receiver.url}/second`],
    );
    const session = await twoEvents();
    await pause();
    await deliver(session);
    expect(receiver.received.map(({ path }) => path)).toEqual(['/second', '/second']);
  });

  test('is written down, with what it was before', async () => {
    await countFailure(database.db, { endpointId, merchantId, decisions: 0 });
    const until = new Date(Date.now() + 60_000);
    await pause(until);
    await resume();
    const active = { state: 'active', failures: 1, pausedUntil: null, disabledReason: null };
    const paused = { ...active, state: 'paused', failures: 0, pausedUntil: until.toISOString() };
    expect(await decisions(database, `endpoint ${endpointId}`)).toEqual([
      {
        actor: 'ann',
        action: 'endpoint paused',
        reason: ANN.reason,
        detail: { until: until.toISOString(), before: active },
      },
      {
        actor: 'ann',
        action: 'endpoint resumed',
        reason: ANN.reason,
        detail: { waiting: 0, before: paused },
      },
    ]);
  });
});

test('an endpoint that was disabled by a 410 is served again when it is resumed', async () => {
  const first = await twoEvents();
  receiver.answerWith(() => ({ status: 410 }));
  await deliver(first);
  expect(await ours()).toMatchObject({ state: 'disabled', disabledReason: expect.any(String) });
  expect(arrived()).toEqual(['session.expired']);
  receiver.answerWith(() => ({ status: 200 }));
  await resume();
  const second = await twoEvents();
  await deliver(second);
  expect(arrived().slice(1)).toEqual(['session.expired', 'payment.confirmed']);
});

test('what had failed and waits for its next attempt is due at once when it is resumed', async () => {
  const session = await twoEvents();
  receiver.answerWith(() => ({ status: 500 }));
  for (const minutes of [0, 1]) await deliver(session, minutes);
  expect(await ours()).toMatchObject({ state: 'active', failures: 2, waiting: 2 });
  receiver.answerWith(() => ({ status: 200 }));
  await resume();
  await deliver(session);
  expect(arrived().slice(2)).toEqual(['session.expired', 'payment.confirmed']);
});

test('the list has each webhook_url and each endpoint, and says which the backend has switched off', async () => {
  const inactive = randomUUID();
  await database.rows(
    `INSERT INTO webhook_endpoints (id, merchant_id, url, secret, is_active) VALUES ($1, $2, 'https://off.example', 's', false)`,
    [inactive, merchantId],
  );
  await twoEvents();
  const found = (await endpoints(database.db)).filter((e) => e.merchantId === merchantId);
  expect(found).toEqual(
    expect.arrayContaining([
      expect.objectContaining({
        endpointId,
        url: `${receiver.url}/hook`,
        state: 'active',
        failures: 0,
        waiting: 2,
      }),
      expect.objectContaining({ endpointId: inactive, state: 'inactive', waiting: 0 }),
    ]),
  );
  expect(found).toHaveLength(2);
});

describe('is refused', () => {
  const refused = async (asked: Promise<unknown>, message: string) => {
    const before = await decisionCount(database);
    await expect(asked).rejects.toMatchObject({
      name: 'Refusal',
      message: expect.stringContaining(message),
    });
    expect(await decisionCount(database)).toBe(before);
  };

  test('an endpoint that does not exist', async () => {
    const nobody = randomUUID();
    const message = `There is no endpoint ${nobody}.`;
    await refused(pauseEndpointBy(database.pool, nobody, null, ANN), message);
    await refused(resumeEndpoint(database.pool, nobody, ANN), message);
  });

  test('a pause that is over already, and a resuming of what is well', async () => {
    await refused(pause(new Date(Date.now() - 1)), '--until must be an instant to come');
    await refused(pause(new Date(Number.NaN)), '--until must be an instant to come');
    await refused(resume(), 'is neither paused nor disabled');
  });
});
