/** What the outbox holds is not believed: an event is signed when the ledger and the session make it, and only then. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { connect, type Database } from '../../src/db/connection.ts';
import { eventId, merchantEndpointId } from '../../src/db/ids.ts';
import { settleTogether } from '../../src/db/settle.ts';
import { insertMerchant } from '../support/database.ts';
import { cover, insertPaymentRow, insertSession, receive, type StoredSession } from './build.ts';
import { minute } from '../domain/build.ts';
import { sending } from './operator/sending.ts';

const { now, deliver, twoEvents } = sending();
let thief: Database;
let session: StoredSession;
beforeEach(async () => {
  thief = connect(now().database.appUrl, { max: 2 });
  session = await insertSession(now().database, { merchantId: now().merchantId });
});
afterEach(() => thief.close());

type Forged = {
  id: string;
  type: string;
  fact: string;
  data: Record<string, unknown>;
  at: Date;
  event: string;
  merchantId: string;
};

/** Writes an event and its delivery with nothing but the app role's rights. */
async function forge(fields: Partial<Forged> = {}): Promise<string> {
  const {
    type = 'payment.confirmed',
    fact = 'paid',
    id = eventId(session.id, 'payment.confirmed', 'paid'),
  } = fields;
  const at = fields.at ?? minute(5);
  const data = fields.data ?? {
    sessionId: session.id,
    txHash: 'f'.repeat(64),
    amount: '10.0000000',
    asset: 'USDC',
    sender: 'G',
    price: '10.0000000',
    overpaid: '0.0000000',
  };
  const body = JSON.stringify({ event: type, data, timestamp: at.toISOString(), type, id });
  const merchantId = fields.merchantId ?? session.merchantId;
  await thief.pool.query(
    `INSERT INTO settlement.events (id, session_id, merchant_id, type, fact, body, occurred_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`,
    [id, session.id, session.merchantId, type, fact, body, at],
  );
  const deliveryId = randomUUID();
  await thief.pool.query(
    `INSERT INTO webhook_deliveries (merchant_id, session_id, event, payload, delivery_id, sequence, event_id, endpoint_id)
     VALUES ($1, $2, $3, '{}', $4, 1, $5, $6)`,
    [merchantId, session.id, fields.event ?? type, deliveryId, id, merchantEndpointId(merchantId)],
  );
  return deliveryId;
}

const received = () => now().receiver.received.map(({ body }) => JSON.parse(body));
const attention = async () =>
  (
    await now().database.rows<{ kind: string }>(
      `SELECT kind FROM settlement.attention WHERE subject = $1 AND resolved_at IS NULL`,
      [session.id],
    )
  ).map(({ kind }) => kind);
const status = async (deliveryId: string) =>
  (
    await now().database.rows(
      `SELECT d.status, l.reason FROM webhook_deliveries d LEFT JOIN webhook_dead_letters l USING (delivery_id)
       WHERE d.delivery_id = $1`,
      [deliveryId],
    )
  )[0];
const pay = async () => {
  const payment = await receive(now().database, session, '10');
  await settleTogether(thief.pool, [session.id]);
  return payment;
};

describe('a payment.confirmed that somebody wrote into the outbox', () => {
  test.each([
    ['under the id of the true one', false],
    ['under an id of its own', true],
  ])(
    '%s: is not signed; a person is asked; the true one is sent when it becomes true',
    async (_, ownId) => {
      const deliveryId = await forge(ownId ? { id: randomUUID() } : {});
      await deliver(session);
      expect(received()).toEqual([]);
      expect(await status(deliveryId)).toEqual({ status: 'dead', reason: 'not_of_facts' });
      expect(await attention()).toEqual(['event_not_of_facts']);
      const { txHash } = await pay();
      await deliver(session);
      expect(received()).toMatchObject([
        {
          type: 'payment.confirmed',
          id: eventId(session.id, 'payment.confirmed', 'paid'),
          data: { txHash, amount: '10.0000000' },
        },
      ]);
      const [post] = now().receiver.received;
      expect(post?.headers['webhook-id']).toBe(eventId(session.id, 'payment.confirmed', 'paid'));
      expect(post?.headers['x-orbitstream-timestamp']).toBe(minute(5).toISOString());
      expect(await status(deliveryId)).toMatchObject({ status: 'delivered' });
    },
  );

  test('with a session row that says paid, and a payments row: is not signed without money on the ledger', async () => {
    await thief.pool.query(
      `INSERT INTO payments (id, session_id, merchant_id, tx_hash, amount, asset_code, sender_address, confirmed_at, settled_at)
       VALUES ($1, $2, $3, $4, 10, 'USDC', 'G', $5, now())`,
      [randomUUID(), session.id, session.merchantId, 'f'.repeat(64), minute(5)],
    );
    await thief.pool.query(`UPDATE checkout_sessions SET status = 'paid' WHERE id = $1`, [
      session.id,
    ]);
    // Settle makes the event of such a row, as for an older backend's.
    await settleTogether(thief.pool, [session.id]);
    await deliver(session);
    expect(received()).toEqual([]);
    expect(await attention()).toContain('event_not_of_facts');
    // Nor with a stroop of it.
    await receive(now().database, session, '0.0000001', { txHash: 'f'.repeat(64) });
    await settleTogether(thief.pool, [session.id]);
    await deliver(session);
    expect(received()).toEqual([]);
  });

  test.each([
    ['an amount', { amount: '1000.0000000' }],
    ['a sender', { sender: 'GB' }],
    ['a further key', { free: true }],
  ])('that differs in %s from the true one: the true one is sent', async (_, changed) => {
    const { txHash, sender } = await receive(now().database, session, '10');
    const data = {
      sessionId: session.id,
      txHash,
      amount: '10.0000000',
      asset: 'USDC',
      sender,
      price: '10.0000000',
      overpaid: '0.0000000',
      ...changed,
    };
    await forge({ data });
    await settleTogether(thief.pool, [session.id]);
    await deliver(session);
    expect(received()).toMatchObject([{ data: { amount: '10.0000000', sender } }]);
    expect(received()[0].data).not.toHaveProperty('free');
  });
});

test.each([
  ['session.expired', 'ended'],
  ['session.cancelled', 'ended'],
  ['payment.confirmed', 'paid twice'],
  ['payment.exception', `${'f'.repeat(64)}:0:0:late`],
  ['payment.exception', 'together:late:21'],
  ['payment.refunded', 'refunded'],
])('a forged %s (%s) is not signed', async (type, fact) => {
  const deliveryId = await forge({
    type,
    fact,
    id: randomUUID(),
    data: { txHash: 'f'.repeat(64), operationIndex: 0 },
  });
  await deliver(session);
  expect(received()).toEqual([]);
  expect(await status(deliveryId)).toEqual({ status: 'dead', reason: 'not_of_facts' });
});

test('an exception of a reason that does not hold is not signed', async () => {
  const { txHash, opIndex, subIndex } = await pay();
  await deliver(session);
  const fact = `${txHash}:${opIndex}:${subIndex}:late`;
  await forge({
    type: 'payment.exception',
    fact,
    id: eventId(session.id, 'payment.exception', fact),
  });
  await deliver(session);
  expect(received()).toMatchObject([{ type: 'payment.confirmed' }]);
  expect(await attention()).toEqual(['event_not_of_facts']);
});

test("a true event is not sent to another merchant's endpoint, nor under another name", async () => {
  await pay();
  const other = await insertMerchant(now().database, { webhookUrl: `${now().receiver.url}/other` });
  await forge({ merchantId: other });
  await deliver(session);
  expect(now().receiver.received).toHaveLength(1);
  expect(received()).toMatchObject([{ type: 'payment.confirmed' }]);
  await thief.pool.query(
    `UPDATE webhook_deliveries SET event = 'session.expired', status = 'pending', attempts = 0
     WHERE session_id = $1 AND merchant_id = $2`,
    [session.id, session.merchantId],
  );
  await deliver(session);
  expect(now().receiver.received[1]?.headers['x-orbitstream-event']).toBe('payment.confirmed');
});

describe('events that this system made', () => {
  test('an ending and the payment after it are sent as they are stored, also when asked for again', async () => {
    session = await twoEvents();
    await deliver(session);
    await now().database.rows(
      `UPDATE checkout_sessions SET metadata = '{"edited":true}' WHERE id = $1`,
      [session.id],
    );
    await now().database.rows(
      `UPDATE webhook_deliveries SET status = 'pending', attempts = 0, redeliveries = 1 WHERE session_id = $1`,
      [session.id],
    );
    await deliver(session);
    const stored = await now().database.rows<{ body: string }>(
      `SELECT e.body FROM settlement.events e JOIN webhook_deliveries d ON d.event_id = e.id
       WHERE e.session_id = $1 ORDER BY d.sequence`,
      [session.id],
    );
    const bodies = stored.map(({ body }) => body);
    expect(now().receiver.received.map(({ body }) => body)).toEqual([...bodies, ...bodies]);
    expect(await attention()).not.toContain('event_not_of_facts');
  });

  test('every kind of exception is sent as it is stored', async () => {
    const { database, merchantId } = now();
    await database.rows(
      `INSERT INTO webhook_endpoints (merchant_id, url, events, secret) VALUES ($1, $2, '["payment.exception"]', $3)`,
      [merchantId, `${now().receiver.url}/all`, 'a'.repeat(64)],
    );
    await receive(database, session, '4', { closedAt: minute(2) });
    await receive(database, session, '7', { closedAt: minute(3) });
    await receive(database, session, '1', { closedAt: minute(5) });
    await receive(database, session, '0', { closedAt: minute(5) });
    await receive(database, session, '1', {
      closedAt: minute(5),
      asset: { code: 'XLM', issuer: null },
    });
    await receive(database, session, '1', { closedAt: minute(31) });
    await cover(database, session.account, -1, 32);
    const short = await insertSession(database, { merchantId, covered: [-1, 32] });
    await receive(database, short, '3', { closedAt: minute(4) });
    await settleTogether(database.pool, [session.id, short.id]);
    for (const one of [session, short]) await deliver(one);
    const stored = await database.rows<{ body: string }>(
      'SELECT body FROM settlement.events WHERE session_id = ANY ($1)',
      [[session.id, short.id]],
    );
    const told = new Set(now().receiver.received.map(({ body }) => body));
    expect(told).toEqual(new Set(stored.map(({ body }) => body)));
    const reasons = received()
      .map(({ data }) => data.reason)
      .filter((reason) => reason !== undefined);
    expect(new Set(reasons)).toEqual(
      new Set(['overpaid', 'duplicate', 'nothing', 'wrong_asset', 'late', 'underpaid']),
    );
  });

  test('of a row that an older backend wrote, the row is enough: its money may be older than what is read', async () => {
    const { database } = now();
    const payment = { txHash: 'e'.repeat(64), sender: 'G', closedAt: minute(1) };
    const id = await insertPaymentRow(database, session, payment);
    await database.rows(`UPDATE payments SET created_at = '2020-01-01' WHERE id = $1`, [id]);
    await settleTogether(database.pool, [session.id]);
    await deliver(session);
    expect(received()).toMatchObject([{ data: { txHash: payment.txHash } }]);
  });
});
