/** A payment is on the ledger and not read yet when its session is cancelled. No clock of ours says whether it is late. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Memo } from '@stellar/stellar-sdk';
import { requestCancel } from '../../src/activities/request-cancel.ts';
import { openFor } from './opened.ts';
import { startReading, type Reading } from './reading.ts';

let reading: Reading;
beforeEach(async () => {
  reading = await startReading('accounts');
});
afterEach(() => reading.close());

test.each([0, 5, 3_600, -3_600])(
  'nothing that is on the ledger becomes late by a cancellation, with a workflow %i s behind',
  async (behind) => {
    const [shop, customer] = [await reading.wallet(), await reading.wallet()];
    reading.pass(5);
    const { sessionId, memo } = await openFor(reading, 600, shop.address);
    await reading.turn(true);
    reading.pass(10);
    await customer.pay(shop.address, '10', 'native', { memo: Memo.id(memo) }); // on the ledger now
    const onLedgerAt = reading.ledger.chain.history.latest().closedAt;
    const now = new Date((onLedgerAt - behind) * 1000).toISOString();
    await requestCancel(reading.deps, { sessionId, now });
    reading.pass(30);
    await reading.turn(true);
    const [row] = await reading.database.rows(
      `SELECT s.status, (SELECT verdict FROM settlement.ledger_payments lp WHERE lp.reference = s.memo) AS verdict
     FROM checkout_sessions s WHERE id = $1`,
      [sessionId],
    );
    expect(row).toEqual({ status: 'paid', verdict: 'credited' });
  },
);
