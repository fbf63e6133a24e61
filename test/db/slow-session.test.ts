import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createSettleQueue } from '../../src/db/settle-queue.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { insertSession, receive } from './build.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

async function paidInInbox(): Promise<string> {
  const session = await insertSession(database);
  await receive(database, session, '10');
  return session.id;
}

test('a session above the time limit of a statement holds up nobody, and fails alone', async () => {
  const slow = await paidInInbox();
  await database.rows(`CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_sleep(6); RETURN NEW; END $$`);
  await database.rows(`CREATE TRIGGER slow BEFORE UPDATE ON checkout_sessions FOR EACH ROW
    WHEN (NEW.id = '${slow}') EXECUTE FUNCTION slow()`);
  const others = await Promise.all(Array.from({ length: 10 }, paidInInbox));
  const queue = createSettleQueue(database);
  const order: string[] = [];
  const settle = (id: string) =>
    queue.settle(id).then(
      (settled) => order.push(settled?.status ?? 'none'),
      () => order.push('failed'),
    );
  const first = settle(slow);
  await Promise.all(others.map(settle));
  // It is still being tried, beside the queue.
  expect(order).toEqual(others.map(() => 'paid'));
  await first;
  expect(order.at(-1)).toBe('failed');

  // It is known now: what is asked for together with it does not even share its commit.
  const later = await paidInInbox();
  const costs = new Set(order.splice(0));
  expect(costs).toEqual(new Set(['paid', 'failed']));
  const again = settle(slow);
  await settle(later);
  expect(order).toEqual(['paid']);
  await again;
  await database.rows('DROP TRIGGER slow ON checkout_sessions');
  await settle(slow);
  expect(order).toEqual(['paid', 'failed', 'paid']);
}, 60_000);

test('a database that is slow as a whole is not tried session by session', async () => {
  const many = await Promise.all(Array.from({ length: 30 }, paidInInbox));
  const stopper = await database.pool.connect();
  await stopper.query('BEGIN; LOCK TABLE settlement.events IN ACCESS EXCLUSIVE MODE');
  const started = performance.now();
  const results = createSettleQueue(database).settleAll(many);
  const first = await results;
  // 2.5 s together, three alone, and those once more, beside the queue: not thirty times a second.
  expect(performance.now() - started).toBeLessThan(60_000);
  expect([...first.values()].every((result) => result instanceof Error)).toBe(true);
  await stopper.query('ROLLBACK');
  stopper.release();
  const second = await createSettleQueue(database).settleAll(many);
  expect([...second.values()].every((r) => !(r instanceof Error) && r.status === 'paid')).toBe(
    true,
  );
}, 120_000);
