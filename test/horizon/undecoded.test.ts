/** Records that cannot be read: kept whole, for the accounts that they concern, and never read wrongly. */
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { decodeRecord } from '../../src/horizon/decode.ts';
import {
  CUSTOMER,
  KINDS,
  OTHER,
  recorded,
  SHOP,
  transactionOf,
  type Json,
  type Kind,
} from './records.ts';

const WATCHED = new Set([SHOP]);
const changes = (...list: unknown[]) => ({ asset_balance_changes: list });
const [, , TRANSFER] = recorded('invoke-host-function')['asset_balance_changes'] as Json[];

describe('kept as it is', () => {
  /** What is wrong with it, with what, which fields of it and of its transaction make it so, and what is told. */
  test.each<[string, Kind, Json, Json, RegExp]>([
    ['a type that is not known', 'payment', { type: 'teleport' }, {}, /teleport/],
    ['no amount', 'payment', { amount: undefined }, {}, /amount/],
    ['an amount that is a number', 'payment', { amount: 12.5 }, {}, /amount/],
    ['an amount over int64', 'payment', { amount: '922337203685.4775808' }, {}, /Stellar/],
    ['a negative amount', 'payment', { amount: '-1.0000000' }, {}, /Not a Stellar amount/],
    ['eight decimals', 'payment', { amount: '1.00000001' }, {}, /Not a Stellar amount/],
    ['no receiver', 'payment', { to: undefined }, {}, /to/],
    ['no payer', 'payment', { from: undefined }, {}, /from/],
    ['a payer that is no address', 'payment', { from: 'GABC' }, {}, /GABC/],
    ['a receiver that is no account', 'payment', { to: 'GABC' }, {}, /GABC/],
    [
      'a muxed address with a broken checksum',
      'payment',
      { to_muxed: `M${'A'.repeat(68)}` },
      {},
      /./,
    ],
    ['an asset without its issuer', 'payment', { asset_issuer: undefined }, {}, /asset/],
    ['an asset type of the future', 'payment', { asset_type: 'nft' }, {}, /nft/],
    ['no transaction joined', 'payment', { transaction: undefined }, {}, /transaction/],
    ['a transaction without its memo type', 'payment', {}, { memo_type: null }, /memo/],
    ['no word on success', 'payment', { transaction_successful: undefined }, {}, /success/],
    ['no time', 'payment', { created_at: undefined }, {}, /created_at/],
    ['no id', 'payment', { id: undefined }, {}, /id/],
    ['a merge without a result', 'account-merge', {}, { result_xdr: undefined }, /xdr/],
    ['a merge with a broken result', 'account-merge', {}, { result_xdr: 'AAAA' }, /./],
    [
      'a merge whose result is of another operation',
      'account-merge',
      { id: String(BigInt(String(recorded('account-merge')['id'])) - 1n) },
      {},
      /merge/,
    ],
    [
      'a contract call without changes',
      'invoke-host-function',
      { asset_balance_changes: null },
      {},
      /./,
    ],
    ['a balance change that is none', 'invoke-host-function', changes(null), {}, /./],
    [
      'a balance change of a kind not known',
      'invoke-host-function',
      changes({ ...TRANSFER, type: 'airdrop' }),
      {},
      /airdrop/,
    ],
    [
      'a transfer to nobody',
      'invoke-host-function',
      changes({ ...TRANSFER, to: undefined }),
      {},
      /receiver/,
    ],
    [
      'a transfer of lumens from nobody',
      'invoke-host-function',
      changes({ ...TRANSFER, from: undefined }),
      {},
      /payer/,
    ],
    [
      'a muxed id above u64',
      'invoke-host-function',
      changes({ ...TRANSFER, destination_muxed_id: '18446744073709551616' }),
      {},
      /muxed id/,
    ],
  ])('%s', (_, kind, fields, transaction, problem) => {
    const { ledger } = transactionOf(recorded(kind));
    const record = recorded(kind, fields, transaction);
    const { payments, undecoded } = decodeRecord(record, WATCHED, SHOP);
    expect(payments).toEqual([]);
    expect(undecoded).toHaveLength(1);
    expect(undecoded[0]).toMatchObject({ account: SHOP, ledger: 'id' in record ? ledger : 0 });
    expect(undecoded[0]?.operationId).toBe(record['id'] ?? record['paging_token']);
    expect(undecoded[0]?.problem).toMatch(problem);
    expect(JSON.parse(undecoded[0]?.raw ?? '')).toEqual(record);
  });

  test('a record without any name of its own is still kept, under a short one', () => {
    const record = recorded('payment', { id: undefined, paging_token: undefined });
    const { undecoded } = decodeRecord(record, WATCHED);
    expect(undecoded).toMatchObject([{ ledger: 0, raw: JSON.stringify(record) }]);
    expect(undecoded[0]?.operationId.length).toBeLessThanOrEqual(200);
    expect(undecoded[0]?.operationId).not.toBe('');
  });
});

describe('whom it concerns', () => {
  const between = (from: string, to: string) => recorded('payment', { type: 'teleport', from, to });
  const accounts = (record: unknown, watched: string[], owner?: string) =>
    decodeRecord(record, new Set(watched), owner ?? null).undecoded.map(({ account }) => account);

  test('among the payments of an account, that account, whatever the record says', () => {
    expect(accounts({ id: '1' }, [SHOP], SHOP)).toEqual([SHOP]);
    expect(accounts(null, [SHOP], SHOP)).toEqual([SHOP]);
  });

  test('elsewhere, the watched accounts that it mentions', () => {
    expect(accounts(between(CUSTOMER, SHOP), [OTHER, SHOP])).toEqual([SHOP]);
    expect(accounts(between(OTHER, SHOP), [OTHER, SHOP])).toEqual([OTHER, SHOP]);
  });

  test('elsewhere, nobody whom it does not mention, though only one account is watched', () => {
    expect(accounts(between(CUSTOMER, OTHER), [SHOP])).toEqual([]);
  });
});

describe('nothing is read wrongly', () => {
  test('whatever comes is read or kept, and never throws', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const { payments, undecoded } = decodeRecord(value, WATCHED, SHOP);
        const failed = (value as Json | null)?.['transaction_successful'] === false;
        expect(payments.length + undecoded.length).toBe(failed ? 0 : 1);
      }),
    );
  });

  /** What of a ledger payment decides about money. */
  const money = (record: unknown) =>
    decodeRecord(record, WATCHED, SHOP).payments.map(
      ({ txHash, opIndex, subIndex, account, asset, amount, ledger, closedAt }) => {
        return { txHash, opIndex, subIndex, account, asset, amount, ledger, closedAt };
      },
    );

  test.each(KINDS)('%s: without any one of its fields it is the same money or kept', (kind) => {
    const whole = recorded(kind);
    for (const field of Object.keys(whole)) {
      const found = decodeRecord({ ...whole, [field]: undefined }, WATCHED, SHOP);
      if (found.undecoded.length === 0) {
        expect(money({ ...whole, [field]: undefined })).toEqual(money(whole));
      } else {
        expect(found.payments).toEqual([]);
      }
    }
    for (const field of Object.keys(whole['transaction'] as Json)) {
      const record = recorded(kind, {}, { [field]: undefined });
      if (decodeRecord(record, WATCHED, SHOP).undecoded.length === 0) {
        expect(money(record)).toEqual(money(whole));
      }
    }
  });
});
