/** What counts as coming in, to whom, how much, and under which hash. */
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { formatAmount, MAX_STROOPS, parseAmount } from '../../src/domain/money.ts';
import { decodeAll, decodeRecord } from '../../src/horizon/decode.ts';
import { muxed } from '../oracle/cast.ts';
import {
  changed,
  CUSTOMER,
  hashOf,
  operation,
  OTHER,
  recorded,
  recordOf,
  SHOP,
  USDC,
  type Json,
} from './records.ts';

const WATCHED = new Set([SHOP]);
const paymentsIn = (record: unknown, watched: ReadonlySet<string> = WATCHED) => {
  const { payments, undecoded } = decodeRecord(record, watched);
  expect(undecoded).toEqual([]);
  return payments;
};
const changesOf = (record: Json) => record['asset_balance_changes'] as Json[];

describe('what comes in to whom', () => {
  test.each<[string, Json, Json]>([
    ['to somebody else', operation('several operations', 2), { from: CUSTOMER, to: USDC.issuer }],
    [
      'out of the watched account',
      recordOf('payments of a ledger of three transactions', 2),
      { from: SHOP, to: CUSTOMER },
    ],
    ['from the watched account to itself', operation('to oneself'), { from: SHOP, to: SHOP }],
    [
      'from one of its muxed addresses to another',
      operation('between muxed addresses of oneself'),
      { from_muxed: muxed(SHOP, '1'), to_muxed: muxed(SHOP, '2') },
    ],
    ['in a failed transaction', operation('failed'), { from: CUSTOMER, to: SHOP }],
    [
      'in a failed transaction, though nobody could read it otherwise',
      changed(operation('failed'), { type: 'teleport', from: undefined }, { memo_type: null }),
      { to: SHOP },
    ],
  ])('nothing: %s', (_, record, parties) => {
    expect(record).toMatchObject(parties);
    expect(decodeRecord(record, WATCHED)).toEqual({ payments: [], undecoded: [] });
  });

  test('one contract call, to each watched account what is its own', () => {
    const both = paymentsIn(recorded('invoke-host-function'), new Set([SHOP, OTHER]));
    expect(both.map(({ account, subIndex }) => [account, subIndex])).toEqual([
      [SHOP, 1],
      [SHOP, 2],
      [OTHER, 7],
      [SHOP, 8],
      [SHOP, 9],
    ]);
  });

  test('a contract call from the watched account to itself is nothing', () => {
    const [, , toShop] = changesOf(recorded('invoke-host-function'));
    const within = { ...toShop, from: SHOP };
    const record = recorded('invoke-host-function', { asset_balance_changes: [toShop, within] });
    expect(paymentsIn(record)).toMatchObject([{ subIndex: 0 }]);
  });

  test('what a contract call moves to others is none of our business, however strange', () => {
    const record = recorded('invoke-host-function');
    const amounts = changesOf(record).map(({ amount }) => amount);
    // More than any account could hold.
    expect(amounts[6]).toBe('17014118346046923173168730371588.4105727');
    expect(paymentsIn(record)).toHaveLength(4);
  });

  test('a list is read record by record: one that cannot be read spoils no other', () => {
    const list = [recorded('payment'), recorded('payment', { amount: 'much' }), null];
    const { payments, undecoded } = decodeAll([...list, recorded('create-account')], WATCHED, SHOP);
    expect(payments.map(({ type }) => type)).toEqual(['payment', 'create_account']);
    expect(undecoded).toHaveLength(2);
  });
});

describe('fee bumps', () => {
  const [outer, inner] = [hashOf('fee bump'), hashOf('inner of fee bump')];
  const askedByInner = operation('inner of fee bump');

  test.each([
    ['outer hash', operation('fee bump')],
    ['inner hash', askedByInner],
    // No Horizon known does this.
    [
      'inner hash, and told of under it',
      changed(askedByInner, { transaction_hash: inner }, { hash: inner }),
    ],
  ])('asked for by its %s, it is the same ledger payment', (_, record) => {
    expect(paymentsIn(record)).toMatchObject([{ txHash: outer, innerTxHash: inner }]);
  });
});

describe('amounts are exact', () => {
  test('any amount that the ledger can carry, to the stroop', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, MAX_STROOPS), (stroops) => {
        const [payment] = paymentsIn(recorded('payment', { amount: formatAmount(stroops) }));
        expect(payment?.amount).toBe(stroops);
      }),
    );
  });

  test.each(['0.0000000', '0.0000001', '922337203685.4775807'])('%s', (amount) => {
    for (const record of [
      recorded('payment', { amount }),
      recorded('create-account', { starting_balance: amount }),
    ]) {
      expect(paymentsIn(record)).toMatchObject([{ amount: parseAmount(amount) }]);
    }
  });
});
