/** An event that another writer inserts without a delivery keeps nothing from being sent. */
import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { openAttention } from '../../src/db/operator/attention.ts';
import { eventId } from '../../src/db/ids.ts';
import { settleTogether } from '../support/settle.ts';
import type { EventType } from '../../src/domain/event.ts';
import { minute } from '../domain/build.ts';
import { insertSession, receive, type StoredSession } from './build.ts';
import { sending } from './operator/sending.ts';

const { now, deliver } = sending();
let session: StoredSession;
beforeEach(async () => {
  session = await insertSession(now().database, { merchantId: now().merchantId });
});

/** Writes an event into the outbox, and no delivery of it. */
async function insertEvent(type: EventType, fact: string, id = eventId(session.id, type, fact)) {
  const body = JSON.stringify({ event: type, data: {}, timestamp: minute(5), type, id });
  await now().database.rows(
    `INSERT INTO settlement.events (id, session_id, merchant_id, type, fact, body, occurred_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    [id, session.id, session.merchantId, type, fact, body, minute(5)],
  );
}

const settle = () => settleTogether(now().database.pool, [session.id]);
const received = () =>
  now().receiver.received.map(({ body }) => JSON.parse(body) as { type: string; id: string });
const asked = async () =>
  (await openAttention(now().database.db)).filter(({ subject }) => subject === session.id);

describe('an event inserted before its fact', () => {
  test.each([
    ['under the id of the true one', undefined],
    ['under an id of its own', randomUUID()],
  ])('%s: the true one is made and sent, and a person is asked', async (_, id) => {
    const trueId = eventId(session.id, 'payment.confirmed', 'paid');
    await insertEvent('payment.confirmed', 'paid', id ?? trueId);
    await receive(now().database, session, '10');
    await settle();
    await deliver(session);
    expect(received()).toMatchObject([{ type: 'payment.confirmed', id: trueId }]);
    expect(await asked()).toMatchObject([
      { kind: 'event_not_of_facts', detail: expect.stringContaining('payment.confirmed') },
    ]);
    // Once: the next settle finds it told.
    expect((await settle()).value.get(session.id)?.newEvents).toEqual([]);
    await deliver(session);
    expect(received()).toHaveLength(1);
  });

  test('of an exception: likewise', async () => {
    const { database, merchantId, receiver } = now();
    await database.rows(
      `INSERT INTO webhook_endpoints (merchant_id, url, events, secret, is_active)
       VALUES ($1, $2, '["payment.exception"]', repeat('a', 64), true)`,
      [merchantId, `${receiver.url}/exceptions`],
    );
    await receive(database, session, '10');
    await settle();
    const second = await receive(now().database, session, '3');
    const fact = `${second.txHash}:${second.opIndex}:${second.subIndex}:duplicate`;
    await insertEvent('payment.exception', fact);
    await settle();
    await deliver(session);
    expect(
      received()
        .map(({ type }) => type)
        .sort(),
    ).toEqual(['payment.confirmed', 'payment.exception']);
    const told = received().find(({ type }) => type === 'payment.exception');
    expect(told).toMatchObject({ data: { txHash: second.txHash, amount: '3.0000000' } });
  });

  test('of an ending: likewise', async () => {
    session = await insertSession(now().database, {
      merchantId: now().merchantId,
      covered: [-1, 31],
    });
    await insertEvent('session.expired', 'ended');
    await settle();
    await deliver(session);
    expect(received()).toMatchObject([{ type: 'session.expired' }]);
  });
});

test('an event of a merchant that had no endpoint when it was made is not sent to one that comes later', async () => {
  const { database, merchantId } = now();
  const { rows } = await database.pool.query<{ webhook_url: string }>(
    'UPDATE merchants m SET webhook_url = NULL FROM merchants old WHERE m.id = $1 AND old.id = m.id RETURNING old.webhook_url',
    [merchantId],
  );
  await receive(database, session, '10');
  await settle();
  await database.rows('UPDATE merchants SET webhook_url = $2 WHERE id = $1', [
    merchantId,
    rows[0]?.webhook_url,
  ]);
  await settle();
  await deliver(session);
  expect(received()).toEqual([]);
  expect(await asked()).toEqual([]);
});
