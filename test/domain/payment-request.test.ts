import { expect, test } from '@jest/globals';
import { NATIVE } from '../../src/domain/asset.ts';
import { parseAmount } from '../../src/domain/money.ts';
import { isU64, paymentUri, type PaymentRequest } from '../../src/domain/payment-request.ts';
import { session, USDC } from './build.ts';

const TESTNET = 'Test SDF Network ; September 2015';

function request(fields: Partial<PaymentRequest> = {}): PaymentRequest {
  return {
    destination: session().receivingAccount,
    amount: parseAmount('12.5'),
    asset: USDC,
    reference: '4242',
    networkPassphrase: TESTNET,
    ...fields,
  };
}

/** What a wallet reads out of a URI. */
function fields(uri: string): Record<string, string> {
  return Object.fromEntries(new URL(uri).searchParams);
}

test('a wallet reads every part of the payment from the URI', () => {
  const uri = paymentUri(request());
  expect(uri).toMatch(/^web\+stellar:pay\?/);
  expect(fields(uri)).toEqual({
    destination: session().receivingAccount,
    amount: '12.5000000',
    asset_code: 'USDC',
    asset_issuer: USDC.issuer,
    memo: '4242',
    memo_type: 'MEMO_ID',
    network_passphrase: TESTNET,
  });
});

test('spaces are %20, as SEP-7 asks, and never a plus', () => {
  expect(paymentUri(request())).toContain(
    'network_passphrase=Test%20SDF%20Network%20%3B%20September',
  );
});

test('lumens are asked for by leaving the asset out, the public network by leaving the passphrase out', () => {
  const read = fields(paymentUri(request({ asset: NATIVE, networkPassphrase: null })));
  expect(Object.keys(read)).toEqual(['destination', 'amount', 'memo', 'memo_type']);
});

test('a reference that is not a number is a text memo, and survives whatever is in it', () => {
  const read = fields(paymentUri(request({ reference: 'a&b=c d+é' })));
  expect(read).toMatchObject({ memo: 'a&b=c d+é', memo_type: 'MEMO_TEXT' });
});

test.each<{ reference: string; u64: boolean }>`
  reference                 | u64
  ${'0'}                    | ${true}
  ${'18446744073709551615'} | ${true}
  ${'18446744073709551616'} | ${false}
  ${'007'}                  | ${false}
  ${'-1'}                   | ${false}
  ${''}                     | ${false}
  ${'1e3'}                  | ${false}
  ${'9f86d081884c7d65'}     | ${false}
`('$reference is a u64: $u64', ({ reference, u64 }) => {
  expect(isU64(reference)).toBe(u64);
});
