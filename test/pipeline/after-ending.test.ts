import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Memo } from '@stellar/stellar-sdk';
import { MockActivityEnvironment } from '@temporalio/testing';
import { proveReport } from '../../src/activities/prove-report.ts';
import { requestCancel as cancelSession } from '../../src/activities/request-cancel.ts';
import { openFor } from './opened.ts';
import { startReading, type Reading } from './reading.ts';

/** Money that Horizon shows only after an ending: a node that filtered it out, headers and all, and fills it in later. */
let reading: Reading;
beforeEach(async () => {
  reading = await startReading('accounts');
});
afterEach(() => reading.close());

/** A session that was paid in time, by a transaction that every node leaves out until its history is filled in. */
async function paidUnseen(end: (sessionId: string) => Promise<void>) {
  const [shop, customer] = [await reading.wallet(), await reading.wallet()];
  const { sessionId, memo } = await openFor(reading, 60, shop.address);
  const bystander = await reading.wallet();
  reading.ledger.nodes.set([{ name: 'filters', filter: { accounts: [bystander.address] } }]);
  const { hash } = await customer.pay(shop.address, '10', 'native', { memo: Memo.id(memo) });
  await end(sessionId);
  // What comes later proves, as far as this node tells, that nothing came before.
  reading.pass(300);
  await customer.pay(shop.address, '1');
  await reading.turn(true);
  const before = await statusOf(sessionId);
  reading.ledger.nodes.clear();
  const env = new MockActivityEnvironment();
  const report = { sessionId, txHash: hash, wait: false };
  await env.run(() => proveReport(reading.deps, report));
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
  // The merchant was told of an expiry first: a person looks at what the ledger alone would have told.
  const [attention] = await reading.database.rows('SELECT kind FROM settlement.attention');
  expect(attention).toEqual({ kind: 'told_in_another_order' });
});

test('after `cancelled` it is held with attention, and counted', async () => {
  const cancel = (sessionId: string) => cancelSession(reading.deps, { sessionId, now: '' });
  expect(await paidUnseen(cancel)).toEqual({ before: 'cancelled', after: 'cancelled' });
  expect(reading.counted.get('found after ending')).toBe(1);
  const [attention] = await reading.database.rows('SELECT kind FROM settlement.attention');
  expect(attention).toEqual({ kind: 'paid_after_cancellation' });
});
