/** The ledger source against a network with really signed transactions: accounts. */
import { describe, expect, test } from '@jest/globals';
import { Memo } from '@stellar/stellar-sdk';
import type { PageStart } from '../../src/domain/account-page.ts';
import { createAccounts } from '../../src/horizon/accounts.ts';
import { muxedAddress } from '../../src/horizon/address.ts';
import { HorizonUnavailable } from '../../src/horizon/errors.ts';
import type { HorizonHttp } from '../../src/horizon/http.ts';
import { paymentTo } from '../../src/sandbox/ledger/wallet.ts';
import { recorded as answerTo } from '../oracle/recorded.ts';
import { changed, recorded, recordOf, SHOP } from './records.ts';
import { headOf, inTown, noOne } from './town.ts';

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
      horizonVersion: 'sandbox',
    });
  }),
);

describe('the payments of an account', () => {
  test(
    'page by page, each of them once, in order',
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
      const fourth = await source.page(shop.address, third.nextCursor, 2);
      const nothing = { payments: [], undecoded: [], records: 0, isLast: true };
      expect(fourth).toEqual({ ...nothing, nextCursor: third.nextCursor });
    }),
  );

  test(
    'of an account that the node does not know are an empty page',
    inTown(async ({ source }) => {
      const nothing = { payments: [], undecoded: [], records: 0, isLast: true };
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

describe('a page of an account that shows where it begins', () => {
  const START_OF_TIME = { afterLedger: 99, known: null };

  test(
    'begins with its creation, then with the last record of the page before, which is not told again',
    inTown(async (town) => {
      const { source, shop, customer } = town;
      for (const amount of ['1', '2', '3']) await customer.pay(shop.address, amount);
      const end = headOf(town);
      const first = await source.accountPage(shop.address, START_OF_TIME, 2);
      expect(first?.payments.map(({ type }) => type)).toEqual(['create_account', 'payment']);
      expect(first).toMatchObject({ account: shop.address, isFull: true, throughLedger: end - 3 });
      const next = first?.next ?? START_OF_TIME;
      expect(next.known).toBe(first?.payments.at(-1)?.operationId);
      const second = await source.accountPage(shop.address, next, 200);
      expect(second?.payments.map(({ amount }) => amount)).toEqual([20_000_000n, 30_000_000n]);
      expect(second).toMatchObject({ isFull: false, throughLedger: end, start: next });
      const third = await source.accountPage(shop.address, second?.next ?? START_OF_TIME, 200);
      expect(third?.payments).toEqual([]);
      expect(third?.next).toEqual(second?.next);
    }),
  );

  test(
    'leads on even if one record is all that may be asked for',
    inTown(async ({ source, shop, customer }) => {
      await customer.pay(shop.address, '1');
      const found: bigint[] = [];
      let start: PageStart = START_OF_TIME;
      for (let i = 0; i < 2; i += 1) {
        const page = await source.accountPage(shop.address, start, 1);
        found.push(...(page?.payments ?? []).map(({ amount }) => amount));
        start = page?.next ?? start;
      }
      expect(found).toEqual([10_000_000_000n, 10_000_000n]);
    }),
  );

  test(
    'is not there where the node has forgotten where it begins, or is behind it',
    inTown(async (town) => {
      const { source, ledger, shop, customer } = town;
      await customer.pay(shop.address, '1');
      const paid = headOf(town);
      const known = await source.lastRecord(shop.address, paid);
      await customer.pay(shop.address, '2');
      const behind = { afterLedger: paid, known };
      ledger.faults.set({ kind: 'lag', ledgers: 2, times: 1 });
      expect(await source.accountPage(shop.address, behind, 200)).toBeNull();
      expect((await source.accountPage(shop.address, behind, 200))?.payments).toHaveLength(1);
      ledger.reapBelow(paid + 1);
      expect(await source.accountPage(shop.address, behind, 200)).toBeNull();
      expect(await source.accountPage(shop.address, START_OF_TIME, 200)).toBeNull();
      expect(await source.accountPage(noOne, START_OF_TIME, 200)).toBeNull();
    }),
  );

  test(
    'does not begin with the creation of another account',
    inTown(async (town) => {
      const { source, shop } = town;
      const afterLedger = headOf(town);
      await shop.createAccount(noOne, '5');
      const asked = source.accountPage(shop.address, { afterLedger, known: null }, 200);
      expect(await asked).toBeNull();
      const created = await source.accountPage(noOne, { afterLedger, known: null }, 200);
      expect(created?.payments).toMatchObject([{ type: 'create_account', account: noOne }]);
    }),
  );

  test(
    'begins with a record that brought nothing in, too',
    inTown(async (town) => {
      const { source, shop, customer } = town;
      await shop.pay(customer.address, '1');
      const sent = headOf(town);
      const known = await source.lastRecord(shop.address, sent);
      await customer.pay(shop.address, '2');
      const page = await source.accountPage(shop.address, { afterLedger: sent, known }, 200);
      expect(page?.payments.map(({ amount }) => amount)).toEqual([20_000_000n]);
    }),
  );

  test('proves nothing with a record that does not say where it stands', async () => {
    const [first, second] = [0, 1].map((place) => recordOf('all payments of the shop', place));
    const pageOf = (...records: unknown[]) => {
      const body = { _embedded: { records } };
      const http: HorizonHttp = {
        get: async () => ({ body, latestLedger: null }),
        close: async () => {},
      };
      return createAccounts(http).accountPage(SHOP, { afterLedger: 0, known: null }, 200);
    };
    expect(await pageOf(first, second)).not.toBeNull();
    const nowhere = { paging_token: undefined, id: undefined };
    expect(await pageOf(first, changed(second ?? {}, nowhere))).toBeNull();
  });
});

describe('the last record of an account through a ledger', () => {
  test(
    'is a paging token, of whatever record; null where there is none',
    inTown(async (town) => {
      const { source, ledger, shop, customer } = town;
      const quiet = headOf(town);
      const created = await source.lastRecord(shop.address, quiet);
      const [creation] = (await source.page(shop.address, '0', 200)).payments;
      expect(created).toBe(creation?.operationId);
      await shop.pay(customer.address, '1');
      const sent = await source.lastRecord(shop.address, quiet + 1);
      expect(Number(BigInt(sent ?? 0) >> 32n)).toBe(quiet + 1);
      expect(await source.lastRecord(shop.address, quiet)).toBe(created);
      expect(await source.lastRecord(shop.address, (creation?.ledger ?? 0) - 1)).toBeNull();
      expect(await source.lastRecord(noOne, quiet)).toBeNull();
      ledger.reapBelow(quiet + 1);
      expect(await source.lastRecord(shop.address, quiet - 1)).toBeNull();
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
      // Its own last transaction was the trust line.
      const trusted = ledger.chain.history.ledger(paid - 3);
      expect(entries?.shown).toEqual({
        account: shop.address,
        asOfLedger: paid + 1,
        accountModifiedLedger: paid - 3,
        accountModifiedAt: new Date((trusted?.closedAt ?? 0) * 1000),
        trustlines: new Map([[usdc, { lastModifiedLedger: paid, authorized: true }]]),
        memoRequired: false,
      });
      expect(entries?.unmoved(usdc)).toEqual({ asset: usdc, since: paid, through: paid + 1 });
      await customer.pay(shop.address, '1');
      const later = (await source.accountEntries(shop.address))?.shown;
      expect(later?.accountModifiedLedger).toBe(paid + 2);
      expect(later?.trustlines.get(usdc)?.lastModifiedLedger).toBe(paid);
    }),
  );

  test(
    'do not say when the account was modified, where the node has forgotten that ledger',
    inTown(async ({ source, ledger, shop }) => {
      for (let i = 0; i < 5; i += 1) ledger.closeLedger();
      ledger.reapBelow(ledger.chain.history.latest().sequence);
      const entries = await source.accountEntries(shop.address);
      expect(entries?.shown.accountModifiedAt).toBeNull();
    }),
  );

  test('without the ledger that they are of are no answer, and the message says what is missing', async () => {
    const body = answerTo('the account of the shop')?.body;
    const http: HorizonHttp = {
      get: async () => ({ body, latestLedger: null }),
      close: async () => {},
    };
    const asked = createAccounts(http).accountEntries(SHOP);
    await expect(asked).rejects.toThrow(HorizonUnavailable);
    await expect(createAccounts(http).accountEntries(SHOP)).rejects.toThrow(/Latest-Ledger.*proxy/);
  });

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
    const header = await source.newestLedger();
    ledger.faults.set({ kind: 'timeout' });
    const { address } = shop;
    for (const asked of [
      () => source.head(),
      () => source.page(address, '0', 200),
      () => source.accountEntries(address),
      () => source.ledger(100),
      () => source.newestLedger(),
      () => source.ledgersAfter(header),
      () => source.ledgersBefore(header),
      () => source.wholeLedger(header, new Set([address])),
      () => source.accountPage(address, { afterLedger: 99, known: null }, 200),
      () => source.lastRecord(address, 100),
      () => source.transaction('ab'.repeat(32), new Set([address])),
    ]) {
      await expect(asked()).rejects.toThrow(HorizonUnavailable);
    }
  }),
);
