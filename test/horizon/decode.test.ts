/** What each kind of operation brings in, field by field: recorded from the real Horizon, written down here by hand. */
import { describe, expect, test } from '@jest/globals';
import { NATIVE } from '../../src/domain/asset.ts';
import type { LedgerPayment } from '../../src/domain/ledger-payment.ts';
import { decodeRecord } from '../../src/horizon/decode.ts';
import { addressOf, muxed, SPLITTER } from '../oracle/cast.ts';
import {
  CUSTOMER,
  hashOf,
  KINDS,
  recorded,
  SHOP,
  transactionOf,
  USDC,
  type Json,
  type Kind,
} from './records.ts';

const NEWCOMER = addressOf('newcomer');
/** Who has all lumens at first, and funds the others. */
const ROOT = String(recorded('create-account')['source_account']);
const U64_MAX = '18446744073709551615';

/** What the play did (test/oracle/scenario.ts), as it must arrive. */
const TABLE: Record<Kind, Partial<LedgerPayment>[]> = {
  payment: [
    {
      opIndex: 0,
      type: 'payment',
      sender: CUSTOMER,
      asset: USDC,
      amount: 10_000_001n,
      reference: 'order 7 – für <dich> & m',
      referenceSource: 'memo_text',
    },
  ],
  // Horizon does not write out the id 0, but for the address; the memo does not count then.
  'payment-to-muxed-zero': [
    {
      opIndex: 0,
      type: 'payment',
      sender: CUSTOMER,
      asset: NATIVE,
      amount: 20_000_000n,
      reference: '0',
      referenceSource: 'muxed',
    },
  ],
  'payment-from-muxed': [
    {
      opIndex: 0,
      type: 'payment',
      sender: muxed(CUSTOMER, U64_MAX),
      asset: NATIVE,
      amount: 30_000_000n,
      reference: '7',
      referenceSource: 'muxed',
    },
  ],
  // Behind a payment and an operation that moves nothing and is not listed.
  'payment-among-others': [
    {
      opIndex: 2,
      type: 'payment',
      sender: CUSTOMER,
      asset: USDC,
      amount: 20_000_000n,
      reference: '1',
      referenceSource: 'muxed',
    },
  ],
  'payment-in-a-fee-bump': [
    {
      txHash: hashOf('fee bump'),
      innerTxHash: hashOf('inner of fee bump'),
      opIndex: 0,
      type: 'payment',
      sender: CUSTOMER,
      asset: USDC,
      amount: 60_000_000n,
      reference: '99',
      referenceSource: 'memo_id',
    },
  ],
  // 16 lumens were sent, over another asset.
  'path-payment-strict-send': [
    {
      opIndex: 0,
      type: 'path_payment_strict_send',
      sender: CUSTOMER,
      asset: USDC,
      amount: 40_000_000n,
      reference: '12',
      referenceSource: 'muxed',
    },
  ],
  'path-payment-strict-receive': [
    {
      opIndex: 0,
      type: 'path_payment_strict_receive',
      sender: CUSTOMER,
      asset: { code: 'BRIDGECOIN', issuer: USDC.issuer },
      amount: 100_000_000n,
      reference: null,
      referenceSource: null,
    },
  ],
  'create-account': [
    {
      opIndex: 0,
      type: 'create_account',
      sender: ROOT,
      asset: NATIVE,
      amount: 10_000_000_000n,
      reference: null,
      referenceSource: null,
    },
  ],
  // Five lumens, less the one paid before it and the fees of two operations.
  'account-merge': [
    {
      opIndex: 1,
      type: 'account_merge',
      sender: NEWCOMER,
      asset: NATIVE,
      amount: 39_999_800n,
      reference: '44',
      referenceSource: 'muxed',
    },
  ],
  'account-merge-in-a-fee-bump': [
    {
      txHash: hashOf('merge in a fee bump'),
      innerTxHash: hashOf('inner of merge in a fee bump'),
      opIndex: 0,
      type: 'account_merge',
      sender: NEWCOMER,
      asset: NATIVE,
      amount: 50_000_000n,
      reference: '45',
      referenceSource: 'memo_id',
    },
  ],
  // Twelve balance changes: four to the shop, a burn and a clawback from it, the rest between others.
  'invoke-host-function': (
    [
      [1, SPLITTER, USDC, 10_000_000n, U64_MAX],
      [2, SPLITTER, NATIVE, 10_000_000n, null],
      [8, SPLITTER, NATIVE, 0n, null],
      [9, USDC.issuer, USDC, 25_000_000n, '0'],
    ] as const
  ).map(([subIndex, sender, asset, amount, reference]) => ({
    opIndex: 0,
    subIndex,
    type: 'invoke_host_function',
    sender,
    asset,
    amount,
    reference,
    referenceSource: reference === null ? null : 'muxed',
  })),
};

const paymentsIn = (record: Json) => {
  const { payments, undecoded } = decodeRecord(record, new Set([SHOP]));
  expect(undecoded).toEqual([]);
  return payments;
};

describe('what an operation brings in', () => {
  test.each(KINDS)('%s', (kind) => {
    const record = recorded(kind);
    const { hash, ledger, created_at } = transactionOf(record);
    const whole = TABLE[kind].map((fields) => ({
      account: SHOP,
      txHash: hash,
      innerTxHash: null,
      subIndex: 0,
      operationId: record['paging_token'],
      ledger,
      closedAt: new Date(String(created_at)),
      ...fields,
    }));
    expect(paymentsIn(record)).toEqual(whole);
  });

  test('an issued asset called XLM is not lumens', () => {
    const [payment] = paymentsIn(recorded('payment', { asset_code: 'XLM' }));
    expect(payment?.asset).toEqual({ code: 'XLM', issuer: USDC.issuer });
  });
});
