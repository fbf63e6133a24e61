/** Webhooks of an older backend whose session is not paid when they are found: they are told when it is. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { resolveAttention } from '../../src/db/operator/attention.ts';
import { takeOver } from '../../src/db/take-over.ts';
import { ANN } from '../db/operator/journals.ts';
import { startReconciling, type Inserted, type Reconciling } from './reconciling.ts';

let it: Reconciling;
beforeEach(async () => {
  it = await startReconciling();
});
afterEach(() => it.close());

async function leave({ id }: Inserted): Promise<string> {
  const deliveryId = randomUUID();
  await it.database.rows(
    `INSERT INTO webhook_deliveries (merchant_id, session_id, event, payload, delivery_id, sequence)
     SELECT merchant_id, id, 'payment.confirmed', '{}', $2, 1 FROM checkout_sessions WHERE id = $1`,
    [id, deliveryId],
  );
  return deliveryId;
}

/** Every webhook of payment.confirmed, and of what event of ours it is. */
const told = () =>
  it.database.rows(
    `SELECT d.delivery_id AS id, d.status, e.type AS of FROM webhook_deliveries d
     LEFT JOIN settlement.events e ON e.id = d.event_id WHERE d.event = 'payment.confirmed'`,
  );
const asked = () =>
  it.database.rows('SELECT kind FROM settlement.attention WHERE resolved_at IS NULL ORDER BY kind');

test('of an open session: a person is asked, and it is sent all the same once the session is paid', async () => {
  const session = await it.insert({ openedMinutesAgo: 5 });
  const id = await leave(session);
  await it.catchUp();
  await it.reconcile();
  expect(await told()).toEqual([{ id, status: 'pending', of: null }]);
  expect(await asked()).toEqual([{ kind: 'foreign_delivery' }]);
  await it.pay(session);
  await it.catchUp();
  expect((await it.reconcile()).foreign_delivery).toMatchObject({ found: 1, repaired: 1 });
  expect(await told()).toEqual([{ id, status: 'pending', of: 'payment.confirmed' }]);
  expect(await asked()).toEqual([]);
  expect(await it.audited()).toEqual([]);
});

test('of an open session, that a person has answered: nobody is asked again by a run that found it before', async () => {
  const session = await it.insert({ openedMinutesAgo: 5 });
  const id = await leave(session);
  await it.catchUp();
  await it.reconcile();
  expect(await asked()).toEqual([{ kind: 'foreign_delivery' }]);
  const which = { subject: session.id, kind: 'foreign_delivery' };
  await resolveAttention(it.database.pool, which, ANN);
  const problems = await takeOver(it.database.pool, [id]);
  expect(problems.get(id)).toContain('not paid');
  expect(await asked()).toEqual([]);
});

test('of a paid session over which somebody has just written: it waits for settle, and nobody is asked', async () => {
  const session = await it.insert();
  const id = await leave(session);
  await it.pay(session);
  await it.catchUp();
  await it.database.rows(`UPDATE checkout_sessions SET status = 'expired'`);
  const problems = await takeOver(it.database.pool, [id]);
  expect(problems.get(id)).toContain('not settled yet');
  expect(await asked()).toEqual([]);
  await it.reconcile();
  expect(await told()).toEqual([{ id, status: 'pending', of: 'payment.confirmed' }]);
  expect(await it.audited()).toEqual([]);
});

test('of a session that is paid without a row while Horizon is away: sent when Horizon shows its payment', async () => {
  const session = await it.insert({ status: 'paid' });
  const id = await leave(session);
  await it.pay(session);
  const fault = it.ledger.faults.set({ kind: 'server_error' });
  await it.reconcile();
  expect(await told()).toEqual([{ id, status: 'pending', of: null }]);
  it.ledger.faults.clear(fault);
  await it.reconcile();
  expect(await told()).toEqual([{ id, status: 'pending', of: 'payment.confirmed' }]);
  expect(await asked()).toEqual([]);
});

test('that the older backend has delivered already is told: its second one is given up, and no event is made', async () => {
  const session = await it.insert();
  const [first, second] = [await leave(session), await leave(session)];
  await it.database.rows(
    `UPDATE webhook_deliveries SET status = 'delivered' WHERE delivery_id = $1`,
    [first],
  );
  await it.pay(session);
  await it.catchUp();
  await it.reconcile();
  expect(await told()).toEqual(
    expect.arrayContaining([
      { id: first, status: 'delivered', of: null },
      { id: second, status: 'dead', of: null },
    ]),
  );
  expect(await it.database.rows('SELECT type FROM settlement.events')).toEqual([]);
  expect(await it.audited()).toEqual([]);
});
