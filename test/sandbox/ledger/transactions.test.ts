import { describe, expect, test } from '@jest/globals';
import { Memo, StrKey } from '@stellar/stellar-sdk';
import { paymentTo } from '../../../src/sandbox/ledger/wallet.ts';
import { onNetwork } from './network.ts';

describe('a fee bump', () => {
  test(
    'is paid by the sponsor; the operation has the outer hash, and both hashes find the transaction',
    onNetwork(async ({ get, wallet, payments, records }) => {
      const [payer, merchant, sponsor] = [await wallet(), await wallet(), await wallet()];
      const inner = await payer.build([paymentTo(merchant.address, '1')]);
      const innerHash = Buffer.from(inner.hash()).toString('hex');
      const { hash, successful } = await sponsor.submit(sponsor.bump(inner, '300'));
      expect(successful).toBe(true);
      expect(hash).not.toBe(innerHash);
      const payment = (await payments(merchant.address)).at(-1);
      expect(payment).toMatchObject({ transaction_hash: hash, source_account: payer.address });

      const outer = (await get(`/transactions/${hash}`)).body;
      expect(payment?.['transaction']).toEqual(outer);
      expect(outer).toMatchObject({
        id: hash,
        hash,
        source_account: payer.address,
        fee_account: sponsor.address,
        fee_charged: '200',
        max_fee: '600',
        operation_count: 1,
        fee_bump_transaction: { hash },
        inner_transaction: { hash: innerHash, max_fee: '100' },
      });
      const asked = (await get(`/transactions/${innerHash}`)).body;
      const { fee_bump_transaction, inner_transaction } = outer as Record<
        string,
        { signatures: string[] }
      >;
      expect(asked).toMatchObject({
        id: innerHash,
        hash: innerHash,
        fee_bump_transaction,
        inner_transaction,
        signatures: inner_transaction?.signatures,
      });
      expect(outer['signatures']).toEqual(fee_bump_transaction?.signatures);
      expect(fee_bump_transaction?.signatures).not.toEqual(inner_transaction?.signatures);
      for (const either of [hash, innerHash]) {
        const [operation] = await records(`/transactions/${either}/operations`);
        expect(operation).toMatchObject({ transaction_hash: hash });
      }
      const fees = await Promise.all(
        [payer, sponsor].map((one) => get(`/accounts/${one.address}`)),
      );
      expect(fees.map(({ body }) => body['balances'])).toMatchObject([
        [{ balance: '99.0000000' }],
        [{ balance: '99.9999800' }],
      ]);
    }),
  );

  test(
    'is refused with its own code, or with that of what is inside',
    onNetwork(async ({ wallet }) => {
      const [payer, sponsor] = [await wallet(), await wallet()];
      const pay = [paymentTo(payer.address, '1')];
      const stale = await payer.build(pay, { sequence: 5n });
      const { body } = await sponsor.submit(sponsor.bump(stale));
      expect(body['extras']).toMatchObject({
        result_codes: { transaction: 'tx_fee_bump_inner_failed', inner_transaction: 'tx_bad_seq' },
      });
      const bump = sponsor.bump(await payer.build(pay));
      bump.signatures.length = 0;
      bump.sign(payer.keypair);
      expect((await sponsor.submit(bump)).codes).toEqual(['tx_bad_auth']);
    }),
  );

  test(
    'of a transaction that fails is charged to the sponsor',
    onNetwork(async ({ wallet, get }) => {
      const [payer, sponsor] = [await wallet(), await wallet()];
      const inner = await payer.build([paymentTo(payer.address, '1', `USD:${sponsor.address}`)]);
      const { hash, codes } = await sponsor.submit(sponsor.bump(inner));
      expect(codes).toEqual(['tx_fee_bump_inner_failed', 'tx_failed', 'op_no_trust']);
      expect((await get(`/transactions/${hash}`)).body).toMatchObject({
        successful: false,
        fee_account: sponsor.address,
      });
    }),
  );
});

describe('a memo', () => {
  const bytes = Buffer.alloc(32, 0xab);
  test.each([
    ['none', Memo.none(), { memo_type: 'none' }],
    ['id', Memo.id('18446744073709551615'), { memo_type: 'id', memo: '18446744073709551615' }],
    [
      'text',
      Memo.text('köln'),
      { memo_type: 'text', memo: 'köln', memo_bytes: Buffer.from('köln').toString('base64') },
    ],
    [
      'text with a NUL, which is exact only in the bytes',
      Memo.text(Buffer.from('12\u000034')),
      { memo_type: 'text', memo: '1234', memo_bytes: Buffer.from('12\u000034').toString('base64') },
    ],
    [
      'text that is no UTF-8, which is exact only in the bytes',
      Memo.text(Buffer.from([0x31, 0xff, 0x32])),
      { memo_type: 'text', memo: '1\uFFFD2', memo_bytes: 'Mf8y' },
    ],
    ['empty text', Memo.text(''), { memo_type: 'text', memo: '', memo_bytes: '' }],
    [
      'hash',
      Memo.hash(bytes.toString('hex')),
      { memo_type: 'hash', memo: bytes.toString('base64') },
    ],
    [
      'return',
      Memo.return(bytes.toString('hex')),
      { memo_type: 'return', memo: bytes.toString('base64') },
    ],
  ])('%s', async (_name, memo, expected) => {
    await onNetwork(async ({ get, wallet }) => {
      const payer = await wallet();
      const { hash, successful } = await payer.pay(payer.address, '1', 'native', { memo });
      expect(successful).toBe(true);
      const { body } = await get(`/transactions/${hash}`);
      const fields = ['memo_type', 'memo', 'memo_bytes'].filter((name) => name in body);
      expect(Object.fromEntries(fields.map((name) => [name, body[name]]))).toEqual(expected);
    })();
  });
});

test(
  'what is not there is 404 as a problem document, what cannot be is 400',
  onNetwork(async ({ get }) => {
    const unknown = await get(`/transactions/${'0'.repeat(64)}`);
    expect(unknown.status).toBe(404);
    expect(unknown.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(unknown.body).toMatchObject({
      type: 'https://stellar.org/horizon-errors/not_found',
      title: 'Resource Missing',
      status: 404,
    });
    for (const path of [
      '/transactions/XYZ',
      `/transactions/${'A'.repeat(64)}`,
      '/accounts/GABC/payments',
      `/accounts/${StrKey.encodeMed25519PublicKey(Buffer.alloc(40, 1))}/payments`,
      '/ledgers/abc/payments',
    ]) {
      expect((await get(path)).status).toBe(400);
    }
    expect((await get('/nothing/here')).status).toBe(404);
  }),
);
