/** A report of a transaction that every page leaves out: the node lacks its ledger, and the page goes on behind it. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Memo } from '@stellar/stellar-sdk';
import { MockActivityEnvironment } from '@temporalio/testing';
import { proveReport } from '../../src/activities/prove-report.ts';
import { openFor } from './opened.ts';
import { startReading, type Reading } from './reading.ts';

let reading: Reading;
beforeEach(async () => {
  reading = await startReading('accounts');
});
afterEach(() => reading.close());

test.each([
  ['of itself neither', 'payments|operations'],
  // Its account is read beyond its ledger then, by a page that leaves it out.
  ['of itself alone', '(accounts|ledgers)/.*(payments|operations)'],
])(
  'is answered with `unknown` while no node shows its ledger, and %s, and with `paid` once one does',
  async (_, path) => {
    const [shop, customer] = [await reading.wallet(), await reading.wallet()];
    const { sessionId, memo } = await openFor(reading, 600, shop.address);
    await customer.pay(shop.address, '1');
    await reading.turn(true);
    const { hash } = await customer.pay(shop.address, '10', 'native', { memo: Memo.id(memo) });
    const gap = reading.ledger.chain.history.latest().sequence;
    await customer.pay(shop.address, '1');
    reading.ledger.nodes.set([{ name: 'with a gap', path, gaps: [[gap, gap]] }]);
    const report = () =>
      new MockActivityEnvironment().run(() =>
        proveReport(reading.deps, { sessionId, txHash: hash, wait: false }),
      );
    expect(await report()).toMatchObject({ kind: 'unknown', txHash: hash });
    reading.ledger.nodes.clear();
    expect(await report()).toMatchObject({ kind: 'paid', txHash: hash });
  },
);
