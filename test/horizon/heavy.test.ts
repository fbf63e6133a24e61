/** Pages above the size limit (a payer can make them): everything is read all the same, in parts. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from '@jest/globals';
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
    expect((await source.page(shop.address, '0', 200)).records).toBe(50);
  }),
);
