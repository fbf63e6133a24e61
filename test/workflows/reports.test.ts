import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Asset, Memo, Operation } from '@stellar/stellar-sdk';
import { paymentTo } from '../../src/sandbox/ledger/wallet.ts';
import { setStage, type Stage } from '../support/stage.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage.close());

const pay = (memo: string, amount: string, asset = 'native', to = stage.shop.address) =>
  stage.customer.pay(to, amount, asset, { memo: Memo.id(memo) });

/** Reports are answered from the ledger: nobody watches here, so all that is known came by the report itself. */
describe('a reported transaction', () => {
  test('that pays the price is answered `paid`, and again when it is reported again', async () => {
    const { id, memo } = await stage.open();
    const { hash } = await pay(memo, '12');
    const paid = {
      kind: 'paid',
      txHash: hash,
      credited: '12.0000000',
      price: '10.0000000',
      overpaid: '2.0000000',
    };
    expect(await stage.client.reportPayment(id, hash)).toEqual(paid);
    const again = await Promise.all(
      Array.from({ length: 10 }, () => stage.client.reportPayment(id, hash)),
    );
    expect(again).toEqual(again.map(() => paid));
    const [{ times, payments } = {}] = await stage.database.rows(
      `SELECT times, (SELECT count(*)::int FROM payments WHERE session_id = $1) AS payments
       FROM settlement.reported_payments WHERE session_id = $1`,
      [id],
    );
    expect({ times, payments }).toEqual({ times: 11, payments: 1 });
  });

  test('that pays a part is `underpaid` by the rest; with the rest it is `paid`', async () => {
    const { id, memo } = await stage.open();
    const first = await pay(memo, '4');
    expect(await stage.client.reportPayment(id, first.hash)).toMatchObject({
      kind: 'underpaid',
      credited: '4.0000000',
      missing: '6.0000000',
    });
    const second = await pay(memo, '6');
    expect(await stage.client.reportPayment(id, second.hash)).toMatchObject({ kind: 'paid' });
  });

  test('that pays a session which others paid before is a `duplicate`', async () => {
    const { id, memo } = await stage.open();
    const [first, second] = [await pay(memo, '10'), await pay(memo, '10')];
    expect((await stage.client.reportPayment(id, first.hash)).kind).toBe('paid');
    expect((await stage.client.reportPayment(id, second.hash)).kind).toBe('duplicate');
  });

  test('that was reported under its inner hash is the same payment', async () => {
    const { id, memo } = await stage.open();
    const inner = await stage.customer.build([paymentTo(stage.shop.address, '10')], {
      memo: Memo.id(memo),
    });
    const outer = await stage.shop.submit(stage.shop.bump(inner));
    const innerHash = Buffer.from(inner.hash()).toString('hex');
    expect((await stage.client.reportPayment(id, innerHash)).kind).toBe('paid');
    expect((await stage.client.reportPayment(id, outer.hash)).kind).toBe('paid');
    const rows = await stage.database.rows(
      'SELECT tx_hash, inner_tx_hash FROM settlement.ledger_payments WHERE reference = $1',
      [memo],
    );
    expect(rows).toEqual([{ tx_hash: outer.hash, inner_tx_hash: innerHash }]);
  });

  test('that failed on the ledger pays nothing', async () => {
    const { id, memo } = await stage.open();
    const { hash, successful } = await pay(memo, '99999999');
    expect(successful).toBe(false);
    expect(await stage.client.reportPayment(id, hash)).toEqual({ kind: 'failed', txHash: hash });
  });

  test('that pays somebody else, or another session, pays nothing here', async () => {
    const [one, other] = [await stage.open(), await stage.open()];
    const toOther = await pay(other.memo, '10');
    expect(await stage.client.reportPayment(one.id, toOther.hash)).toMatchObject({
      kind: 'pays_another',
    });
    const back = await stage.shop.pay(stage.customer.address, '10', 'native', {
      memo: Memo.id(one.memo),
    });
    expect((await stage.client.reportPayment(one.id, back.hash)).kind).toBe('pays_another');
    expect(await stage.client.sessionState(one.id)).toMatchObject({
      status: 'pending',
      credited: '0.0000000',
    });
    expect((await stage.client.reportPayment(other.id, toOther.hash)).kind).toBe('paid');
  });

  test('that pays in another asset is held as such', async () => {
    const { id, memo } = await stage.open();
    const scam = new Asset('XLM', stage.customer.address);
    await stage.shop.run([Operation.changeTrust({ asset: scam })]);
    const { hash } = await pay(memo, '10', `XLM:${stage.customer.address}`);
    expect(await stage.client.reportPayment(id, hash)).toMatchObject({ kind: 'wrong_asset' });
  });

  test('that is not on the ledger stays unknown to it, and is seen when it comes', async () => {
    const { id, memo } = await stage.open();
    const signed = await stage.customer.build([paymentTo(stage.shop.address, '10')], {
      memo: Memo.id(memo),
    });
    const hash = Buffer.from(signed.hash()).toString('hex');
    const answer = await stage.client.reportPayment(id, hash);
    expect(answer).toEqual({
      kind: 'not_on_ledger',
      txHash: hash,
      asOfLedger: stage.ledger.chain.history.latest().sequence,
    });
    await stage.customer.submit(signed);
    await stage.watch();
    expect(await stage.runEnd(id)).toMatchObject({ status: 'paid', paidBy: hash });
  });

  test('is `unknown` while Horizon does not answer, and the session keeps its state', async () => {
    const { id, memo } = await stage.open();
    const { hash } = await pay(memo, '10');
    const fault = stage.ledger.faults.set({ kind: 'server_error', path: '/transactions/' });
    const answer = await stage.client.reportPayment(id, hash);
    stage.ledger.faults.clear(fault);
    expect(answer).toMatchObject({ kind: 'unknown', txHash: hash });
    expect((await stage.client.reportPayment(id, hash)).kind).toBe('paid');
  });

  test('is refused before it is sent when it is no hash, and for a session that nobody opened', async () => {
    const { id } = await stage.open();
    for (const bad of ['', 'abc', 'G'.repeat(64), 'a'.repeat(63), 'A'.repeat(64)]) {
      await expect(stage.client.reportPayment(id, bad)).rejects.toMatchObject({
        code: 'InvalidInput',
        field: 'txHash',
      });
    }
    await expect(stage.client.reportPayment(randomUUID(), 'a'.repeat(64))).rejects.toMatchObject({
      code: 'SessionNotFound',
    });
  });
});
