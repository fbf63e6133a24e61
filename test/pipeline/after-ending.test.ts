import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Memo } from '@stellar/stellar-sdk';
import { openSession } from '../../src/activities/open-session.ts';
import { requestCancel } from '../../src/db/sessions.ts';
import { insertMerchant } from '../support/database.ts';
import { startReading, type Reading } from './reading.ts';

/** Money that Horizon shows only after an ending: a node that filled a gap in its history later. */
let reading: Reading;
beforeEach(async () => {
  reading = await startReading('accounts');
});
afterEach(() => reading.close());

/** A session that was paid in time, by a transaction that the node leaves out until the gap is filled. */
async function paidUnseen(end: (sessionId: string) => Promise<void>) {
  const [shop, customer] = [await reading.wallet(), await reading.wallet()];
  const sessionId = randomUUID();
  const { closedAt } = reading.ledger.chain.history.latest();
  const { memo } = await openSession(reading.deps, {
    sessionId,
    now: new Date(closedAt * 1000).toISOString(),
    request: {
      merchantId: await insertMerchant(reading.database),
      amount: '10',
      asset: { code: 'XLM', issuer: null },
      receivingAccount: shop.address,
      expiresAt: new Date((closedAt + 60) * 1000).toISOString(),
    },
  });
  const { hash } = await customer.pay(shop.address, '10', 'native', { memo: Memo.id(memo) });
  reading.ledger.hideTransaction(hash);
  await end(sessionId);
  // What comes later proves, as far as this node tells, that nothing came before.
  reading.pass(300);
  await customer.pay(shop.address, '1');
  await reading.turn(true);
  const before = await statusOf(sessionId);
  reading.ledger.fillGap();
  // The daily reading from the beginning, which nothing else than a report would anticipate.
  await reading.database.rows(`UPDATE settlement.watched_accounts SET cursor = '4294967296'`);
  await reading.turn();
  return { before, after: await statusOf(sessionId) };
}

const statusOf = async (id: string) => {
  const [row] = await reading.database.rows<{ status: string }>(
    'SELECT status FROM checkout_sessions WHERE id = $1',
    [id],
  );
  return row?.status;
};

test('after `expired` it is honoured, and counted', async () => {
  expect(await paidUnseen(() => Promise.resolve())).toEqual({ before: 'expired', after: 'paid' });
  expect(reading.counted.get('found after ending')).toBe(1);
  const [attention] = await reading.database.rows('SELECT kind FROM settlement.attention');
  expect(attention).toBeUndefined();
});

test('after `cancelled` it is held with attention, and counted', async () => {
  const cancel = (id: string) =>
    requestCancel(
      reading.database.pool,
      id,
      new Date(reading.ledger.chain.history.latest().closedAt * 1000 + 10_000),
    );
  expect(await paidUnseen(cancel)).toEqual({ before: 'cancelled', after: 'cancelled' });
  expect(reading.counted.get('found after ending')).toBe(1);
  const [attention] = await reading.database.rows('SELECT kind FROM settlement.attention');
  expect(attention).toEqual({ kind: 'paid_after_cancellation' });
});
