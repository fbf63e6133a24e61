import { describe, expect, test } from '@jest/globals';
import {
  Account,
  Asset,
  MuxedAccount,
  Operation,
  nativeToScVal,
  scValToNative,
  xdr,
} from '@stellar/stellar-sdk';
import { onNetwork } from './network.ts';

const muxed = (address: string, id: string) =>
  new MuxedAccount(new Account(address, '0'), id).accountId();

describe("a transfer by the asset's contract", () => {
  test(
    'is a payment of which the balance changes tell asset, amount and muxed id',
    onNetwork(async ({ get, payments, usdc }) => {
      const { asset, issuer, payer, merchant } = await usdc();
      await payer.contractTransfer(muxed(merchant.address, '42'), '2.5', asset);
      await payer.contractTransfer(merchant.address, '0', asset);
      await payer.contractTransfer(merchant.address, '3');
      const usd = {
        asset_type: 'credit_alphanum4',
        asset_code: 'USDC',
        asset_issuer: issuer.address,
      };
      const common = { type: 'transfer', from: payer.address, to: merchant.address };
      const shown = (await payments(merchant.address)).slice(-3);
      expect(shown.map((one) => one['asset_balance_changes'])).toEqual([
        [{ ...usd, ...common, amount: '2.5000000', destination_muxed_id: '42' }],
        [{ ...usd, ...common, amount: '0.0000000' }],
        [{ asset_type: 'native', ...common, amount: '3.0000000' }],
      ]);
      expect(shown[0]).toMatchObject({ type: 'invoke_host_function', type_i: 24 });
      const parameters = shown[0]?.['parameters'] as { type: string; value: string }[];
      expect(parameters.map(({ type }) => type)).toEqual([
        'Address',
        'Sym',
        'Address',
        'Address',
        'I128',
      ]);
      const values = parameters.map(({ value }) =>
        scValToNative(xdr.ScVal.fromXdr(value, 'base64')),
      );
      expect(values.slice(1)).toEqual([
        'transfer',
        payer.address,
        muxed(merchant.address, '42'),
        25_000_000n,
      ]);
      const { balances } = (await get(`/accounts/${merchant.address}`)).body;
      expect(balances).toMatchObject([{ balance: '2.5000000' }, { balance: '102.9999900' }]);
    }),
  );

  test(
    'is a mint from the issuer and a burn to it',
    onNetwork(async ({ payments, usdc }) => {
      const { asset, issuer, payer } = await usdc();
      await issuer.contractTransfer(payer.address, '1', asset);
      await payer.contractTransfer(issuer.address, '2', asset);
      const shown = (await payments(payer.address)).slice(-2);
      expect(shown.map((one) => one['asset_balance_changes'])).toMatchObject([
        [{ type: 'mint', to: payer.address, amount: '1.0000000' }],
        [{ type: 'burn', from: payer.address, amount: '2.0000000' }],
      ]);
    }),
  );

  test(
    'that cannot be done, or is none, fails and is no payment',
    onNetwork(async ({ ledger, payments, records, usdc }) => {
      const { asset, payer, merchant } = await usdc();
      const before = await payments(merchant.address);
      const tooMuch = await payer.contractTransfer(merchant.address, '1000.0000001', asset);
      expect(tooMuch.codes).toEqual(['tx_failed', 'function_trapped']);
      const contract = Asset.native().contractId(ledger.networkPassphrase);
      const address = (of: string) => nativeToScVal(of, { type: 'address' });
      const args = [address(payer.address), address(merchant.address), nativeToScVal('one')];
      const call = Operation.invokeContractFunction({ contract, function: 'transfer', args });
      expect((await payer.run([call])).codes).toEqual(['tx_failed', 'op_not_supported']);
      const all = `/accounts/${merchant.address}/payments?limit=200&join=transactions`;
      expect(await records(`${all}&include_failed=true`)).toEqual(before);
    }),
  );
});
