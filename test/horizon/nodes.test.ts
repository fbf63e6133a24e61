/** Evidence read from several nodes that differ, behind one address: each answer is true, or no answer. */
import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import type { PageStart } from '../../src/domain/account-page.ts';
import { MoreThanCounted } from '../../src/domain/ledger-errors.ts';
import { HorizonUnavailable } from '../../src/horizon/errors.ts';
import type { Node } from '../../src/sandbox/ledger/nodes.ts';
import { paymentTo } from '../../src/sandbox/ledger/wallet.ts';
import { inTown, type Town } from './town.ts';

const LEDGERS = 14;

/** Which ledgers a node has, counted from the first payment. */
const holdings = (first: number, mayHaveGaps: boolean) =>
  fc.record(
    {
      head: fc.nat(LEDGERS).map((i) => ({ at: first + i })),
      oldest: fc.nat(LEDGERS).map((i) => ({ at: first + i })),
      ...(mayHaveGaps
        ? {
            gaps: fc
              .tuple(fc.nat(LEDGERS), fc.nat(3))
              .map(([from, more]) => [[first + from, first + from + more] as const]),
          }
        : {}),
    },
    { requiredKeys: [] },
  );

/** One to three nodes. Some have their operations on a second replica; a filter leaves gaps, too. */
function nodesOf({ customer }: Town, first: number, mayHaveGaps: boolean) {
  const node = fc
    .tuple(
      holdings(first, mayHaveGaps),
      fc.option(holdings(first, mayHaveGaps), { freq: 2 }),
      fc.boolean(),
    )
    .map(([held, replica, isPicky]) => ({
      ...held,
      ...(replica === null ? {} : { operations: replica }),
      ...(isPicky && mayHaveGaps ? { filter: { accounts: [customer.address] } } : {}),
    }));
  return fc
    .array(node, { minLength: 1, maxLength: 3 })
    .map((list): Node[] => list.map((one, i) => ({ ...one, name: `node ${i}` })));
}

/** Some payments to the shop, by the customer and by the issuer, and some ledgers without any. */
async function lived(town: Town) {
  const { source, ledger, shop, customer, issuer } = town;
  const first = ledger.chain.history.latest().sequence + 1;
  for (let i = 0; i < LEDGERS / 2; i += 1) {
    const amounts = ['0.5', String(i + 1)].slice(i % 2);
    const payer = i % 3 === 0 ? issuer : customer;
    await payer.run(amounts.map((amount) => paymentTo(shop.address, amount)));
    ledger.closeLedger();
  }
  const accounts = new Set([shop.address]);
  const headers = (await source.ledgersAfter((await source.ledger(first - 1)) ?? never()))?.headers;
  const payments = (await source.page(shop.address, '0', 200)).payments;
  return { first, accounts, headers: headers ?? never(), payments };
}

const never = (): never => {
  throw new Error('A node with the whole history shows everything.');
};

/** The answer; null when there was none, which says nothing either. */
const answered = <T>(asked: Promise<T>): Promise<T | null> =>
  asked.catch((error: unknown) => {
    const isNoAnswer = error instanceof HorizonUnavailable || error instanceof MoreThanCounted;
    if (isNoAnswer) return null;
    throw error;
  });

test(
  'headers, whole ledgers and entries, whatever the nodes have',
  inTown(async (town) => {
    const { source, ledger, shop } = town;
    const { first, accounts, headers, payments } = await lived(town);
    let found = 0;
    await fc.assert(
      fc.asyncProperty(nodesOf(town, first, true), fc.nat(LEDGERS - 1), async (nodes, i) => {
        ledger.nodes.set(nodes);
        const header = headers[i] ?? never();
        const after = (await answered(source.ledgersAfter(header)))?.headers ?? [];
        // A node with a filter counts fewer operations, under the same hash.
        const chained = after.map(({ sequence, hash }) => ({ sequence, hash }));
        const truth = headers.map(({ sequence, hash }) => ({ sequence, hash }));
        expect(chained).toEqual(truth.slice(i + 1, i + 1 + chained.length));

        const whole = await answered(source.wholeLedger(header, accounts));
        if (whole !== null) {
          const of = payments.filter((one) => one.ledger === header.sequence);
          expect(whole.payments).toEqual(of);
          found += 1;
        }

        const unmoved = (await answered(source.accountEntries(shop.address)))?.unmoved('native');
        const { since, through } = unmoved ?? { since: 0, through: 0 };
        expect(payments.filter((one) => one.ledger > since && one.ledger <= through)).toEqual([]);
      }),
      { numRuns: 60 },
    );
    expect(found).toBeGreaterThan(0);
  }),
);

test(
  'a page of an account, as long as each node has every ledger from its oldest on',
  inTown(async (town) => {
    const { source, ledger, shop } = town;
    const { first, payments } = await lived(town);
    let found = 0;
    const asked = fc.tuple(
      nodesOf(town, first, false),
      fc.nat(LEDGERS),
      fc.constantFrom(2, 3, 200),
    );
    await fc.assert(
      fc.asyncProperty(asked, async ([nodes, i, limit]) => {
        const afterLedger = first + i;
        const known = payments.findLast((one) => one.ledger <= afterLedger)?.operationId ?? null;
        const start: PageStart = { afterLedger, known };
        ledger.nodes.set(nodes);
        const page = await answered(source.accountPage(shop.address, start, limit));
        if (page === null) return;
        const covered = payments.filter(
          (one) => one.ledger > afterLedger && one.ledger <= page.throughLedger,
        );
        expect(page.payments).toEqual(expect.arrayContaining(covered));
        found += 1;
      }),
      { numRuns: 60 },
    );
    expect(found).toBeGreaterThan(0);
  }),
);
