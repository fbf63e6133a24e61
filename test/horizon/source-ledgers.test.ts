/** The ledger source against a network with really signed transactions: whole ledgers and single transactions. */
import { describe, expect, test } from '@jest/globals';
import { Memo } from '@stellar/stellar-sdk';
import { ledgerPaymentKey } from '../../src/domain/ledger-payment.ts';
import { HorizonUnavailable } from '../../src/horizon/errors.ts';
import { paymentTo } from '../../src/sandbox/ledger/wallet.ts';
import { recorded } from './records.ts';
import { headOf, inTown, noOne, START } from './town.ts';

describe('ledgers', () => {
  test(
    'have closed at a time that never changes; null when the node does not have one',
    inTown(async (town) => {
      const { source, ledger } = town;
      const [first] = ledger.chain.history.ledgers;
      const closed = { sequence: 100, closedAt: new Date((first?.closedAt ?? 0) * 1000) };
      expect(await source.ledger(100)).toEqual(closed);
      const next = headOf(town) + 1;
      expect(await source.ledger(next)).toBeNull();
      ledger.closeLedger();
      expect((await source.ledger(next))?.sequence).toBe(next);
      // Known ones are not asked for again.
      ledger.faults.set({ kind: 'server_error' });
      expect(await source.ledger(100)).toEqual(closed);
    }),
  );

  test(
    'one that closed before a time: strictly, and the oldest one when all closed later',
    inTown(async (town) => {
      const { source, ledger } = town;
      for (let i = 0; i < 100; i += 1) ledger.closeLedger();
      const { ledgers } = ledger.chain.history;
      for (const { sequence, closedAt } of ledgers.slice(1)) {
        const found = await source.ledgerClosedBefore(new Date(closedAt * 1000));
        expect(found.sequence).toBeLessThan(sequence);
        expect(found.closedAt.getTime()).toBeLessThan(closedAt * 1000);
        const real = ledgers.find((one) => one.sequence === found.sequence);
        expect(found.closedAt.getTime()).toBe((real?.closedAt ?? 0) * 1000);
      }
      const head = headOf(town);
      const later = await source.ledgerClosedBefore(new Date(START + 1e9));
      expect(later.sequence).toBe(head);
      expect((await source.ledgerClosedBefore(new Date(0))).sequence).toBe(100);
    }),
  );

  test(
    'what one of them moved into some accounts, whole; null when the node does not have it',
    inTown(async (town) => {
      const { source, ledger, shop, customer, issuer } = town;
      const many = (to: string) => Array.from({ length: 100 }, () => paymentTo(to, '0.5'));
      await customer.enqueue(await customer.build(many(shop.address)));
      await shop.enqueue(await shop.build(many(customer.address)));
      await issuer.enqueue(await issuer.build(many(shop.address)));
      const sequence = ledger.closeLedger();
      const found = await source.ledgerPayments(sequence, new Set([shop.address, noOne]));
      expect(found?.undecoded).toEqual([]);
      expect(new Set(found?.payments.map((one) => one.ledger))).toEqual(new Set([sequence]));
      expect(new Set(found?.payments.map((one) => one.account))).toEqual(new Set([shop.address]));
      expect(new Set(found?.payments.map(ledgerPaymentKey)).size).toBe(200);
      expect(await source.ledgerPayments(sequence + 1, new Set([shop.address]))).toBeNull();
      const quiet = ledger.closeLedger();
      const nothing = { payments: [], undecoded: [] };
      expect(await source.ledgerPayments(quiet, new Set([shop.address]))).toEqual(nothing);
    }),
  );

  test(
    'an unreadable record in one concerns only the accounts that it mentions',
    inTown(async (town) => {
      const { source, ledger, shop, customer } = town;
      const id = String(BigInt(headOf(town) + 1) << 32n);
      const merge = { type: 'teleport', into: customer.address };
      const strange = recorded('account-merge', { ...merge, id, paging_token: id });
      const sequence = await ledger.injectRecord(customer.address, strange);
      const of = async (account: string) =>
        (await source.ledgerPayments(sequence, new Set([account])))?.undecoded.length;
      expect(await of(customer.address)).toBe(1);
      expect(await of(shop.address)).toBe(0);
    }),
  );
});

describe('a transaction', () => {
  test(
    'is found by its hash, with all that it moved into the accounts',
    inTown(async (town) => {
      const { source, shop, customer, usdc } = town;
      const { hash } = await customer.run(
        [paymentTo(shop.address, '1', usdc), paymentTo(shop.address, '2')],
        { memo: Memo.id('7') },
      );
      expect(await source.transaction(hash, new Set([shop.address]))).toMatchObject({
        kind: 'found',
        successful: true,
        txHash: hash,
        innerTxHash: null,
        ledger: headOf(town),
        payments: [
          { opIndex: 0, amount: 10_000_000n, reference: '7' },
          { opIndex: 1, amount: 20_000_000n, reference: '7' },
        ],
        undecoded: [],
      });
      expect(await source.transaction(hash, new Set([customer.address]))).toMatchObject({
        kind: 'found',
        payments: [],
      });
    }),
  );

  test(
    'inside a fee bump is the same by either of its hashes',
    inTown(async (town) => {
      const { source, shop, customer } = town;
      const inner = await customer.build([paymentTo(shop.address, '4')]);
      const { hash: outer } = await shop.submit(shop.bump(inner));
      const innerHash = Buffer.from(inner.hash()).toString('hex');
      const found = await source.transaction(outer, new Set([shop.address]));
      expect(found).toMatchObject({ kind: 'found', txHash: outer, innerTxHash: innerHash });
      expect(found).toMatchObject({ payments: [{ txHash: outer, innerTxHash: innerHash }] });
      expect(await source.transaction(innerHash, new Set([shop.address]))).toEqual(found);
      const [, payment] = (await source.page(shop.address, '0', 200)).payments;
      expect(found).toMatchObject({ payments: [payment] });
    }),
  );

  test(
    'that failed is found, and moved nothing',
    inTown(async ({ source, shop, customer }) => {
      const { hash, successful } = await customer.pay(shop.address, '100000');
      expect(successful).toBe(false);
      expect(await source.transaction(hash, new Set([shop.address]))).toMatchObject({
        kind: 'found',
        successful: false,
        txHash: hash,
        payments: [],
        undecoded: [],
      });
    }),
  );

  test(
    'that nobody knows is not found, as of a ledger that the node had',
    inTown(async (town) => {
      const found = await town.source.transaction('ab'.repeat(32), new Set());
      expect(found).toEqual({ kind: 'not_found', asOfLedger: headOf(town) });
    }),
  );

  test(
    'that only the second node has is found all the same',
    inTown(async ({ source, ledger, shop, customer }) => {
      const { hash } = await customer.pay(shop.address, '1');
      ledger.faults.set({ kind: 'lag', ledgers: 1, path: '^/transactions', times: 1 });
      const found = await source.transaction(hash, new Set([shop.address]));
      expect(found).toMatchObject({ kind: 'found', payments: [{ amount: 10_000_000n }] });
    }),
  );

  test(
    'whose payments the node does not show is neither found nor not found',
    inTown(async ({ source, ledger, shop, customer }) => {
      const { hash } = await customer.pay(shop.address, '1');
      ledger.faults.set({ kind: 'lag', ledgers: 1, path: `^/transactions/${hash}/payments` });
      const asked = source.transaction(hash, new Set([shop.address]));
      await expect(asked).rejects.toThrow(HorizonUnavailable);
    }),
  );
});
