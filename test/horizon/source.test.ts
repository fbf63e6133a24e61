/** The ledger source against a network with really signed transactions: accounts. */
import { describe, expect, test } from '@jest/globals';
import { Memo } from '@stellar/stellar-sdk';
import { muxedAddress } from '../../src/horizon/address.ts';
import { HorizonUnavailable } from '../../src/horizon/errors.ts';
import { paymentTo } from '../../src/sandbox/ledger/wallet.ts';
import { recorded } from './records.ts';
import { headOf, inTown, noOne, START } from './town.ts';

test(
  'the head is where the node says its history stands',
  inTown(async (town) => {
    const { source, ledger } = town;
    ledger.reapBelow(103);
    const latest = ledger.chain.history.latest();
    expect(await source.head()).toEqual({
      latestLedger: latest.sequence,
      latestClosedAt: new Date(latest.closedAt * 1000),
      oldestLedger: 103,
      networkPassphrase: ledger.networkPassphrase,
    });
  }),
);

describe('the payments of an account', () => {
  test(
    'page by page, each of them once, in order, with what the pages prove',
    inTown(async (town) => {
      const { source, shop, customer, usdc } = town;
      await customer.run(
        [paymentTo(shop.address, '1', usdc), paymentTo(muxedAddress(shop.address, 0n), '2')],
        { memo: Memo.id('4242') },
      );
      await shop.pay(customer.address, '5');
      const { hash } = await customer.pay(shop.address, '3', usdc, { memo: Memo.text('A-17') });
      const first = await source.page(shop.address, '0', 2);
      const end = headOf(town);
      // The account's creation, and the first operation of the transaction with two.
      expect(first.payments.map(({ type }) => type)).toEqual(['create_account', 'payment']);
      expect(first.covers?.throughLedger).toBe(end - 3);
      const second = await source.page(shop.address, first.nextCursor, 2);
      expect(second).toMatchObject({ records: 2, undecoded: [] });
      expect(second.payments).toMatchObject([{ opIndex: 1, amount: 20_000_000n, reference: '0' }]);
      const third = await source.page(shop.address, second.nextCursor, 2);
      expect(third.payments).toMatchObject([
        {
          txHash: hash,
          ledger: end,
          account: shop.address,
          sender: customer.address,
          asset: { code: 'USDC', issuer: usdc.split(':')[1] },
          amount: 30_000_000n,
          reference: 'A-17',
          referenceSource: 'memo_text',
        },
      ]);
      const closedAt = third.payments[0]?.closedAt;
      expect(third.covers).toEqual({ throughLedger: end, throughTime: closedAt });
      const fourth = await source.page(shop.address, third.nextCursor, 2);
      const nothing = { payments: [], undecoded: [], records: 0, covers: null };
      expect(fourth).toEqual({ ...nothing, nextCursor: third.nextCursor });
    }),
  );

  test(
    'of an account that the node does not know are an empty page that proves nothing',
    inTown(async ({ source }) => {
      const nothing = { payments: [], undecoded: [], records: 0, covers: null };
      expect(await source.page(noOne, '7', 200)).toEqual({ ...nothing, nextCursor: '7' });
    }),
  );

  test(
    'are not believed when the node repeats a page',
    inTown(async ({ source, ledger, shop }) => {
      const { nextCursor } = await source.page(shop.address, '0', 200);
      ledger.faults.set({ kind: 'repeat_page', times: 1 });
      await expect(source.page(shop.address, nextCursor, 200)).rejects.toThrow(HorizonUnavailable);
      expect((await source.page(shop.address, nextCursor, 200)).records).toBe(0);
    }),
  );

  test(
    'that cannot be read are kept, and the cursor goes on behind them',
    inTown(async (town) => {
      const { source, ledger, shop, customer } = town;
      const id = String(BigInt(headOf(town) + 1) << 32n);
      const strange = recorded('payment', { id, paging_token: id, type: 'teleport' });
      await ledger.injectRecord(shop.address, strange);
      await customer.pay(shop.address, '1');
      const page = await source.page(shop.address, '0', 200);
      expect(page.payments.map(({ amount }) => amount)).toEqual([10_000_000_000n, 10_000_000n]);
      expect(page.undecoded).toMatchObject([{ operationId: id, account: shop.address }]);
      expect(BigInt(page.nextCursor)).toBeGreaterThan(BigInt(id));
    }),
  );
});

describe('the entries of an account', () => {
  test(
    'are of one ledger, and each says when it was last written',
    inTown(async (town) => {
      const { source, ledger, shop, customer, usdc } = town;
      await customer.pay(shop.address, '1', usdc);
      const paid = headOf(town);
      ledger.closeLedger();
      const entries = await source.accountEntries(shop.address);
      expect(entries).toEqual({
        account: shop.address,
        asOfLedger: paid + 1,
        // Its own last transaction was the trust line.
        accountModifiedLedger: paid - 3,
        trustlines: new Map([[usdc, { lastModifiedLedger: paid, authorized: true }]]),
        memoRequired: false,
      });
      await customer.pay(shop.address, '1');
      const later = await source.accountEntries(shop.address);
      expect(later?.accountModifiedLedger).toBe(paid + 2);
      expect(later?.trustlines.get(usdc)?.lastModifiedLedger).toBe(paid);
    }),
  );

  test(
    'are null when the node does not know it',
    inTown(async ({ source }) => {
      expect(await source.accountEntries(noOne)).toBeNull();
    }),
  );
});

test(
  'no answer is an error in every method, never an empty result',
  inTown(async ({ source, ledger, shop }) => {
    ledger.faults.set({ kind: 'timeout' });
    const { address } = shop;
    for (const asked of [
      () => source.head(),
      () => source.page(address, '0', 200),
      () => source.accountEntries(address),
      () => source.ledger(100),
      () => source.ledgerClosedBefore(new Date(START)),
      () => source.ledgerPayments(100, new Set([address])),
      () => source.transaction('ab'.repeat(32), new Set([address])),
    ]) {
      await expect(asked()).rejects.toThrow(HorizonUnavailable);
    }
  }),
);
