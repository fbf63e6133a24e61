/** A backend writes very many sessions at once: they are taken up turn by turn, and the ledger is read in each. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Memo } from '@stellar/stellar-sdk';
import { FOLLOWED_PER_TURN } from '../../src/activities/watch/care.ts';
import { insertMerchant } from '../support/database.ts';
import { openFor } from './opened.ts';
import { startReading, type Reading } from './reading.ts';

const MANY = 2 * FOLLOWED_PER_TURN + 50;

let reading: Reading;
beforeAll(async () => {
  reading = await startReading('accounts');
});
afterAll(() => reading.close());

test('a payment is seen in the first turn, and all of them are taken up in three', async () => {
  const [shop, customer] = [await reading.wallet(), await reading.wallet()];
  const { sessionId, memo } = await openFor(reading, 600, shop.address);
  await reading.turn(true);
  await reading.database.rows(
    `INSERT INTO checkout_sessions (merchant_id, amount, asset_code, receiving_account, memo, expires_at)
     SELECT $1, 10, 'XLM', $2, (1000000 + i)::text, now() + interval '1 hour' FROM generate_series(1, ${MANY}) i`,
    [await insertMerchant(reading.database), shop.address],
  );
  const takenUp = async () =>
    (
      await reading.database.rows(
        `SELECT FROM checkout_sessions WHERE seen_status IS NOT NULL AND memo::numeric BETWEEN 1000001 AND 1000000 + ${MANY}`,
      )
    ).length;
  await customer.pay(shop.address, '10', 'native', { memo: Memo.id(memo) });
  await reading.turn(true);
  const [paid] = await reading.database.rows('SELECT status FROM checkout_sessions WHERE id = $1', [
    sessionId,
  ]);
  expect(paid).toEqual({ status: 'paid' });
  expect(await takenUp()).toBe(FOLLOWED_PER_TURN);
  await reading.turn();
  expect(await takenUp()).toBe(2 * FOLLOWED_PER_TURN);
  await reading.turn();
  expect(await takenUp()).toBe(MANY);
});
