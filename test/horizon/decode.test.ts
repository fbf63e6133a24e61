import { describe, expect, test } from '@jest/globals';
import { NATIVE } from '../../src/domain/asset.ts';
import type { LedgerPayment } from '../../src/domain/ledger-payment.ts';
import { decodeRecord } from '../../src/horizon/decode.ts';
import {
  CLOSED_AT,
  CONTRACT,
  LEDGER,
  OTHER,
  PAYER,
  recorded,
  RECORDED,
  SHOP,
  USDC,
} from './records.ts';

const WATCHED = new Set([SHOP]);
const paymentsIn = (record: unknown, watched: ReadonlySet<string> = WATCHED) => {
  const { payments, undecoded } = decodeRecord(record, watched);
  expect(undecoded).toEqual([]);
  return payments;
};
const hash = (twoDigits: string) => twoDigits.repeat(32);

/** What each recorded operation brings in, field by field; all of them in one ledger. */
const TABLE: [(typeof RECORDED)[number], Partial<LedgerPayment>[]][] = [
  [
    'payment',
    [
      {
        txHash: hash('11'),
        opIndex: 0,
        operationId: '225179981368528897',
        type: 'payment',
        sender: PAYER,
        asset: USDC,
        amount: 125_000_000n,
        reference: '4242',
        referenceSource: 'memo_id',
      },
    ],
  ],
  [
    // To a muxed address with the id 0, which Horizon does not write out; the memo does not count then.
    'payment-muxed-zero',
    [
      {
        txHash: hash('12'),
        opIndex: 1,
        operationId: '225179981368532994',
        type: 'payment',
        sender: 'MCEZWKCA5VLDNRLN3RPRJMRZOX3Z6G5CHCGSNFHEYVXM3XOJMDS66AAAAAAAAAAAA4GDU',
        asset: NATIVE,
        amount: 1n,
        reference: '0',
        referenceSource: 'muxed',
      },
    ],
  ],
  [
    'path-payment-strict-send',
    [
      {
        txHash: hash('13'),
        opIndex: 0,
        operationId: '225179981368537089',
        type: 'path_payment_strict_send',
        sender: PAYER,
        asset: USDC,
        amount: 99_999_999n,
        reference: '18446744073709551615',
        referenceSource: 'muxed',
      },
    ],
  ],
  [
    'path-payment-strict-receive',
    [
      {
        txHash: hash('14'),
        opIndex: 0,
        operationId: '225179981368541185',
        type: 'path_payment_strict_receive',
        sender: PAYER,
        asset: { code: 'BRIDGECOIN', issuer: OTHER },
        amount: 100_000_000n,
        reference: '4242',
        referenceSource: 'memo_text',
      },
    ],
  ],
  [
    'create-account',
    [
      {
        txHash: hash('15'),
        opIndex: 0,
        operationId: '225179981368545281',
        type: 'create_account',
        sender: PAYER,
        asset: NATIVE,
        amount: 250_000_000n,
        reference: null,
        referenceSource: null,
      },
    ],
  ],
  [
    'account-merge',
    [
      {
        txHash: hash('16'),
        opIndex: 1,
        operationId: '225179981368549378',
        type: 'account_merge',
        sender: PAYER,
        asset: NATIVE,
        amount: 99_876_543_210n,
        reference: '4242',
        referenceSource: 'muxed',
      },
    ],
  ],
  [
    'account-merge-fee-bump',
    [
      {
        txHash: hash('17'),
        innerTxHash: hash('a7'),
        opIndex: 0,
        operationId: '225179981368553473',
        type: 'account_merge',
        sender: PAYER,
        asset: NATIVE,
        amount: 15_000_000n,
        reference: '4242',
        referenceSource: 'memo_id',
      },
    ],
  ],
  [
    // Six balance changes: to somebody else, three to the shop, and a burn and a clawback from it.
    'invoke-host-function',
    (
      [
        [1, PAYER, USDC, 100_000_000n, '4242'],
        [2, CONTRACT, NATIVE, 0n, null],
        [3, USDC.issuer, USDC, 25_000_000n, '0'],
      ] as const
    ).map(([subIndex, sender, asset, amount, reference]) => ({
      txHash: hash('18'),
      opIndex: 0,
      subIndex,
      operationId: '225179981368557569',
      type: 'invoke_host_function',
      sender,
      asset,
      amount,
      reference,
      referenceSource: reference === null ? null : 'muxed',
    })),
  ],
];

describe('what an operation brings in', () => {
  test.each(TABLE)('%s', (name, expected) => {
    const same = { innerTxHash: null, subIndex: 0, ledger: LEDGER, closedAt: CLOSED_AT };
    const whole = expected.map((fields) => ({ ...same, account: SHOP, ...fields }));
    expect(paymentsIn(recorded(name))).toEqual(whole);
  });

  test('every recorded operation is in the table', () => {
    expect(TABLE.map(([name]) => name)).toEqual(RECORDED);
  });

  test('an issued asset called XLM is not lumens', () => {
    const [payment] = paymentsIn(recorded('payment', { asset_code: 'XLM' }));
    expect(payment?.asset).toEqual({ code: 'XLM', issuer: USDC.issuer });
  });
});
