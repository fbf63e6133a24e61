/** A session with very many payments is settled in portions, and nobody waits for more than one of them. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { PAYMENTS_AT_ONCE } from '../../src/db/many-payments.ts';
import { createSettleQueue } from '../../src/db/settle-queue.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { insertSession, receive } from './build.ts';
import { dust } from './dust.ts';
import { blocked } from './elsewhere.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

const PORTIONS = 4;

test('each portion of a large session has a commit of its own, beside those of other sessions', async () => {
  const large = await Promise.all(Array.from({ length: 3 }, () => insertSession(database)));
  const ids = large.map(({ id }) => id);
  const rain = async (from: number) => {
    for (const session of large) {
      await dust(database, session, { from, count: PORTIONS * PAYMENTS_AT_ONCE });
    }
  };
  const commits: number[] = [];
  const queue = createSettleQueue(database, ({ sessions }) => commits.push(sessions));
  await rain(0);
  await queue.settleAll(ids);
  // They are known now.
  await rain(PORTIONS * PAYMENTS_AT_ONCE);
  commits.length = 0;
  const settling = queue.settleAll(ids);
  const waited: number[] = [];
  for (let i = 0; i < 5; i += 1) {
    const small = await insertSession(database);
    await receive(database, small, '10');
    const before = commits.length;
    const settled = (await queue.settleAll([small.id])).get(small.id);
    expect(settled).toMatchObject({ status: 'paid' });
    waited.push(commits.length - before);
  }
  const results = [...(await settling).values()];
  expect(results).toEqual(ids.map(() => expect.objectContaining({ isMore: false })));
  expect(new Set(commits)).toEqual(new Set([1]));
  // Its own, and a portion or two that ended meanwhile.
  expect(Math.max(...waited)).toBeLessThanOrEqual(3);
}, 120_000);

test('other sessions are settled while the row of a large one is locked', async () => {
  const large = await insertSession(database);
  await dust(database, large, { count: 2 * PAYMENTS_AT_ONCE });
  const commits: number[] = [];
  const queue = createSettleQueue(database, ({ sessions }) => commits.push(sessions));
  await queue.settle(large.id);
  await dust(database, large, { from: 2 * PAYMENTS_AT_ONCE, count: PAYMENTS_AT_ONCE });
  const holder = await database.pool.connect();
  await holder.query('BEGIN');
  await holder.query('SELECT FROM checkout_sessions WHERE id = $1 FOR UPDATE', [large.id]);
  commits.length = 0;
  const settling = queue.settle(large.id);
  await blocked(database, 1);
  const small = await Promise.all(Array.from({ length: 5 }, () => insertSession(database)));
  for (const session of small) {
    await receive(database, session, '10');
    expect(await queue.settle(session.id)).toMatchObject({ status: 'paid' });
  }
  // Each at once, in a commit of its own: none has waited for the lock to end.
  expect(commits).toEqual([1, 1, 1, 1, 1]);
  await holder.query('ROLLBACK');
  holder.release();
  expect(await settling).toMatchObject({ isMore: false });
}, 60_000);
