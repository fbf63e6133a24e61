import { describe, expect, test } from '@jest/globals';
import { Asset, Keypair, Operation, xdr } from '@stellar/stellar-sdk';
import { SandboxWallet, paymentTo } from '../../../src/sandbox/ledger/wallet.ts';
import { onNetwork } from './network.ts';

/** What an account has, by asset. */
function holdings(account: Record<string, unknown>): Record<string, string> {
  const balances = account['balances'] as Record<string, string>[];
  return Object.fromEntries(balances.map((b) => [b['asset_code'] ?? 'XLM', b['balance'] ?? '']));
}

describe('funding', () => {
  test(
    'creates an account and then adds to it',
    onNetwork(async ({ ledger, get }) => {
      const { address } = new SandboxWallet(ledger);
      expect((await get(`/accounts/${address}`)).status).toBe(404);
      await ledger.fund(address, '5');
      await ledger.fund(address, '2.5');
      expect(holdings((await get(`/accounts/${address}`)).body)).toEqual({ XLM: '7.5000000' });
    }),
  );

  test(
    'by friendbot gives 10,000 lumens once, and answers the transaction',
    onNetwork(async ({ ledger, get }) => {
      const { address } = new SandboxWallet(ledger);
      const first = await get(`/friendbot?addr=${address}`);
      expect(first).toMatchObject({ status: 200, body: { successful: true, ledger: 2 } });
      expect(holdings((await get(`/accounts/${address}`)).body)).toEqual({ XLM: '10000.0000000' });
      const second = await get(`/friendbot?addr=${address}`);
      expect(second.status).toBe(400);
      expect(second.body['extras']).toMatchObject({
        result_codes: { transaction: 'tx_failed', operations: ['op_already_exists'] },
      });
      expect((await get('/friendbot?addr=nobody')).status).toBe(400);
    }),
  );
});

describe('a signed payment', () => {
  test(
    'of lumens moves them and costs the payer the fee',
    onNetwork(async ({ get, wallet }) => {
      const [payer, merchant] = [await wallet('50'), await wallet('10')];
      const { successful, body, hash } = await payer.pay(merchant.address, '12.5');
      expect(successful).toBe(true);
      expect(body).toMatchObject({ hash, successful: true, fee_charged: '100', max_fee: '100' });
      expect(holdings((await get(`/accounts/${payer.address}`)).body)['XLM']).toBe('37.4999900');
      expect(holdings((await get(`/accounts/${merchant.address}`)).body)['XLM']).toBe('22.5000000');
    }),
  );

  test(
    'of an issued asset needs trust on both sides and room on the line',
    onNetwork(async ({ get, wallet, usdc }) => {
      const { asset, issuer, payer, merchant } = await usdc();
      await payer.pay(merchant.address, '0.0000001', asset);
      expect(holdings((await get(`/accounts/${merchant.address}`)).body)['USDC']).toBe('0.0000001');
      const stranger = await wallet();
      expect((await payer.pay(stranger.address, '1', asset)).codes).toContain('op_no_trust');
      expect((await stranger.pay(merchant.address, '1', asset)).codes).toContain('op_src_no_trust');
      expect((await payer.pay(merchant.address, '1000', asset)).codes).toContain('op_underfunded');
      await merchant.trust(asset, '1');
      expect((await payer.pay(merchant.address, '1', asset)).codes).toContain('op_line_full');
      expect((await merchant.trust(asset, '0')).codes).toContain('op_invalid_limit');
      await merchant.pay(issuer.address, '0.0000001', asset);
      expect((await merchant.trust(asset, '0')).successful).toBe(true);
      expect(holdings((await get(`/accounts/${merchant.address}`)).body)['USDC']).toBeUndefined();
    }),
  );

  test(
    'leaves the payer his reserve and needs somebody to pay to',
    onNetwork(async ({ wallet }) => {
      const [payer, merchant] = [await wallet('2'), await wallet()];
      expect((await payer.pay(merchant.address, '1')).codes).toEqual([
        'tx_failed',
        'op_underfunded',
      ]);
      const nobody = Keypair.random().publicKey();
      expect((await payer.pay(nobody, '0.5')).codes).toEqual(['tx_failed', 'op_no_destination']);
    }),
  );
});

describe('a transaction that fails in its ledger', () => {
  test(
    'is charged, uses its sequence number, undoes every operation and is no payment',
    onNetwork(async ({ get, wallet, records }) => {
      const [payer, merchant] = [await wallet(), await wallet()];
      const before = await payer.sequence();
      const pays = [paymentTo(merchant.address, '1'), paymentTo(merchant.address, '500')];
      const { hash, codes, body, status } = await payer.run(pays);
      expect(status).toBe(400);
      expect(codes).toEqual(['tx_failed', 'op_success', 'op_underfunded']);
      const { result_xdr } = body['extras'] as { result_xdr: string };
      expect(xdr.TransactionResult.fromXdr(result_xdr, 'base64').feeCharged).toBe(200n);
      expect(await payer.sequence()).toBe(before + 1n);
      expect(holdings((await get(`/accounts/${payer.address}`)).body)['XLM']).toBe('99.9999800');
      expect(holdings((await get(`/accounts/${merchant.address}`)).body)['XLM']).toBe(
        '100.0000000',
      );
      const list = `/accounts/${merchant.address}/payments`;
      expect(await records(list)).toHaveLength(1);
      const all = await records(`${list}?include_failed=true`);
      expect(all.map((one) => one['transaction_successful'])).toEqual([true, false, false]);
      expect((await get(`/transactions/${hash}`)).body).toMatchObject({ successful: false });
      expect(await records(`/transactions/${hash}/operations`)).toHaveLength(2);
    }),
  );

  test(
    'shows the next operations nothing of what the failed one did halfway',
    onNetwork(async ({ ledger, wallet, usdc }) => {
      const { asset, merchant } = await usdc();
      const payer = await wallet('12');
      ledger.setRate('native', asset, '0.1');
      const tooLittle = Operation.pathPaymentStrictSend({
        sendAsset: Asset.native(),
        sendAmount: '10',
        destination: merchant.address,
        destAsset: new Asset('USDC', asset.slice(5)),
        destMin: '2',
      });
      const { codes } = await payer.run([tooLittle, paymentTo(merchant.address, '10')]);
      expect(codes).toEqual(['tx_failed', 'op_under_dest_min', 'op_success']);
    }),
  );
});

describe('the two ways to submit', () => {
  test(
    'without waiting: pending, then a duplicate, and an error with its result',
    onNetwork(async ({ ledger, wallet }) => {
      const payer = await wallet();
      const transaction = await payer.build([paymentTo(payer.address, '1')]);
      expect(await payer.enqueue(transaction)).toBe('PENDING');
      expect(await payer.enqueue(transaction)).toBe('DUPLICATE');
      ledger.closeLedger();
      expect(await payer.enqueue(transaction)).toBe('DUPLICATE');
      const again = await payer.build([paymentTo(payer.address, '1')], { sequence: 7n });
      expect(await payer.enqueue(again)).toBe('ERROR');
    }),
  );

  test(
    'waiting: the answer comes with the ledger, which here closes by itself',
    onNetwork(
      async ({ ledger, wallet }) => {
        const { keypair, address } = await wallet();
        const { url, networkPassphrase } = ledger;
        const patient = new SandboxWallet({ url, networkPassphrase }, keypair);
        const { successful, body } = await patient.pay(address, '1');
        expect(successful).toBe(true);
        expect(body['ledger']).toBeGreaterThan(2);
      },
      { closeEveryMs: 5 },
    ),
  );

  test(
    'waiting: 504 when no ledger closes in time, and the same envelope finds its result later',
    onNetwork(
      async ({ ledger, wallet }) => {
        const payer = await wallet();
        const patient = new SandboxWallet(
          { url: ledger.url, networkPassphrase: ledger.networkPassphrase },
          payer.keypair,
        );
        const transaction = await patient.build([paymentTo(payer.address, '1')]);
        await expect(patient.submit(transaction)).rejects.toThrow(/Nobody knows .* answered 504/);
        ledger.closeLedger();
        expect((await patient.submit(transaction)).successful).toBe(true);
        expect(await payer.sequence()).toBe(BigInt(transaction.sequence));
      },
      { submitTimeoutMs: 20 },
    ),
  );
});
