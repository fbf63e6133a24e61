/** A person decides while an attempt is under way: the end of that attempt never undoes the decision. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { giveUp, postpone, redeliver, startAttempt } from '../../../src/db/attempts.ts';
import { nextDeliveries, type NextDelivery } from '../../../src/db/deliveries.ts';
import { merchantEndpointId } from '../../../src/db/ids.ts';
import {
  disableEndpointBy,
  endpoints,
  pauseEndpointBy,
  resumeEndpoint,
  UNTIL_RESUMED,
} from '../../../src/db/operator/endpoints.ts';
import { redeliverAll } from '../../../src/db/operator/redeliver.ts';
import type { Receiver } from '../../../src/sandbox/receiver.ts';
import type { TestDatabase } from '../../support/database.ts';
import { settleTogether } from '../../support/settle.ts';
import { insertSession, receive, type StoredSession } from '../build.ts';
import { ANN } from './journals.ts';
import { sending } from './sending.ts';

const { now, deliver } = sending();
let database: TestDatabase;
let receiver: Receiver;
let merchantId: string;
let endpointId: string;
let session: StoredSession;
beforeEach(async () => {
  ({ database, receiver, merchantId } = now());
  endpointId = merchantEndpointId(merchantId);
  session = await insertSession(database, { merchantId });
  await receive(database, session, '10');
  await settleTogether(database.pool, [session.id]);
});

const answering = (status: number) => receiver.answerWith(() => ({ status }));
const endpoint = async () => {
  const found = (await endpoints(database.db)).find((e) => e.endpointId === endpointId);
  if (!found) throw new Error('There is no endpoint.');
  return found;
};
const head = async (): Promise<NextDelivery> => {
  const [found] = await nextDeliveries(database.db, session.id);
  if (!found) throw new Error('Nothing is open.');
  return found;
};
const delivery = async () =>
  (
    await database.rows(
      `SELECT d.status, d.attempts, d.next_retry_at AS "nextRetryAt", l.reason AS "deadReason"
       FROM webhook_deliveries d LEFT JOIN webhook_dead_letters l
         ON l.delivery_id = d.delivery_id AND l.retried_at IS NULL
       WHERE d.session_id = $1`,
      [session.id],
    )
  )[0];
const recorded = () =>
  database.rows(
    `SELECT a.attempt, a.response_status AS "status", a.finished_at IS NOT NULL AS "isFinished"
     FROM settlement.delivery_attempts a JOIN webhook_deliveries d USING (delivery_id)
     WHERE d.session_id = $1 ORDER BY a.attempt`,
    [session.id],
  );
const dueAtOnce = { status: 'pending', attempts: 0, nextRetryAt: null, deadReason: null };

/** What an operator puts back in line. */
const open = () => ({
  statuses: ['pending', 'failed', 'dead'] as const,
  sessionId: session.id,
  deliveryId: null,
  merchantId: null,
  endpointId: null,
  since: null,
  until: null,
});

/** As if the schedule, or the endpoint, had failed so often before. */
const failedBefore = async ({ delivery = 0, inARow = 0 }) => {
  await database.rows('UPDATE webhook_deliveries SET attempts = $2 WHERE session_id = $1', [
    session.id,
    delivery,
  ]);
  await database.rows(
    `INSERT INTO settlement.endpoint_state (endpoint_id, merchant_id, consecutive_failures)
     VALUES ($1, $2, $3)`,
    [endpointId, merchantId, inARow],
  );
};

describe('an event that is asked for again', () => {
  const ways = [
    [
      'by its backend',
      async () => redeliver(database.db, session.id, (await onlyDelivery()).deliveryId),
    ],
    ['by an operator', async () => redeliverAll(database, open(), ANN)],
  ] as const;
  const onlyDelivery = async () =>
    (
      await database.rows<{ deliveryId: string }>(
        `SELECT delivery_id AS "deliveryId" FROM webhook_deliveries WHERE session_id = $1`,
        [session.id],
      )
    )[0] ?? { deliveryId: '' };

  test.each(
    ways.flatMap(([by, ask]) => [
      { by, ask, attempt: 'first', before: 0, status: 503 },
      { by, ask, attempt: 'ninth', before: 8, status: 503 },
      { by, ask, attempt: 'last', before: 9, status: 503 },
      { by, ask, attempt: 'first', before: 0, status: 410 },
      { by, ask, attempt: 'first', before: 0, status: 200 },
    ]),
  )(
    '$by, while its $attempt attempt is under way that is answered $status, is due at once',
    async ({ ask, before, status }) => {
      await failedBefore({ delivery: before });
      answering(status);
      await deliver(session, 0, ask);
      expect(await delivery()).toEqual(dueAtOnce);
      expect(await recorded()).toEqual([{ attempt: 1, status, isFinished: true }]);
    },
  );

  test('is not touched by the end of an attempt from before, though another has begun since', async () => {
    answering(503);
    await deliver(session, 0, async () => {
      const { deliveryId } = await head();
      await redeliver(database.db, session.id, deliveryId);
      await startAttempt(database.db, await head(), new Date());
    });
    expect(await delivery()).toMatchObject({ status: 'pending', attempts: 1, nextRetryAt: null });
  });

  test('is neither given up, nor postponed, nor sent by what was decided before', async () => {
    const seen = await head();
    await redeliver(database.db, session.id, seen.deliveryId);
    await giveUp(database.db, seen, 'gave_way');
    await postpone(database.db, seen, new Date());
    expect(await startAttempt(database.db, seen, new Date())).toBeNull();
    expect(await delivery()).toEqual(dueAtOnce);
  });
});

describe('an endpoint that a person', () => {
  test.each([503, 410])(
    'resumes stays active after the end (%d) of an attempt that began before',
    async (status) => {
      await failedBefore({ inARow: 12 });
      answering(status);
      await deliver(session, 0, () => resumeEndpoint(database.pool, endpointId, ANN));
      expect(await endpoint()).toMatchObject({ state: 'active', failures: 0, waiting: 1 });
      expect(await delivery()).toEqual(dueAtOnce);
    },
  );

  test.each([200, 410, 503])(
    'pauses stays paused, and neither less nor more, after an attempt that began before: %d',
    async (status) => {
      await failedBefore({ inARow: 12 });
      answering(status);
      await deliver(session, 0, () => pauseEndpointBy(database.pool, endpointId, null, ANN));
      expect(await endpoint()).toMatchObject({
        state: 'paused',
        failures: 0,
        pausedUntil: UNTIL_RESUMED.toISOString(),
        disabledReason: null,
      });
    },
  );

  test.each([200, 410, 503])(
    'disables stays disabled for his reason after an attempt that began before: %d',
    async (status) => {
      await failedBefore({ inARow: 12 });
      answering(status);
      await deliver(session, 0, () => disableEndpointBy(database.pool, endpointId, ANN));
      expect(await endpoint()).toMatchObject({
        state: 'disabled',
        failures: 12,
        disabledReason: `By ${ANN.actor}: ${ANN.reason}`,
      });
    },
  );

  test('resumes does not lose an event to a reader that saw it disabled', async () => {
    await disableEndpointBy(database.pool, endpointId, ANN);
    const seen = await head();
    expect(seen.disabled).toBe(true);
    await resumeEndpoint(database.pool, endpointId, ANN);
    await giveUp(database.db, seen, 'endpoint_disabled');
    expect(await delivery()).toEqual(dueAtOnce);
  });

  test('pauses gets no POST from a reader that saw it active', async () => {
    const seen = await head();
    await pauseEndpointBy(database.pool, endpointId, null, ANN);
    expect(await startAttempt(database.db, seen, new Date())).toBeNull();
    expect(await recorded()).toEqual([]);
  });

  test('has not decided about still rests after its tenth failure in a row, and is disabled by 410', async () => {
    await failedBefore({ inARow: 9 });
    answering(503);
    await deliver(session);
    expect(await endpoint()).toMatchObject({ state: 'paused', failures: 10 });
    await resumeEndpoint(database.pool, endpointId, ANN);
    answering(410);
    await deliver(session);
    expect(await endpoint()).toMatchObject({ state: 'disabled', failures: 1 });
  });
});

test('an attempt that hung, and was accepted after all, ends what a later one has begun', async () => {
  answering(200);
  await deliver(session, 0, async () => {
    await startAttempt(database.db, await head(), new Date());
  });
  expect(await delivery()).toMatchObject({ status: 'delivered', attempts: 2 });
});

test.each([503, 410])(
  'an attempt that hung, and failed in the end (%d), decides nothing while a later one is under way',
  async (status) => {
    answering(status);
    await deliver(session, 0, async () => {
      await startAttempt(database.db, await head(), new Date());
    });
    expect(await delivery()).toEqual({
      status: 'pending',
      attempts: 2,
      nextRetryAt: null,
      deadReason: null,
    });
    expect(await recorded()).toEqual([
      { attempt: 1, status, isFinished: true },
      { attempt: 2, status: null, isFinished: false },
    ]);
  },
);
