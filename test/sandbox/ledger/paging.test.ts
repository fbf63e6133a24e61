import { describe, expect, test } from '@jest/globals';
import { paymentTo } from '../../../src/sandbox/ledger/wallet.ts';
import { linkOf, onNetwork, recordsOf } from './network.ts';
import type { Json, Network } from './network.ts';

const amounts = (records: Json[]) => records.map((one) => Number(one['amount']));
const ids = (records: Json[]) => records.map((one) => String(one['paging_token']));

/** A merchant with a creation and five payments of 1 to 5 lumens, in three transactions of three ledgers. */
async function shop({ ledger, wallet }: Network): Promise<string> {
  const [payer, merchant] = [await wallet(), await wallet()];
  for (const pays of [['1'], ['2', '3'], ['4', '5']]) {
    await payer.run(pays.map((amount) => paymentTo(merchant.address, amount)));
    ledger.closeLedger();
  }
  return `/accounts/${merchant.address}/payments`;
}

describe('payments', () => {
  test(
    'come ten to a page, oldest first, each after the one before',
    onNetwork(async (network) => {
      const list = await shop(network);
      const records = await network.records(list);
      expect(amounts(records)).toEqual([NaN, 1, 2, 3, 4, 5]);
      const tokens = ids(records).map(BigInt);
      expect(tokens).toEqual(tokens.toSorted((a, b) => (a < b ? -1 : 1)));
      expect(new Set(tokens).size).toBe(6);
      expect(records.every((one) => !('transaction' in one))).toBe(true);
    }),
  );

  test.each([
    ['asc', [NaN, 1, 2, 3, 4, 5], [6]],
    ['desc', [5, 4, 3, 2, 1, NaN], []],
  ] as const)('are followed by the next link in order %s', async (order, all, later) => {
    await onNetwork(async (network) => {
      const list = await shop(network);
      const seen: number[] = [];
      let path = `${list}?limit=2&order=${order}&join=transactions`;
      for (;;) {
        const { body } = await network.get(path);
        path = linkOf(body, 'next');
        const records = recordsOf(body);
        if (records.length === 0) break;
        expect(records.every((one) => 'transaction' in one)).toBe(true);
        seen.push(...amounts(records));
      }
      expect(seen).toEqual(all);
      const payer = await network.wallet();
      await payer.pay(list.split('/')[2] ?? '', '6');
      expect(amounts(await network.records(path))).toEqual(later);
    })();
  });

  test(
    'begin after the cursor, which may lie between records; prev leads back',
    onNetwork(async (network) => {
      const list = await shop(network);
      const tokens = ids(await network.records(list));
      const cursor = tokens[2];
      expect(amounts(await network.records(`${list}?cursor=${cursor}`))).toEqual([3, 4, 5]);
      expect(amounts(await network.records(`${list}?cursor=${cursor}&order=desc`))).toEqual([
        1,
        NaN,
      ]);
      const between = String(BigInt(cursor ?? 0) - 1n);
      expect(amounts(await network.records(`${list}?cursor=${between}`))).toEqual([2, 3, 4, 5]);
      const { body } = await network.get(`${list}?cursor=${cursor}&limit=2`);
      expect(amounts(await network.records(linkOf(body, 'prev')))).toEqual([2, 1]);
      expect(await network.records(`${list}?cursor=${2n ** 62n}`)).toEqual([]);
    }),
  );

  test(
    'after cursor=now are those to come',
    onNetwork(async (network) => {
      const list = await shop(network);
      const { body } = await network.get(`${list}?cursor=now`);
      expect(recordsOf(body)).toEqual([]);
      const payer = await network.wallet();
      await payer.pay(list.split('/')[2] ?? '', '6');
      expect(amounts(await network.records(linkOf(body, 'next')))).toEqual([6]);
    }),
  );

  test.each([
    ['limit', ['0', '201', '-1', 'many', '1.5']],
    ['order', ['up']],
    ['cursor', ['-1', 'later']],
    ['join', ['effects']],
  ])('refuse a wrong %s by name', async (field, values) => {
    await onNetwork(async ({ get, wallet }) => {
      const { address } = await wallet();
      for (const value of values) {
        const { status, body } = await get(`/accounts/${address}/payments?${field}=${value}`);
        expect(status).toBe(400);
        expect(body['extras']).toMatchObject({ invalid_field: field });
      }
    })();
  });

  test(
    'are 1 to 200 on a page',
    onNetwork(async ({ ledger, wallet, records }) => {
      const [payer, merchant] = [await wallet(), await wallet()];
      const hundred = Array.from({ length: 100 }, () => paymentTo(merchant.address, '0.01'));
      for (let i = 0; i < 2; i++) await payer.run(hundred);
      const list = `/accounts/${merchant.address}/payments`;
      expect(await records(`${list}?limit=200`)).toHaveLength(200);
      expect(await records(`${list}?limit=1`)).toHaveLength(1);
      expect(await records(list)).toHaveLength(10);
      const latest = ledger.chain.history.latest().sequence;
      expect(await records(`/ledgers/${latest}/payments?limit=200`)).toHaveLength(100);
      expect(await records('/payments?limit=200&order=desc')).toHaveLength(200);
    }),
  );

  test(
    'leave out what moves no money, which operations show',
    onNetwork(async ({ records, usdc }) => {
      const { payer } = await usdc();
      const types = async (list: string) =>
        (await records(`/accounts/${payer.address}/${list}`)).map((one) => one['type']);
      expect(await types('payments')).toEqual(['create_account', 'payment']);
      expect(await types('operations')).toEqual(['create_account', 'change_trust', 'payment']);
    }),
  );
});

test(
  'effects are paged by their own tokens',
  onNetwork(async ({ get, wallet, records }) => {
    const payer = await wallet();
    const { hash } = await payer.run([
      paymentTo(payer.address, '1'),
      paymentTo(payer.address, '2'),
    ]);
    const list = `/transactions/${hash}/effects`;
    const all = ids(await records(list));
    expect(all).toHaveLength(4);
    const seen: string[] = [];
    let path = `${list}?limit=3&order=desc`;
    for (;;) {
      const { body } = await get(path);
      if (recordsOf(body).length === 0) break;
      seen.push(...ids(recordsOf(body)));
      path = linkOf(body, 'next');
    }
    expect(seen).toEqual(all.toReversed());
  }),
);
