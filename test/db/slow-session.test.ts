import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Client } from 'pg';
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
});

test('in a database that is slow as a whole, three are tried alone, and the rest fails at once', async () => {
  const many = await Promise.all(Array.from({ length: 30 }, paidInInbox));
  const stopper = new Client({ connectionString: database.url });
  await stopper.connect();
  await stopper.query('BEGIN; LOCK TABLE settlement.events IN ACCESS EXCLUSIVE MODE');
  const queue = createSettleQueue(database);
  const failedFirst = Promise.withResolvers<void>();
  let failed = 0;
  const results = many.map(async (id) => {
    const result = (await queue.settleAll([id])).get(id);
    if (result instanceof Error) failed += 1;
    if (failed === 27) failedFirst.resolve();
    return result;
  });
  await failedFirst.promise;
  await stopper.end();
  const settled = (await Promise.all(results)).flatMap((result) =>
    result === undefined || result instanceof Error ? [] : [result.status],
  );
  expect(settled).toEqual(['paid', 'paid', 'paid']);
});
