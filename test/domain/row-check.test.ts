import { expect, test } from '@jest/globals';
import { Keypair } from '@stellar/stellar-sdk';
import * as fc from 'fast-check';
import { isAccountId } from '../../src/domain/account-id.ts';
import {
  problemOfRow,
  rowProblemInWords,
  type SessionRowText,
} from '../../src/domain/row-check.ts';
import { readInstant } from '../../src/domain/terms.ts';
import { isAccount } from '../../src/horizon/address.ts';

const ACCOUNT = 'GDQP2KPQGKIHYJGXNUIYOMHARUARCA7DJT5FO2FFOOKY3B2WSQHG4W37';

const row = (fields: Partial<SessionRowText> = {}): SessionRowText => ({
  price: '10.0000000',
  assetCode: 'XLM',
  assetIssuer: null,
  receivingAccount: ACCOUNT,
  memo: '4242',
  createdAt: '2026-03-01T12:00:00+00:00',
  expiresAt: '2026-03-01T12:30:00.123456+00:00',
  cancelAt: null,
  payment: null,
  ...fields,
});

test.each<[string, Partial<SessionRowText>]>([
  ['nothing unusual', {}],
  ['the highest price', { price: '922337203685.4775807' }],
  ['the lowest price', { price: '0.0000001' }],
  ['no memo yet', { memo: null }],
  ['28 bytes of text', { memo: 'é'.repeat(14) }],
  ['the highest u64', { memo: '18446744073709551615' }],
  ['the hex of a memo hash', { memo: 'ab'.repeat(32) }],
  ['a text of one blank', { memo: ' ' }],
  ['the first instant', { expiresAt: '0001-01-01T00:00:00+00:00' }],
  ['the last instant', { expiresAt: '9999-12-31T23:59:59.999999+00:00' }],
  ['an asset without an issuer, which nothing pays', { assetCode: 'USDC' }],
])('a row is a session: %s', (_, fields) => {
  expect(problemOfRow(row(fields))).toBeNull();
});

test.each<[field: string, Partial<SessionRowText>]>([
  ...['0.0000000', '-5.0000000', 'NaN', '922337203685.4775808', '99999999999999999999.0000000'].map(
    (price): [string, Partial<SessionRowText>] => ['amount', { price }],
  ),
  ...['infinity', '-infinity', '10000-01-01T00:00:00+00:00', '294276-12-31T23:59:59+00:00'].flatMap(
    (at): [string, Partial<SessionRowText>][] => [
      ['expires_at', { expiresAt: at }],
      ['created_at', { createdAt: at }],
      ['cancel_at', { cancelAt: at }],
      ['payments.confirmed_at', { payment: { amount: '10.0000000', confirmedAt: at } }],
    ],
  ),
  ['expires_at', { expiresAt: '0044-03-15T00:00:00+00:00 BC' }],
  ['expires_at', { expiresAt: '0001-12-31T23:59:59+00:00 BC' }],
  ['expires_at', { expiresAt: '4713-01-01T00:00:00+00:00 BC' }],
  ['memo', { memo: '' }],
  ['memo', { memo: 'x'.repeat(29) }],
  ['memo', { memo: 'é'.repeat(15) }],
  ['memo', { memo: 'AB'.repeat(32) }],
  ['memo', { memo: 'ab'.repeat(33) }],
  ['asset_code', { assetCode: '' }],
  ['asset_code', { assetCode: 'THIRTEENCHARS' }],
  ['asset_code', { assetCode: 'US-DC' }],
  ['asset_issuer', { assetCode: 'USDC', assetIssuer: '' }],
  ['asset_issuer', { assetCode: 'USDC', assetIssuer: 'GNOBODY' }],
  ['receiving_account', { receivingAccount: '' }],
  ['receiving_account', { receivingAccount: ACCOUNT.toLowerCase() }],
  ['receiving_account', { receivingAccount: `${ACCOUNT.slice(0, -1)}6` }],
  [
    'receiving_account',
    { receivingAccount: 'MA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJUAAAAAAAAAAAACJUQ' },
  ],
  ['payments.amount', { payment: { amount: 'NaN', confirmedAt: '2026-03-01T12:00:00+00:00' } }],
])('a row is no session by its %s: %j', (field, fields) => {
  const problem = problemOfRow(row(fields));
  expect(problem).toMatchObject({ field });
});

test('the words name the column and its value, however long that is', () => {
  const problem = problemOfRow(row({ memo: '😀'.repeat(500) }));
  if (problem === null) throw new Error('A memo of 2,000 bytes passed.');
  const words = rowProblemInWords(problem);
  expect(words).toContain('memo is "😀');
  expect(words.length).toBeLessThan(500);
  expect(words.isWellFormed()).toBe(true);
});

test('an instant that does not exist becomes the nearest that does', () => {
  expect(readInstant('infinity').at.toISOString()).toBe('9999-12-31T23:59:59.999Z');
  expect(readInstant('-infinity').at.toISOString()).toBe('0001-01-01T00:00:00.000Z');
  expect(readInstant('0044-03-15T00:00:00+00:00 BC').at.toISOString()).toBe(
    '0001-01-01T00:00:00.000Z',
  );
  expect(readInstant('2026-03-01 14:00:00+02').at.toISOString()).toBe('2026-03-01T12:00:00.000Z');
});

test('an account is what the SDK says is one', () => {
  const accounts = Array.from({ length: 50 }, () => Keypair.random().publicKey());
  const changed = fc
    .tuple(
      fc.constantFrom(...accounts),
      fc.nat(55),
      fc.constantFrom(...'ABCDEFG234567018a'.split('')),
    )
    .map(([account, at, by]) => account.slice(0, at) + by + account.slice(at + 1));
  fc.assert(
    fc.property(fc.oneof(fc.constantFrom(...accounts), changed, fc.string()), (text) => {
      expect(isAccountId(text)).toBe(isAccount(text));
    }),
    { numRuns: 2_000 },
  );
});
