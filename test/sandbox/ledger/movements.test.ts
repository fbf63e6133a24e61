import { describe, expect, test } from '@jest/globals';
import { Asset, Keypair, MuxedAccount, Operation, Account, xdr } from '@stellar/stellar-sdk';
import { onNetwork } from './network.ts';

const muxed = (address: string, id: string) =>
  new MuxedAccount(new Account(address, '0'), id).accountId();

test(
  'a payment is shown to both sides as Horizon shows it, field by field',
  onNetwork(async ({ ledger, payments, usdc }) => {
    const { asset, issuer, payer, merchant } = await usdc();
    const { hash, body } = await payer.pay(merchant.address, '12.5', asset);
    const [record] = (await payments(merchant.address)).slice(-1);
    expect((await payments(payer.address)).at(-1)).toEqual(record);
    const number = ledger.chain.history.latest().sequence;
    const id = String((BigInt(number) << 32n) + (1n << 12n) + 1n);
    const at = (path: string) => ({ href: `${ledger.url}${path}` });
    const { transaction, ...operation } = record ?? {};
    expect(operation).toEqual({
      _links: {
        self: at(`/operations/${id}`),
        transaction: at(`/transactions/${hash}`),
        effects: at(`/operations/${id}/effects`),
        succeeds: at(`/effects?order=desc&cursor=${id}`),
        precedes: at(`/effects?order=asc&cursor=${id}`),
      },
      id,
      paging_token: id,
      transaction_successful: true,
      source_account: payer.address,
      type: 'payment',
      type_i: 1,
      created_at: body['created_at'],
      transaction_hash: hash,
      from: payer.address,
      to: merchant.address,
      amount: '12.5000000',
      asset_type: 'credit_alphanum4',
      asset_code: 'USDC',
      asset_issuer: issuer.address,
    });
    expect(transaction).toEqual(body);
    expect(body['created_at']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  }),
);

describe('a path payment shows what was received', () => {
  test(
    'strict send: what the rate gives for exactly what was sent',
    onNetwork(async ({ ledger, wallet, payments, usdc }) => {
      const { asset, issuer, merchant } = await usdc();
      const payer = await wallet('100');
      const path = { to: merchant.address, send: 'native', sendAmount: '10', receive: asset };
      const unpriced = await payer.pathPayStrictSend({ ...path, destMin: '1' });
      expect(unpriced.codes).toContain('op_too_few_offers');
      ledger.setRate('native', asset, '0.1234567');
      const short = await payer.pathPayStrictSend({ ...path, destMin: '1.2345671' });
      expect(short.codes).toContain('op_under_dest_min');
      const { body } = await payer.pathPayStrictSend({ ...path, destMin: '1' });
      const [, ...shown] = await payments(merchant.address);
      expect(shown).toHaveLength(1);
      expect(shown[0]).toMatchObject({
        type: 'path_payment_strict_send',
        type_i: 13,
        from: payer.address,
        to: merchant.address,
        amount: '1.2345670',
        asset_type: 'credit_alphanum4',
        asset_code: 'USDC',
        asset_issuer: issuer.address,
        source_amount: '10.0000000',
        destination_min: '1.0000000',
        source_asset_type: 'native',
        path: [],
      });
      const result = xdr.TransactionResult.fromXdr(String(body['result_xdr']), 'base64');
      expect(JSON.stringify(result.toJson())).toContain('"amount":"12345670"');
    }),
  );

  test(
    'strict receive: exactly what was asked for, through the assets of the path',
    onNetwork(async ({ ledger, wallet, payments, usdc }) => {
      const { asset, issuer, merchant } = await usdc();
      const payer = await wallet('100');
      const bridge = new Asset('BRIDGE', issuer.address);
      ledger.setRate('native', bridge.toString(), '2');
      ledger.setRate(bridge.toString(), asset, '0.3');
      const operation = (sendMax: string) =>
        Operation.pathPaymentStrictReceive({
          sendAsset: Asset.native(),
          sendMax,
          destination: merchant.address,
          destAsset: new Asset('USDC', issuer.address),
          destAmount: '1',
          path: [bridge],
        });
      expect((await payer.run([operation('1.6666666')])).codes).toContain('op_over_source_max');
      expect((await payer.run([operation('1.6666667')])).successful).toBe(true);
      expect((await payments(merchant.address)).at(-1)).toMatchObject({
        type: 'path_payment_strict_receive',
        type_i: 2,
        amount: '1.0000000',
        source_amount: '1.6666667',
        source_max: '1.6666667',
        source_asset_type: 'native',
        path: [
          { asset_type: 'credit_alphanum12', asset_code: 'BRIDGE', asset_issuer: issuer.address },
        ],
      });
    }),
  );
});

test(
  'an account is created by one payment and ends in another, whose amount is in result and effect',
  onNetwork(async ({ ledger, get, wallet, payments, records, usdc }) => {
    const [payer, merchant] = [await wallet('50'), await wallet('1')];
    const address = Keypair.random().publicKey();
    const poor = await payer.createAccount(address, '0.9999999');
    expect(poor.codes).toContain('op_low_reserve');
    await payer.createAccount(address, '20');
    expect(await payments(address)).toMatchObject([
      {
        type: 'create_account',
        type_i: 0,
        funder: payer.address,
        account: address,
        starting_balance: '20.0000000',
      },
    ]);
    const { body } = await payer.merge(muxed(merchant.address, '7'));
    const merge = (await payments(merchant.address)).at(-1);
    expect(merge).toMatchObject({
      type: 'account_merge',
      type_i: 8,
      account: payer.address,
      into: merchant.address,
      into_muxed: muxed(merchant.address, '7'),
      into_muxed_id: '7',
    });
    expect(merge).not.toHaveProperty('amount');
    const result = xdr.TransactionResult.fromXdr(String(body['result_xdr']), 'base64');
    expect(JSON.stringify(result.toJson())).toContain('"account_merge":{"success":"299999700"}');
    const effects = await records(`/operations/${String(merge?.['id'])}/effects`);
    expect(effects.map(({ type, amount }) => ({ type, amount }))).toEqual([
      { type: 'account_debited', amount: '29.9999700' },
      { type: 'account_credited', amount: '29.9999700' },
      { type: 'account_removed', amount: undefined },
    ]);
    expect((await get(`/accounts/${payer.address}`)).status).toBe(404);
    expect(await payments(payer.address)).toHaveLength(3);
    const { issuer, payer: holder } = await usdc();
    expect((await holder.merge(issuer.address)).codes).toContain('op_has_sub_entries');
    expect((await holder.merge(muxed(holder.address, '1'))).codes).toContain('op_malformed');
    expect(ledger.chain.waiting).toBe(0);
  }),
);

describe('a muxed address', () => {
  test(
    'as destination is shown beside its account, without the id when it is 0',
    onNetwork(async ({ wallet, payments }) => {
      const [payer, merchant] = [await wallet(), await wallet()];
      await payer.pay(muxed(merchant.address, '18446744073709551615'), '1');
      await payer.pay(muxed(merchant.address, '0'), '1');
      const [, numbered, zero] = await payments(merchant.address);
      expect(numbered).toMatchObject({
        to: merchant.address,
        to_muxed: muxed(merchant.address, '18446744073709551615'),
        to_muxed_id: '18446744073709551615',
      });
      expect(zero).toMatchObject({
        to: merchant.address,
        to_muxed: muxed(merchant.address, '0'),
      });
      expect(zero).not.toHaveProperty('to_muxed_id');
      expect(zero).not.toHaveProperty('from_muxed');
    }),
  );

  test(
    'as source is shown beside its account',
    onNetwork(async ({ wallet, payments }) => {
      const [payer, merchant] = [await wallet(), await wallet()];
      const source = muxed(payer.address, '9');
      const operation = Operation.payment({
        destination: merchant.address,
        asset: Asset.native(),
        amount: '1',
        source,
      });
      await payer.run([operation]);
      expect((await payments(merchant.address)).at(-1)).toMatchObject({
        source_account: payer.address,
        source_account_muxed: source,
        source_account_muxed_id: '9',
        from: payer.address,
        from_muxed: source,
        from_muxed_id: '9',
      });
    }),
  );
});
