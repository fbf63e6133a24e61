/** What counts as coming in, to whom, how much, and under which hash. */
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { formatAmount, MAX_STROOPS, parseAmount } from '../../src/domain/money.ts';
import { decodeAll, decodeRecord } from '../../src/horizon/decode.ts';
import { CONTRACT, OTHER, PAYER, recorded, SHOP, type Json } from './records.ts';

const WATCHED = new Set([SHOP]);
const paymentsIn = (record: unknown, watched: ReadonlySet<string> = WATCHED) => {
  const { payments, undecoded } = decodeRecord(record, watched);
  expect(undecoded).toEqual([]);
  return payments;
};
const hash = (twoDigits: string) => twoDigits.repeat(32);

describe('what comes in to whom', () => {
  test.each<[string, Json]>([
    ['to somebody else', recorded('payment', { to: OTHER })],
    ['out of the watched account', recorded('payment', { from: SHOP, to: PAYER })],
    ['from the watched account to itself', recorded('payment', { from: SHOP })],
    [
      'from one of its muxed addresses to another',
      recorded('payment-muxed-zero', { from: SHOP, from_muxed: undefined }),
    ],
    ['in a failed transaction', recorded('payment', { transaction_successful: false })],
    [
      'in a failed transaction, though nobody could read it otherwise',
      { transaction_successful: false, type: 'teleport' },
    ],
  ])('nothing: %s', (_, record) => {
    expect(decodeRecord(record, WATCHED)).toEqual({ payments: [], undecoded: [] });
  });

  test('one contract call, to each watched account what is its own', () => {
    const both = paymentsIn(recorded('invoke-host-function'), new Set([SHOP, OTHER]));
    expect(both.map(({ account, subIndex }) => [account, subIndex])).toEqual([
      [OTHER, 0],
      [SHOP, 1],
      [SHOP, 2],
      [SHOP, 3],
    ]);
  });

  test('a contract call from the watched account to itself is nothing', () => {
    const change = { asset_type: 'native', type: 'transfer', from: SHOP, to: SHOP, amount: '5' };
    const record = recorded('invoke-host-function', { asset_balance_changes: [change] });
    expect(paymentsIn(record)).toEqual([]);
  });

  test('what a contract call moves to others is none of our business, however strange', () => {
    const strange = { asset_type: 'native', type: 'transfer', from: PAYER, to: CONTRACT };
    const changes = [
      { ...strange, amount: '170141183460469231731.6871588' },
      { asset_type: 'native', type: 'transfer', from: PAYER, to: SHOP, amount: '5.0000000' },
    ];
    const record = recorded('invoke-host-function', { asset_balance_changes: changes });
    expect(paymentsIn(record)).toMatchObject([{ subIndex: 1, amount: 50_000_000n }]);
  });

  test('a list is read record by record: one that cannot be read spoils no other', () => {
    const list = [recorded('payment'), recorded('payment', { amount: 'much' }), null];
    const { payments, undecoded } = decodeAll([...list, recorded('create-account')], WATCHED, SHOP);
    expect(payments.map(({ type }) => type)).toEqual(['payment', 'create_account']);
    expect(undecoded).toHaveLength(2);
  });
});

describe('fee bumps', () => {
  const bump = {
    fee_bump_transaction: { hash: hash('b1') },
    inner_transaction: { hash: hash('b2') },
  };

  test.each([
    ['outer', hash('b1')],
    ['inner', hash('b2')],
  ])('asked for by its %s hash, it is the same ledger payment', (_, asked) => {
    const fields = { transaction_hash: asked };
    const record = recorded('payment', fields, { ...bump, hash: asked });
    expect(paymentsIn(record)).toMatchObject([{ txHash: hash('b1'), innerTxHash: hash('b2') }]);
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
