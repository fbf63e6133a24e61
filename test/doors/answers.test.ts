/** What answers under a session's id may be anybody's workflow: the client believes what fits its question. */
import { randomUUID } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { Keypair } from '@stellar/stellar-sdk';
import { muxedAccountId } from '../../src/domain/account-id.ts';
import { parseAmount } from '../../src/domain/money.ts';
import { paymentUri } from '../../src/domain/payment-request.ts';
import { requireOpened } from '../../src/doors/answers.ts';
import { readOpenRequest } from '../../src/doors/open-request.ts';
import { muxedAddress } from '../../src/horizon/address.ts';

const [shop, thief] = [Keypair.random().publicKey(), Keypair.random().publicKey()];
const id = randomUUID();
const request = {
  merchantId: randomUUID(),
  amount: '10',
  asset: { code: 'USDC', issuer: thief },
  receivingAccount: shop,
  expiresAt: '2999-01-01T00:00:00+02:00',
};
const uri = (
  destination: string,
  reference = '4242',
  networkPassphrase: string | null = 'A network',
) =>
  paymentUri({
    destination,
    amount: parseAmount('10'),
    asset: request.asset,
    reference,
    networkPassphrase,
  });

const right = {
  sessionId: id,
  merchantId: request.merchantId,
  status: 'pending',
  amount: '10.0000000',
  asset: request.asset,
  receivingAccount: shop,
  memo: '4242',
  memoType: 'id',
  muxedAccount: muxedAddress(shop, 4242n),
  paymentUri: uri(shop),
  expiresAt: '2998-12-31T22:00:00.000Z',
  warnings: [],
};
const opened = (changes: object, asked: object = {}) =>
  requireOpened(id, readOpenRequest({ ...request, ...asked }), { ...right, ...changes });

test.each<[string, object, object?]>([
  ['as it was asked', {}],
  ['on the public network, whose URI names none', { paymentUri: uri(shop, '4242', null) }],
  ['of an older worker', { merchantId: undefined }],
  [
    'with a memo of text',
    { memo: 'A-17', memoType: 'text', muxedAccount: null, paymentUri: uri(shop, 'A-17') },
    { memo: 'A-17' },
  ],
])('an answer %s is believed', (_, changes, asked = {}) => {
  expect(opened(changes, asked)).toEqual({ ...right, ...changes });
});

test.each<[string, object, object?]>([
  ['sessionId', { sessionId: randomUUID() }],
  ['merchantId', { merchantId: randomUUID() }],
  ['amount', { amount: '100.0000000' }],
  ['asset.code', { asset: { ...request.asset, code: 'USDT' } }],
  ['asset.issuer', { asset: { ...request.asset, issuer: shop } }],
  ['asset.code', { asset: null }],
  ['receivingAccount', { receivingAccount: thief }],
  ['expiresAt', { expiresAt: '2999-12-31T22:00:00.000Z' }],
  ['memo', { memo: 7 }],
  ['memo', {}, { memo: '4243' }],
  ['memoType', { memoType: 'text' }],
  ['muxedAccount', { muxedAccount: muxedAddress(thief, 4242n) }],
  ['muxedAccount', { muxedAccount: muxedAddress(shop, 4243n) }],
  ['paymentUri', { paymentUri: uri(thief) }],
  ['paymentUri', { paymentUri: `${uri(shop)}&destination=${thief}` }],
  ['paymentUri', { paymentUri: undefined }],
])('an answer with another %s is not', (field, changes, asked = {}) => {
  expect(() => opened(changes, asked)).toThrow(
    expect.objectContaining({ name: 'AnswerDiffers', field }),
  );
});

test.each([null, 'x', 7, []])('nor is %j', (answer) => {
  expect(() => requireOpened(id, readOpenRequest(request), answer)).toThrow(
    expect.objectContaining({ name: 'AnswerDiffers', field: 'sessionId' }),
  );
});

test('a muxed account is the one that the SDK makes', () => {
  for (const number of [0n, 1n, 255n, 2n ** 53n, 18_446_744_073_709_551_615n]) {
    const account = Keypair.random().publicKey();
    expect(muxedAccountId(account, number)).toBe(muxedAddress(account, number));
  }
});
