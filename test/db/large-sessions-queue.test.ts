/** A session with very many payments is settled in portions, and nobody waits for more than one of them. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { PAYMENTS_AT_ONCE } from '../../src/db/many-payments.ts';
import { createSettleQueue } from '../../src/db/settle-queue.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { insertSession, receive } from './build.ts';
import { dust } from './dust.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

const PORTIONS = 4;

test('each portion of a large session has a commit of its own, and those of others stand between', async () => {
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
  // The commit that was under way, one more portion at the most, and its own.
  expect(Math.max(...waited)).toBeLessThanOrEqual(3);
}, 120_000);
