/** The ledger source against a network with really signed transactions: whole ledgers and single transactions. */
import { describe, expect, test } from '@jest/globals';
import { Memo, Operation } from '@stellar/stellar-sdk';
import type { LedgerHeader } from '../../src/domain/evidence.ts';
import { MoreThanCounted, OtherChain } from '../../src/domain/ledger-errors.ts';
import { ledgerPaymentKey } from '../../src/domain/ledger-payment.ts';
import { HorizonUnavailable } from '../../src/horizon/errors.ts';
import { assetOf, paymentTo } from '../../src/sandbox/ledger/wallet.ts';
import { headOf, inTown, noOne, type Town } from './town.ts';

const trustOf = (asset: string) => Operation.changeTrust({ asset: assetOf(asset) });
const nameOf = ({ sequence, hash, closedAt }: LedgerHeader) => ({ sequence, hash, closedAt });

/** A closed ledger of the sandbox as its header must arrive. */
const headerOf = ({ ledger }: Town, sequence: number): LedgerHeader => {
  const record = ledger.chain.history.ledger(sequence);
  if (record === undefined) throw new RangeError(`Ledger ${sequence} has not closed.`);
  return {
    sequence,
    hash: record.hash,
    previousHash: record.previousHash,
    closedAt: new Date(record.closedAt * 1000),
    operationCount: record.operations.filter((one) => one.transaction?.successful).length,
  };
};

describe('headers', () => {
  test(
    'are read one by one, never from memory; null when the node does not have one',
    inTown(async (town) => {
      const { source, ledger, shop, customer } = town;
      await customer.pay(shop.address, '100000');
      await customer.run([paymentTo(shop.address, '1'), paymentTo(shop.address, '2')]);
      const head = headOf(town);
      for (const sequence of [101, head - 1, head]) {
        expect(await source.ledger(sequence)).toEqual(headerOf(town, sequence));
      }
      expect(headerOf(town, head - 1).operationCount).toBe(0);
      expect(headerOf(town, head).operationCount).toBe(2);
      expect(await source.newestLedger()).toEqual(headerOf(town, head));
      expect(await source.ledger(head + 1)).toBeNull();
      ledger.reapBelow(103);
      expect(await source.ledger(101)).toBeNull();
    }),
  );

  test(
    'follow the tip, or lead back from the first one',
    inTown(async (town) => {
      const { source, ledger } = town;
      for (let i = 0; i < 300; i += 1) ledger.closeLedger();
      const [middle, head] = [200, headOf(town)];
      const expected = (from: number, to: number) =>
        Array.from({ length: to - from + 1 }, (_, i) => headerOf(town, from + i));
      const tip = headerOf(town, middle);
      const after = await source.ledgersAfter(tip);
      expect(after?.headers).toEqual(expected(middle + 1, middle + 199));
      expect((await source.ledgersAfter(headerOf(town, head)))?.headers).toEqual([]);
      expect((await source.ledgersBefore(tip))?.headers).toEqual(expected(100, middle));
      const back = await source.ledgersBefore(headerOf(town, head));
      expect(back?.headers).toEqual(expected(head - 199, head));
    }),
  );

  test(
    'are not there where the node lags, or has forgotten the known one',
    inTown(async (town) => {
      const { source, ledger } = town;
      for (let i = 0; i < 10; i += 1) ledger.closeLedger();
      const tip = headerOf(town, headOf(town));
      const behind = ledger.faults.set({ kind: 'lag', ledgers: 2 });
      expect(await source.ledgersAfter(tip)).toBeNull();
      expect(await source.ledgersBefore(tip)).toBeNull();
      ledger.faults.clear(behind);
      const early = headerOf(town, 103);
      ledger.reapBelow(105);
      expect(await source.ledgersAfter(early)).toBeNull();
      expect(await source.ledgersBefore(early)).toBeNull();
    }),
  );

  test(
    'of a network that was reset contradict the known one',
    inTown(async (town) => {
      const { source, ledger } = town;
      const tip = headerOf(town, 103);
      ledger.resetNetwork(100);
      for (let i = 0; i < 10; i += 1) ledger.closeLedger();
      await expect(source.ledgersAfter(tip)).rejects.toThrow(OtherChain);
      await expect(source.ledgersBefore(tip)).rejects.toThrow(OtherChain);
    }),
  );
});

describe('a whole ledger', () => {
  test(
    'has what it moved into some accounts, and says for whom it was read',
    inTown(async (town) => {
      const { source, ledger, shop, customer, issuer } = town;
      const many = (to: string) => Array.from({ length: 100 }, () => paymentTo(to, '0.5'));
      await customer.enqueue(await customer.build(many(shop.address)));
      await shop.enqueue(await shop.build(many(customer.address)));
      await issuer.enqueue(await issuer.build(many(shop.address)));
      const header = headerOf(town, ledger.closeLedger());
      expect(header.operationCount).toBe(300);
      const accounts = new Set([shop.address, noOne]);
      const found = await source.wholeLedger(header, accounts);
      expect(found).toMatchObject({ ...nameOf(header), accounts, undecoded: [] });
      expect(new Set(found?.payments.map((one) => one.account))).toEqual(new Set([shop.address]));
      expect(new Set(found?.payments.map(ledgerPaymentKey)).size).toBe(200);
      const quiet = headerOf(town, ledger.closeLedger());
      expect(await source.wholeLedger(quiet, accounts)).toMatchObject({ payments: [] });
    }),
  );

  test(
    'has operations that are no payments, which are skipped, and none of failed transactions',
    inTown(async (town) => {
      const { source, ledger, shop, customer, issuer } = town;
      await shop.enqueue(await shop.build([trustOf(`EURC:${issuer.address}`)]));
      await customer.enqueue(await customer.build([paymentTo(shop.address, '100000')]));
      const header = headerOf(town, ledger.closeLedger());
      expect(header.operationCount).toBe(1);
      const found = await source.wholeLedger(header, new Set([shop.address]));
      expect(found).toMatchObject({ payments: [], undecoded: [] });
    }),
  );

  test(
    'is not there where the node lags, has forgotten it, or hides a part of it',
    inTown(async (town) => {
      const { source, ledger, shop, customer } = town;
      const { hash } = await customer.pay(shop.address, '1');
      const header = headerOf(town, headOf(town));
      const ofShop = () => source.wholeLedger(header, new Set([shop.address]));
      ledger.hideTransaction(hash);
      expect(await ofShop()).toBeNull();
      ledger.fillGap();
      expect((await ofShop())?.payments).toHaveLength(1);
      ledger.faults.set({ kind: 'lag', ledgers: 1, times: 1 });
      expect(await ofShop()).toBeNull();
      ledger.closeLedger();
      ledger.reapBelow(header.sequence + 1);
      expect(await ofShop()).toBeNull();
    }),
  );

  test(
    'of which more is shown than its header counts contradicts a node that filters',
    inTown(async (town) => {
      const { source, shop, customer } = town;
      await customer.pay(shop.address, '1');
      const header = { ...headerOf(town, headOf(town)), operationCount: 0 };
      await expect(source.wholeLedger(header, new Set())).rejects.toThrow(MoreThanCounted);
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
    'that the node does not show is not found, in one request',
    inTown(async ({ source, ledger, shop, customer }) => {
      expect(await source.transaction('ab'.repeat(32), new Set())).toEqual({ kind: 'not_found' });
      const { hash } = await customer.pay(shop.address, '1');
      ledger.faults.set({ kind: 'lag', ledgers: 1, path: '^/transactions', times: 1 });
      const ofShop = () => source.transaction(hash, new Set([shop.address]));
      expect(await ofShop()).toEqual({ kind: 'not_found' });
      expect(await ofShop()).toMatchObject({ payments: [{ amount: 10_000_000n }] });
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
