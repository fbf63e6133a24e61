/** P3: the audit finds every event, delivery and line that somebody tampered with, and nothing else. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { audit } from '../../src/db/audit.ts';
import { takeOver } from '../../src/db/take-over.ts';
import { insertMerchant } from '../support/database.ts';
import { settleTogether } from '../support/settle.ts';
import { goodDatabase, type Good } from './audited.ts';
import { insertPaymentRow, insertSession, receive } from './build.ts';

let good: Good;
beforeAll(async () => {
  good = await goodDatabase();
});
afterAll(() => good.close());

const ofPaid = `WHERE session_id = $1`;
const confirmed = `${ofPaid} AND type = 'payment.confirmed'`;
const deliveries = (set: string, and = '') =>
  `UPDATE webhook_deliveries SET ${set} ${ofPaid} ${and}`;

describe('one event for each fact, and none for what is not so', () => {
  test.each<[string, keyof Good['sessions'], string, string[]]>([
    [
      'an event is deleted',
      'paid',
      `DELETE FROM settlement.events ${confirmed}`,
      ['P3 event_missing session', 'P3 delivery_stray delivery'],
    ],
    [
      'the event of an ending is deleted',
      'expired',
      `DELETE FROM settlement.events ${ofPaid} AND type = 'session.expired'`,
      ['P3 event_missing session', 'P3 delivery_stray delivery'],
    ],
    [
      'one byte of an event is altered',
      'paid',
      `UPDATE settlement.events SET body = replace(body, '10.0000000', '10.0000001') ${confirmed}`,
      ['P3 event_bytes event'],
    ],
    [
      'an event has another id',
      'paid',
      `UPDATE settlement.events SET id = gen_random_uuid() ${confirmed}`,
      ['P3 event_bytes event', 'P3 delivery_stray delivery'],
    ],
    [
      'it was told twice that it is paid',
      'paid',
      `INSERT INTO settlement.events SELECT gen_random_uuid(), session_id, merchant_id, type, 'again', body,
         occurred_at FROM settlement.events ${confirmed}`,
      ['P3 event_bytes event', 'P3 event_doubled session', 'P3 delivery_missing event'],
    ],
    [
      'an older backend told it, too',
      'paid',
      `INSERT INTO webhook_deliveries (merchant_id, session_id, event, payload, delivery_id, status)
       SELECT merchant_id, session_id, event, payload, gen_random_uuid(), 'delivered' FROM webhook_deliveries ${ofPaid}`,
      ['P3 event_doubled session'],
    ],
    [
      'a short session was told to be paid',
      'partly',
      `INSERT INTO settlement.events SELECT gen_random_uuid(), id, merchant_id, 'payment.confirmed', 'paid', '{}',
         now() FROM checkout_sessions WHERE id = $1`,
      ['P3 event_false session', 'P3 event_bytes event'],
    ],
    [
      'an open session was told to be over',
      'partly',
      `INSERT INTO settlement.events SELECT gen_random_uuid(), id, merchant_id, 'session.expired', 'ended', '{}',
         now() FROM checkout_sessions WHERE id = $1`,
      ['P3 event_false session', 'P3 event_bytes event'],
    ],
  ])('%s', async (_, name, statement, broken) => {
    const found = await good.brokenBy(good.sessions[name], statement);
    expect(new Set(found)).toEqual(new Set(broken));
  });
});

describe('every delivery is of its event, and delivered, due or dead', () => {
  test.each<[string, keyof Good['sessions'], string[], string[]]>([
    [
      'names an unknown event',
      'paid',
      [deliveries('event_id = gen_random_uuid()')],
      ['P3 delivery_stray delivery'],
    ],
    [
      'claims to be another event',
      'paid',
      [deliveries(`event = 'session.expired'`)],
      ['P3 delivery_stray delivery'],
    ],
    [
      'is called accepted, and no attempt says so',
      'paid',
      [
        `DELETE FROM settlement.delivery_attempts
         WHERE delivery_id IN (SELECT delivery_id FROM webhook_deliveries ${ofPaid})`,
      ],
      ['P3 delivery_unproven delivery'],
    ],
    [
      'is called dead without a letter',
      'expired',
      [deliveries(`status = 'dead'`)],
      ['P3 delivery_unproven delivery'],
    ],
    [
      'is open, and its session at rest',
      'expired',
      [`DELETE FROM settlement.active_sessions ${ofPaid}`],
      ['P3 delivery_forgotten delivery'],
    ],
    [
      'leaves a gap',
      'honoured',
      [deliveries('sequence = 3', 'AND sequence = 2')],
      ['P3 sequence delivery'],
    ],
    [
      'has the number of another',
      'honoured',
      [deliveries('sequence = 1')],
      ['P3 sequence delivery'],
    ],
    ['has the number zero', 'expired', [deliveries('sequence = 0')], ['P3 sequence delivery']],
    [
      'is gone from the middle',
      'honoured',
      [`DELETE FROM webhook_deliveries ${ofPaid} AND sequence = 1`],
      ['P3 sequence delivery'],
    ],
  ])('one that %s', async (_, name, statements, broken) => {
    expect(await good.brokenBy(good.sessions[name], ...statements)).toEqual(broken);
  });
});

describe('a subscribed endpoint gets every event', () => {
  const [first, second, third] = [0, 1, 2];
  const without = (...turns: number[]) =>
    turns.map(
      (turn) => `DELETE FROM webhook_deliveries WHERE session_id = '${good.inTurn[turn]?.id}'`,
    );
  const missed = async (...statements: string[]) => {
    const [session] = good.inTurn;
    if (!session) throw new Error('There is none.');
    return good.brokenBy(session, ...statements);
  };

  test.each<[string, number[], number]>([
    ['the one between two that it got', [second], 1],
    ['the last one', [third], 1],
    // It may have been registered or switched on later: the data does not say.
    ['the first ones, which may be from before it was there', [first], 0],
    ['several in a row, as when it was switched off', [second, third], 0],
  ])('but for %s', async (_, turns, findings) => {
    expect(await missed(...without(...turns))).toEqual(
      Array.from({ length: findings }, () => 'P3 delivery_missing event'),
    );
  });

  test('unless it asks for other events, is switched off, or came later', async () => {
    const merchant = good.inTurn[0]?.merchantId ?? '';
    const [lost = ''] = without(second);
    expect(
      await missed(lost, `UPDATE merchants SET webhook_url = NULL WHERE id = '${merchant}'`),
    ).toEqual([]);
    const endpoint = (events: string, isActive: boolean) =>
      `INSERT INTO webhook_endpoints (merchant_id, url, events, secret, is_active)
       VALUES ('${merchant}', 'https://other.example', '${events}', 'secret', ${isActive})`;
    expect(await missed(endpoint('[]', true))).toEqual([]);
    expect(await missed(endpoint('["payment.confirmed"]', false))).toEqual([]);
  });

  test('also when one commit made events for several sessions, and one of them lacks its delivery', async () => {
    const database = await good.copy();
    const merchantId = await insertMerchant(database);
    const together = [];
    for (let i = 0; i < 2; i += 1) {
      const session = await insertSession(database, { merchantId });
      await receive(database, session, '10');
      together.push(session.id);
    }
    await settleTogether(database.pool, together);
    await database.rows('DELETE FROM webhook_deliveries WHERE session_id = $1', [together[0]]);
    expect((await audit(database.db)).findings).toMatchObject([{ check: 'delivery_missing' }]);
  });
});

test('what was taken over from an older backend keeps its numbers, and what follows goes on from there', async () => {
  const database = await good.copy();
  const merchantId = await insertMerchant(database);
  await database.rows(
    `INSERT INTO webhook_endpoints (merchant_id, url, events, secret)
     VALUES ($1, 'https://other.example', '["payment.confirmed", "payment.exception"]', 'secret')`,
    [merchantId],
  );
  const payAnother = async () => {
    const { id, ...at } = await insertSession(database, { merchantId });
    await receive(database, at, '10');
    await settleTogether(database.pool, [id]);
  };
  await payAnother();
  const session = await insertSession(database, {
    merchantId,
    covered: [-1, 31],
    status: 'paid',
  });
  await insertPaymentRow(database, session, await receive(database, session, '10'));
  const old = randomUUID();
  await database.rows(
    `INSERT INTO webhook_deliveries (merchant_id, session_id, event, payload, delivery_id, sequence)
     VALUES ($1, $2, 'payment.confirmed', '{}', $3, 41)`,
    [session.merchantId, session.id, old],
  );
  await settleTogether(database.pool, [session.id]);
  expect(await takeOver(database.pool, [old])).toEqual(new Map());
  // The second payment is an exception. Of the event that was taken over the endpoint has nothing: nobody promised it.
  await receive(database, session, '10');
  await settleTogether(database.pool, [session.id]);
  await payAnother();
  expect((await audit(database.db)).findings).toEqual([]);
  await database.rows(
    `UPDATE webhook_deliveries SET sequence = 41 WHERE session_id = $1 AND event = 'payment.exception'`,
    [session.id],
  );
  expect((await audit(database.db)).findings).toMatchObject([
    { promise: 'P3', check: 'sequence', problem: expect.stringContaining('no number 40') },
  ]);
});
