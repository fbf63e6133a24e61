/** A node that filters shows a ledger with too few operations, and counts them so. Another one shows the whole ledger later. */
import { afterEach, expect, test } from '@jest/globals';
import { Memo } from '@stellar/stellar-sdk';
import { requestCancel } from '../../src/activities/request-cancel.ts';
import { advanceChain } from '../../src/activities/watch/chain.ts';
import { wholeLedger } from '../../src/activities/watch/whole-ledgers.ts';
import { ledgerHeaders } from '../../src/db/ledgers.ts';
import { openFor } from './opened.ts';
import { startReading, type Reading } from './reading.ts';

let reading: Reading;
afterEach(() => reading.close());

const head = () => reading.ledger.chain.history.latest();

async function stateOf(id: string) {
  const [row] = await reading.database.rows(
    `SELECT s.status, (SELECT json_agg(e.type ORDER BY e.type) FROM settlement.events e WHERE e.session_id = s.id) AS told,
       (SELECT json_agg(t.kind) FROM settlement.attention t WHERE t.subject = s.id::text) AS attention
     FROM checkout_sessions s WHERE s.id = $1`,
    [id],
  );
  return row;
}

test.each`
  strategy      | cancelled | before         | after          | told                                          | attention
  ${'accounts'} | ${false}  | ${'expired'}   | ${'paid'}      | ${['payment.confirmed', 'session.expired']}   | ${'told_in_another_order'}
  ${'accounts'} | ${true}   | ${'cancelled'} | ${'cancelled'} | ${['payment.exception', 'session.cancelled']} | ${'paid_after_cancellation'}
  ${'ledgers'}  | ${false}  | ${'expired'}   | ${'paid'}      | ${['payment.confirmed', 'session.expired']}   | ${'told_in_another_order'}
`(
  'read by $strategy: the ledger is read again for every account, and a person is asked about the $before session',
  async ({ strategy, cancelled, before, after, told, attention }) => {
    reading = await startReading(strategy === 'ledgers' ? 'ledgers' : 'accounts');
    const [shop, customer, bystander] = [
      await reading.wallet(),
      await reading.wallet(),
      await reading.wallet(),
    ];
    const { sessionId, memo } = await openFor(reading, 60, shop.address);
    await reading.turn(true);
    reading.pass(5);
    await reading.turn(true);
    reading.ledger.nodes.set([{ name: 'filters', filter: { accounts: [bystander.address] } }]);
    await customer.pay(shop.address, '10', 'native', { memo: Memo.id(memo) });
    const paidIn = head().sequence;
    if (cancelled) await requestCancel(reading.deps, { sessionId, now: '' });
    reading.pass(300);
    await customer.pay(shop.address, '1');
    await reading.turn(true);
    expect((await stateOf(sessionId))?.['status']).toBe(before);

    // A node without the filter answers, and the ledger is read for another account.
    reading.ledger.nodes.clear();
    const [header] = await ledgerHeaders(reading.database.db, [paidIn]);
    if (header === undefined) throw new Error('The chain has every ledger.');
    expect(header.operationCount).toBe(0);
    const whole = await wholeLedger(reading.deps, header, new Set([bystander.address]));
    expect(whole?.operationCount).toBe(1);
    await reading.turn();
    expect(await stateOf(sessionId)).toEqual({ status: after, told, attention: [attention] });
    expect(await reading.database.rows('SELECT FROM settlement.recounted_ledgers')).toEqual([]);
  },
);

test('the first ledger of the chain, which names none before it, is counted again, too', async () => {
  reading = await startReading('accounts');
  const [shop, customer, bystander] = [
    await reading.wallet(),
    await reading.wallet(),
    await reading.wallet(),
  ];
  reading.ledger.nodes.set([{ name: 'filters', filter: { accounts: [bystander.address] } }]);
  await customer.pay(shop.address, '1');
  await advanceChain(reading.deps);
  const [header] = await ledgerHeaders(reading.database.db, [head().sequence]);
  expect(header).toMatchObject({ previousHash: '', operationCount: 0 });
  if (header === undefined) return;
  reading.ledger.nodes.clear();
  const whole = await wholeLedger(reading.deps, header, new Set([shop.address]));
  expect(whole?.payments).toHaveLength(1);
});
