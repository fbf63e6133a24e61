/** One transaction pays two sessions on two accounts. Both are reported. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { muxedAddress } from '../../src/horizon/address.ts';
import { paymentTo, SandboxWallet } from '../../src/sandbox/ledger/wallet.ts';
import { setStage, type Stage } from '../support/stage.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage.close());

test('a transaction that pays two sessions on two accounts is `paid` for both reports', async () => {
  const other = new SandboxWallet(stage.customer.network);
  await stage.ledger.fund(other.address, '10000');
  const one = await stage.open();
  const two = await stage.open({ receivingAccount: other.address });
  const { hash } = await stage.customer.run([
    paymentTo(muxedAddress(stage.shop.address, BigInt(one.memo)), '10'),
    paymentTo(muxedAddress(other.address, BigInt(two.memo)), '10'),
  ]);
  const first = await stage.client.reportPayment(one.id, hash);
  const second = await stage.client.reportPayment(two.id, hash);
  const [answered] = await stage.database.rows(
    'SELECT answer, answered_at IS NOT NULL AS is_final FROM settlement.reported_payments WHERE session_id = $1',
    [two.id],
  );
  expect(answered).toEqual({ answer: 'paid', is_final: true });
  expect([first.kind, second.kind]).toEqual(['paid', 'paid']);
});
