import { describe, expect, test } from '@jest/globals';
import { Account, Asset, Operation, Transaction, TransactionBuilder } from '@stellar/stellar-sdk';
import { SandboxWallet, paymentTo } from '../../../src/sandbox/ledger/wallet.ts';
import { onNetwork, read } from './network.ts';

describe('a refused transaction leaves no trace', () => {
  test(
    'when it is unsigned, signed by someone else, or for another network',
    onNetwork(async ({ ledger, get, wallet, payments }) => {
      const [payer, thief] = [await wallet(), await wallet()];
      const before = (await get(`/accounts/${payer.address}`)).body;
      const signed = await payer.build([paymentTo(thief.address, '1')]);
      const unsigned = TransactionBuilder.cloneFrom(signed, { fee: '100' }).build();
      expect((await payer.submit(unsigned)).codes).toEqual(['tx_bad_auth']);
      unsigned.sign(thief.keypair);
      expect((await payer.submit(unsigned)).codes).toEqual(['tx_bad_auth']);
      const elsewhere = new SandboxWallet(
        { ...ledger, networkPassphrase: 'another network' },
        payer.keypair,
      );
      expect((await elsewhere.pay(thief.address, '1')).codes).toEqual(['tx_bad_auth']);
      signed.sign(thief.keypair);
      expect((await payer.submit(signed)).codes).toEqual(['tx_bad_auth_extra']);
      expect((await get(`/accounts/${payer.address}`)).body).toEqual(before);
      expect(await payments(thief.address)).toHaveLength(1);
    }),
  );

  test(
    'when an operation acts for an account that did not sign',
    onNetwork(async ({ wallet }) => {
      const [payer, owner] = [await wallet(), await wallet()];
      const theft = Operation.payment({
        destination: payer.address,
        asset: Asset.native(),
        amount: '1',
        source: owner.address,
      });
      expect((await payer.run([theft])).codes).toEqual(['tx_failed', 'op_bad_auth']);
      const { successful } = await payer.run([theft], { extraSigners: [owner.keypair] });
      expect(successful).toBe(true);
    }),
  );

  test(
    'when its sequence number is not the next one',
    onNetwork(async ({ wallet }) => {
      const payer = await wallet();
      const now = await payer.sequence();
      for (const sequence of [now, now + 2n]) {
        expect((await payer.pay(payer.address, '1', 'native', { sequence })).codes).toEqual([
          'tx_bad_seq',
        ]);
      }
      expect(await payer.sequence()).toBe(now);
    }),
  );

  test(
    'when it is too late, or pays too little for itself',
    onNetwork(async ({ ledger, wallet }) => {
      const payer = await wallet();
      const late = new TransactionBuilder(await accountOf(payer), {
        fee: '100',
        networkPassphrase: ledger.networkPassphrase,
        timebounds: { minTime: 0, maxTime: 1000 },
      });
      const transaction = late.addOperation(paymentTo(payer.address, '1')).build();
      transaction.sign(payer.keypair);
      expect((await payer.submit(transaction)).codes).toEqual(['tx_too_late']);
      const cheap = await payer.pay(payer.address, '1', 'native', { fee: '99' });
      expect(cheap.codes).toEqual(['tx_insufficient_fee']);
    }),
  );

  test(
    'when an amount is negative, and the network goes on',
    onNetwork(async ({ ledger, wallet }) => {
      const payer = await wallet();
      const honest = await payer.build([paymentTo(payer.address, '1.2345678')]);
      const hex = Buffer.from(honest.toXdr(), 'base64').toString('hex');
      const negative = hex.replace('0000000000bc614e', 'ffffffffff439eb2');
      expect(negative).not.toBe(hex);
      const forged = new Transaction(
        Buffer.from(negative, 'hex').toString('base64'),
        ledger.networkPassphrase,
      );
      forged.signatures.length = 0;
      forged.sign(payer.keypair);
      expect((await payer.submit(forged)).codes).toEqual(['tx_failed', 'op_malformed']);
      expect((await payer.pay(payer.address, '1')).successful).toBe(true);
    }),
  );

  test(
    'when it is no envelope',
    onNetwork(async ({ ledger }) => {
      const post = async (form: string) =>
        await read(await fetch(`${ledger.url}/transactions`, { method: 'POST', body: form }));
      const malformed = await post('tx=AAAA');
      expect(malformed.status).toBe(400);
      expect(malformed.body['type']).toMatch(/transaction_malformed$/);
      expect((await post('')).body['extras']).toMatchObject({ invalid_field: 'tx' });
    }),
  );
});

async function accountOf(wallet: SandboxWallet): Promise<Account> {
  return new Account(wallet.address, String(await wallet.sequence()));
}
