/** Pages above the size limit (a payer can make them): everything is read all the same, in parts. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from '@jest/globals';
import { Asset, Memo, Operation } from '@stellar/stellar-sdk';
import type { PageStart } from '../../src/domain/account-page.ts';
import type { LedgerSource } from '../../src/domain/ledger-source.ts';
import { createHorizonSource } from '../../src/horizon/source.ts';
import { paymentTo } from '../../src/sandbox/ledger/wallet.ts';
import { headOf, inTown, type Town } from './town.ts';

/** The town's Horizon, whose records weigh 170 kB each: as those of a transaction of a hundred path payments do. */
const throughHeavy = (body: (source: LedgerSource, town: Town) => Promise<void>) =>
  inTown(async (town) => {
    const server = createServer((request, response) => {
      void (async () => {
        const answer = await fetch(`${town.ledger.url}${request.url}`);
        const text = await answer.text();
        const records = text.split('"transaction_successful"').length - 1;
        response.writeHead(answer.status).end(text + ' '.repeat(records * 170_000));
      })();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}`;
    const source = createHorizonSource({ url, requestsPerHour: 0 });
    try {
      await body(source, town);
    } finally {
      await source.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });

test(
  'an account, a ledger and a transaction with a hundred heavy payments',
  throughHeavy(async (source, town) => {
    const { shop, customer } = town;
    const before = headOf(town);
    const payments = Array.from({ length: 100 }, () => paymentTo(shop.address, '0.1'));
    const { hash } = await customer.run(payments);
    const accounts = new Set([shop.address]);

    const known = await source.lastRecord(shop.address, before);
    const found: string[] = [];
    let start: PageStart = { afterLedger: before, known };
    let pages = 0;
    for (let isFull = true; isFull; pages += 1) {
      const page = await source.accountPage(shop.address, start, 200);
      found.push(...(page?.payments ?? []).map(({ operationId }) => operationId));
      isFull = page?.isFull ?? false;
      // What is full ends within the ledger, and does not cover it.
      expect(page?.throughLedger).toBe(isFull ? before : before + 1);
      start = page?.next ?? start;
    }
    expect(pages).toBeGreaterThan(1);
    expect(new Set(found).size).toBe(100);
    expect(found).toHaveLength(100);

    const header = await source.ledger(before + 1);
    const whole = header && (await source.wholeLedger(header, accounts));
    expect(whole?.payments.map(({ operationId }) => operationId)).toEqual(found);
    expect(await source.transaction(hash, accounts)).toMatchObject({ payments: { length: 100 } });
    // A page that was made smaller is not the end, for whoever reads again or audits.
    const again = await source.page(shop.address, '0', 200);
    expect(again.records).toBeLessThan(25);
    expect(again.isLast).toBe(false);
  }),
);

/** A Horizon in front of the town's that counts what it was asked for, and how many bytes it answered with. */
async function counting(town: Town, body: (source: LedgerSource, seen: Seen) => Promise<void>) {
  const seen: Seen = { bytes: 0, joined: 0, paths: [] };
  const server = createServer((request, response) => {
    void (async () => {
      const answer = await fetch(`${town.ledger.url}${request.url}`);
      const text = await answer.text();
      seen.bytes += text.length;
      seen.joined += request.url?.includes('join=') ? 1 : 0;
      seen.paths.push(new URL(request.url ?? '', 'http://town').pathname);
      response.writeHead(answer.status).end(text);
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const source = createHorizonSource({ url: `http://127.0.0.1:${port}`, requestsPerHour: 0 });
  try {
    await body(source, seen);
  } finally {
    await source.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

type Seen = { bytes: number; joined: number; paths: string[] };

/** Reads an account's pages to their end. Returns the payments. */
async function readAll(source: LedgerSource, account: string, after: number) {
  let start: PageStart = { afterLedger: after, known: await source.lastRecord(account, after) };
  const payments = [];
  for (let isFull = true; isFull;) {
    const page = await source.accountPage(account, start, 200);
    if (page === null) throw new Error('The page does not show where it begins.');
    payments.push(...page.payments);
    start = page.next;
    isFull = page.isFull;
  }
  return payments;
}

test(
  'transactions of a hundred large payments are read at their own size, not at its square, and like any other',
  inTown(async (town) => {
    const { ledger, shop, customer, issuer } = town;
    const before = headOf(town);
    const hops = Array.from({ length: 5 }, (_, i) => new Asset(`GIANT000000${i}`, issuer.address));
    const path = [Asset.native(), ...hops, Asset.native()].map(String);
    path.slice(1).forEach((buy, i) => ledger.chain.rates.set(path[i] ?? '', buy, '1'));
    const large = Operation.pathPaymentStrictReceive({
      sendAsset: Asset.native(),
      sendMax: '1',
      destination: shop.address,
      destAsset: Asset.native(),
      destAmount: '0.0000001',
      path: hops,
    });
    const operations = Array.from({ length: 100 }, () => large);
    for (let i = 0; i < 6; i += 1)
      await customer.run(operations, { memo: Memo.text(`giant ${i}`) });
    await counting(town, async (source, seen) => {
      const payments = await readAll(source, shop.address, before);
      expect(payments).toHaveLength(600);
      expect(new Set(payments.map(({ operationId }) => operationId)).size).toBe(600);
      // Six transactions of some 80 kB each, and the one answer that was thrown away: joined, they have 50 MB.
      expect(seen.joined).toBe(1);
      expect(seen.paths.filter((asked) => asked.startsWith('/transactions/')).length).toBeLessThan(
        12,
      );
      // As another source reads them that is never above the limit: a few records at a time.
      const singly = [];
      for (
        let { start, i } = { start: await startOf(source, shop.address, before), i: 0 };
        i < 8;
        i += 1
      ) {
        const page = await source.accountPage(shop.address, start, 10);
        singly.push(...(page?.payments ?? []));
        start = page?.next ?? start;
      }
      expect(payments.slice(0, singly.length)).toEqual(singly);
      expect(singly.length).toBeGreaterThan(50);
    });
  }),
  60_000,
);

async function startOf(source: LedgerSource, account: string, after: number): Promise<PageStart> {
  return { afterLedger: after, known: await source.lastRecord(account, after) };
}

test(
  'a transaction that the node shows in another ledger than its operations is not believed',
  inTown(async (town) => {
    const { shop, customer } = town;
    const before = headOf(town);
    await customer.run(Array.from({ length: 100 }, () => paymentTo(shop.address, '0.1')));
    const server = createServer((request, response) => {
      void (async () => {
        const answer = await fetch(`${town.ledger.url}${request.url}`);
        const text = await answer.text();
        const isJoined = request.url?.includes('join=') === true;
        const isTransaction = request.url?.startsWith('/transactions/') === true;
        const moved = isTransaction ? text.replace(/"ledger": \d+/, '"ledger": 7') : text;
        response.writeHead(answer.status).end(isJoined ? text + ' '.repeat(5 * 2 ** 20) : moved);
      })();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const source = createHorizonSource({ url: `http://127.0.0.1:${port}`, requestsPerHour: 0 });
    try {
      const start = await startOf(source, shop.address, before);
      await expect(source.accountPage(shop.address, start, 200)).rejects.toThrow(/in ledger 7/);
    } finally {
      await source.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }),
);
