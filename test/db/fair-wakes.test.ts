/** Accounts take turns when sessions are woken, however many sessions of one account are due. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { takeDueWakes } from '../../src/db/worklists.ts';
import { createTestDatabase, insertMerchant, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
let merchantId: string;
beforeAll(async () => {
  database = await createTestDatabase();
  merchantId = await insertMerchant(database);
});
afterAll(() => database.close());

/** Sessions of one account that have been due for so many seconds. */
async function dueOn(account: string, count: number, seconds: number): Promise<void> {
  await database.rows(
    `WITH s AS (
       INSERT INTO checkout_sessions (merchant_id, amount, asset_code, receiving_account, memo, expires_at)
       SELECT $1, 10, 'XLM', $2, i::text, now() + interval '1 hour' FROM generate_series(1, $3::int) i RETURNING id)
     INSERT INTO settlement.active_sessions (session_id, live_session, account, asset, wake_after)
     SELECT id, id, $2, 'native', now() - make_interval(secs => $4) FROM s`,
    [merchantId, account, count, seconds],
  );
}

test('one due session of an account is taken among the first, behind thousands of another account', async () => {
  await dueOn('GFLOOD', 3_000, 60);
  await dueOn('GQUIET', 1, 1);
  await dueOn('GOTHER', 15, 2);
  const taken = await takeDueWakes(database.db, 20);
  const accounts = taken.map(({ account }) => account);
  expect(taken).toHaveLength(20);
  expect(accounts.filter((account) => account === 'GQUIET')).toHaveLength(1);
  expect(accounts.filter((account) => account === 'GOTHER').length).toBeGreaterThanOrEqual(9);
  // The rest follows, each once.
  const rest = await takeDueWakes(database.db, 10_000);
  expect(rest).toHaveLength(3_016 - 20);
  expect(new Set([...taken, ...rest].map(({ id }) => id)).size).toBe(3_016);
  expect(await takeDueWakes(database.db, 20)).toEqual([]);
});
