import { randomUUID } from 'node:crypto';
import { beforeEach, expect, test } from '@jest/globals';
import { merchantEndpointId } from '../../../src/db/ids.ts';
import { disableEndpointBy, resumeEndpoint } from '../../../src/db/operator/endpoints.ts';
import { redeliverAll } from '../../../src/db/operator/redeliver.ts';
import {
  deliveries,
  showDelivery,
  type WhichDeliveries,
} from '../../../src/db/operator/webhooks.ts';
import { type Receiver } from '../../../src/sandbox/receiver.ts';
import { type TestDatabase } from '../../support/database.ts';
import { type StoredSession } from '../build.ts';
import { ANN, decisions, decisionsAt, letSleep, toWake } from './journals.ts';
import { sending } from './sending.ts';

const { now, deliver, twoEvents } = sending();
let database: TestDatabase;
let receiver: Receiver;
let merchantId: string;
beforeEach(() => {
  ({ database, receiver, merchantId } = now());
});

/** Sessions whose events were given up while their endpoint was disabled, and which is served again. */
async function givenUp(count: number): Promise<StoredSession[]> {
  const endpointId = merchantEndpointId(merchantId);
  const sessions = [];
  for (let i = 0; i < count; i += 1) sessions.push(await twoEvents());
  await disableEndpointBy(database.pool, endpointId, ANN);
  for (const session of sessions) await deliver(session);
  await resumeEndpoint(database.pool, endpointId, ANN);
  await letSleep(database);
  return sessions;
}

const which = (fields: Partial<WhichDeliveries> = {}): WhichDeliveries => ({
  statuses: ['failed', 'dead'],
  deliveryId: null,
  merchantId,
  endpointId: null,
  sessionId: null,
  since: null,
  until: null,
  ...fields,
});
const again = (fields: Partial<WhichDeliveries> = {}) => redeliverAll(database, which(fields), ANN);
const list = (fields: Partial<WhichDeliveries> = {}) => deliveries(database.db, which(fields), 50);
const all = { statuses: ['pending', 'failed', 'delivered', 'dead'] } as const;

test('all that was given up of a merchant is sent again: in order, under the old ids, each once', async () => {
  const sessions = await givenUp(3);
  const before = await list();
  expect(before.map(({ status, reason }) => [status, reason])).toEqual(
    before.map(() => ['dead', 'endpoint_disabled']),
  );
  const pages: number[] = [];
  const done = await redeliverAll(database, which(), ANN, {
    onPage: ({ putBack }) => pages.push(putBack),
  });
  expect(done).toEqual({
    matching: 6,
    putBack: 6,
    sessions: 3,
    endpointDisabled: 0,
    notOurs: 0,
  });
  expect(pages).toEqual([6]);
  expect(await toWake(database)).toEqual(new Set(sessions.map(({ id }) => id)));
  for (const session of sessions) await deliver(session);
  for (const { id } of sessions) {
    const arrived = receiver.received.filter(({ sessionId }) => sessionId === id);
    expect(arrived.map(({ event }) => event)).toEqual(['session.expired', 'payment.confirmed']);
  }
  expect(new Set(receiver.received.map((post) => post.deliveryId))).toEqual(
    new Set(before.map(({ deliveryId }) => deliveryId)),
  );
  expect(await list(all)).toEqual(
    before.map(() => expect.objectContaining({ status: 'delivered' })),
  );
  expect(await again()).toMatchObject({ matching: 0, putBack: 0 });
});

test('it is written down: as a decision, and at each session', async () => {
  const [session] = await givenUp(1);
  await again();
  const journal = (await decisions(database, 'webhooks')).at(-1);
  expect(journal).toMatchObject({
    actor: 'ann',
    reason: ANN.reason,
    action: 'webhooks sent again',
  });
  expect(journal?.detail['deliveries']).toHaveLength(2);
  expect(await decisionsAt(database, session?.id ?? '')).toMatchObject([
    { cause: 'redelivery asked for', actor: 'ann' },
  ]);
  const letters = await database.rows(
    'SELECT retried_at IS NOT NULL AS retried FROM webhook_dead_letters WHERE session_id = $1',
    [session?.id],
  );
  expect(letters).toEqual([{ retried: true }, { retried: true }]);
});

test('only what was asked for: of one session, of a time, of a kind', async () => {
  const [first, second] = await givenUp(2);
  const hour = 3_600_000;
  expect(await again({ until: new Date(Date.now() - hour) })).toMatchObject({ matching: 0 });
  expect(await again({ since: new Date(Date.now() + hour) })).toMatchObject({ matching: 0 });
  expect(await again({ statuses: ['delivered'] })).toMatchObject({ matching: 0 });
  expect(await again({ endpointId: randomUUID() })).toMatchObject({ matching: 0 });
  expect(await again({ merchantId: randomUUID() })).toMatchObject({ matching: 0 });
  const recent = { since: new Date(Date.now() - hour), until: new Date(Date.now() + hour) };
  expect(await again({ ...recent, sessionId: first?.id ?? '' })).toMatchObject({ putBack: 2 });
  expect(await toWake(database)).toEqual(new Set([first?.id]));
  expect(await list({ statuses: ['dead'] })).toMatchObject(
    Array.from({ length: 2 }, () => ({ sessionId: second?.id })),
  );
});

test('one that was delivered is sent once more when it is named', async () => {
  const session = await twoEvents();
  await deliver(session);
  const [delivered] = await list(all);
  const { deliveryId = '', event } = delivered ?? {};
  expect(await again({ ...all, deliveryId, merchantId: null })).toMatchObject({ putBack: 1 });
  await deliver(session);
  const repeated = receiver.received.filter((post) => post.deliveryId === deliveryId);
  expect(repeated.map((post) => post.event)).toEqual([event, event]);
  expect(repeated[0]?.body).toBe(repeated[1]?.body);
  const shown = await showDelivery(database.db, deliveryId);
  expect(shown).toMatchObject({
    body: repeated[0]?.body,
    status: 'delivered',
    tries: [
      { attempt: 1, status: 200 },
      { attempt: 2, status: 200 },
    ],
  });
});

test('what would become a dead letter again at once, and what is not ours, is left and counted', async () => {
  await givenUp(1);
  await disableEndpointBy(database.pool, merchantEndpointId(merchantId), ANN);
  await database.rows(
    `INSERT INTO webhook_deliveries (merchant_id, event, payload, delivery_id, status)
     VALUES ($1, 'payment.confirmed', '{}', $2, 'failed')`,
    [merchantId, randomUUID()],
  );
  expect(await again()).toEqual({
    matching: 3,
    putBack: 0,
    sessions: 0,
    endpointDisabled: 2,
    notOurs: 1,
  });
  expect(await toWake(database)).toEqual(new Set());
});

test('what goes to an endpoint that is gone is left, though its merchant has a webhook_url', async () => {
  const endpointId = randomUUID();
  await database.rows(
    `INSERT INTO webhook_endpoints (id, merchant_id, url, secret) VALUES ($1, $2, $3, 'two')`,
    [endpointId, merchantId, `${receiver.url}/second`],
  );
  const session = await twoEvents();
  await database.rows('DELETE FROM webhook_endpoints WHERE id = $1', [endpointId]);
  await deliver(session);
  expect((await list()).map(({ reason }) => reason)).toEqual([
    'endpoint_removed',
    'endpoint_removed',
  ]);
  expect(await again()).toMatchObject({ matching: 2, putBack: 0, endpointDisabled: 2 });
});

test('what is given up a second time is a dead letter again, that nobody has sent again', async () => {
  const [session] = await givenUp(1);
  await again();
  const letters = () =>
    database.rows(
      'SELECT count(*)::int AS n FROM webhook_dead_letters WHERE session_id = $1 AND retried_at IS NULL',
      [session?.id],
    );
  expect(await letters()).toEqual([{ n: 0 }]);
  receiver.answerWith(() => ({ status: 410 }));
  if (session) await deliver(session);
  expect(await letters()).toEqual([{ n: 2 }]);
});

test('a dry run counts, and changes nothing', async () => {
  await givenUp(1);
  const before = await list(all);
  expect(await redeliverAll(database, which(), ANN, { dryRun: true })).toMatchObject({
    matching: 2,
    putBack: 0,
  });
  expect(await list(all)).toEqual(before);
});

test('a delivery that does not exist cannot be shown', async () => {
  await expect(showDelivery(database.db, randomUUID())).rejects.toThrow('There is no delivery');
});
