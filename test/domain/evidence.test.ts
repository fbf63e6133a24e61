/** What one answer proves: from nodes that differ, evidence is a piece of the books or nothing at all. */
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import {
  AccountEntries,
  HeaderRun,
  WholeLedger,
  type CountedOperation,
  type EntriesAnswer,
  type LedgerHeader,
} from '../../src/domain/evidence.ts';
import { AccountPage, type PageStart, type PlacedRecord } from '../../src/domain/account-page.ts';
import { MoreThanCounted, OtherChain } from '../../src/domain/ledger-errors.ts';
import type { Found, Head, PageHint } from '../../src/domain/ledger-source.ts';
import { minute } from './build.ts';

const NOTHING = { payments: [], undecoded: [] };
const FIRST = 100;

/** The headers of a network, one a minute; each network has hashes of its own. */
function chainOf(network: string, length: number): LedgerHeader[] {
  return Array.from({ length }, (_, i) => ({
    sequence: FIRST + i,
    hash: `${network}${FIRST + i}`,
    previousHash: `${network}${FIRST + i - 1}`,
    closedAt: minute(i),
    operationCount: i % 4,
  }));
}

const BOOKS = chainOf('a', 20);
const ELSEWHERE = chainOf('b', 20);
const at = (i: number, chain = BOOKS): LedgerHeader => {
  const header = chain[i];
  if (header === undefined) throw new RangeError(`The chain has no ledger ${i}.`);
  return header;
};

/** A node: each ledger of the books may be missing, and some are another network's. */
const node = fc
  .array(fc.constantFrom('books', 'missing', 'elsewhere', 'books', 'books', 'books'), {
    minLength: BOOKS.length,
    maxLength: BOOKS.length,
  })
  .map((from) =>
    from.flatMap((origin, i) =>
      origin === 'missing' ? [] : [at(i, origin === 'books' ? BOOKS : ELSEWHERE)],
    ),
  );
/** What several of them say in one answer: from somewhere on, perhaps shuffled, perhaps something twice. */
const answer = fc.oneof(
  fc.tuple(node, fc.nat(20)).map(([ledgers, start]) => ledgers.slice(start)),
  fc.shuffledSubarray([...BOOKS, ...ELSEWHERE]),
  fc.array(fc.constantFrom(...BOOKS, ...ELSEWHERE)),
);
const place = fc.integer({ min: 0, max: BOOKS.length - 1 });

const runOf = (run: () => HeaderRun | null): readonly LedgerHeader[] | null => {
  try {
    return run()?.headers ?? null;
  } catch (error) {
    expect(error).toBeInstanceOf(OtherChain);
    return null;
  }
};

describe('a run of headers', () => {
  test('after the tip is the next piece of the books, whatever nodes answer', () => {
    fc.assert(
      fc.property(place, answer, fc.boolean(), (i, rest, shows) => {
        const tip = at(i);
        const headers = runOf(() => HeaderRun.after(tip, shows ? [tip, ...rest] : rest));
        if (headers !== null) expect(headers).toEqual(BOOKS.slice(i + 1, i + 1 + headers.length));
      }),
    );
  });

  test('before the first known ledger is the piece of the books that ends with it', () => {
    fc.assert(
      fc.property(place, answer, fc.boolean(), (i, rest, shows) => {
        const first = at(i);
        const ledgers = [...(shows ? [first] : []), ...rest.toReversed()];
        const headers = runOf(() => HeaderRun.before(first, ledgers));
        if (headers === null) return;
        expect(headers.length).toBeGreaterThan(0);
        expect(headers).toEqual(BOOKS.slice(i + 1 - headers.length, i + 1));
      }),
    );
  });

  test('of an honest node goes on to the end of the answer', () => {
    expect(HeaderRun.after(at(5), BOOKS.slice(5, 15))?.headers).toEqual(BOOKS.slice(6, 15));
    expect(HeaderRun.before(at(9), BOOKS.slice(3, 10).toReversed())?.headers).toEqual(
      BOOKS.slice(3, 10),
    );
    expect(HeaderRun.after(at(5), [at(5)])?.headers).toEqual([]);
  });

  test('ends before a ledger that names another before it', () => {
    const forged = { ...at(7), previousHash: 'b106' };
    expect(HeaderRun.after(at(5), [at(5), at(6), forged, at(8)])?.headers).toEqual([at(6)]);
    const other = { ...at(6), hash: 'b106' };
    expect(HeaderRun.before(at(8), [at(8), at(7), other, at(5)])?.headers).toEqual([at(7), at(8)]);
  });

  test('ends before a number that is left out, though the hashes match', () => {
    const renumbered = { ...at(7), sequence: at(8).sequence };
    expect(HeaderRun.after(at(5), [at(5), at(6), renumbered])?.headers).toEqual([at(6)]);
    const lower = { ...at(6), sequence: at(5).sequence };
    expect(HeaderRun.before(at(8), [at(8), at(7), lower])?.headers).toEqual([at(7), at(8)]);
  });

  test.each<[string, LedgerHeader[]]>([
    ['an empty answer', []],
    ['an answer that begins later', BOOKS.slice(6, 9)],
    ['an answer that begins earlier', BOOKS.slice(4, 9)],
  ])('is not there in %s', (_, headers) => {
    expect(HeaderRun.after(at(5), headers)).toBeNull();
    expect(HeaderRun.before(at(5), headers)).toBeNull();
  });

  test('of another chain is a contradiction, in either direction', () => {
    expect(() => HeaderRun.after(at(5), ELSEWHERE.slice(5))).toThrow(OtherChain);
    expect(() => HeaderRun.before(at(5), ELSEWHERE.slice(0, 6).toReversed())).toThrow(OtherChain);
  });
});

describe('a whole ledger', () => {
  const HEADER: LedgerHeader = { ...at(3), operationCount: 4 };
  const operationsOf = (header: LedgerHeader, count: number): CountedOperation[] =>
    Array.from({ length: count }, (_, i) => ({
      id: (BigInt(header.sequence) << 32n) | (BigInt(i + 1) << 12n) | 1n,
      closedAt: header.closedAt,
    }));
  const TRUE = operationsOf(HEADER, 4);
  const whole = (operations: readonly CountedOperation[]) =>
    WholeLedger.of(HEADER, new Set(['shop']), operations, NOTHING);

  test('is exactly its operations, in order, whatever a node shows of it', () => {
    // Neighbours may have closed in the same second.
    const others = [at(2), at(4)].flatMap(({ sequence }) =>
      operationsOf({ ...HEADER, sequence }, 4),
    );
    // The same ledger of another network: the same ids, another close time.
    const elsewhere = TRUE.map(({ id }) => ({ id, closedAt: minute(-1) }));
    const shown = fc.oneof(
      fc.constant(TRUE),
      fc.subarray(TRUE),
      fc.shuffledSubarray(TRUE),
      fc.array(fc.constantFrom(...TRUE), { maxLength: 4 }),
      fc.array(fc.constantFrom(...TRUE, ...others, ...elsewhere), { maxLength: 6 }),
    );
    fc.assert(
      fc.property(shown, (operations) => {
        const isTrue =
          operations.length === TRUE.length && operations.every((one, i) => one === TRUE[i]);
        expect(whole(operations) !== null).toBe(isTrue);
      }),
    );
  });

  test('says what it was read for', () => {
    const ledger = whole(TRUE);
    expect(ledger).toMatchObject({ sequence: 103, hash: 'a103', closedAt: minute(3) });
    expect(ledger?.accounts).toEqual(new Set(['shop']));
  });

  test.each<[string, CountedOperation[]]>([
    ['one operation is not shown', TRUE.slice(1)],
    ['none is shown', []],
    ['one is shown twice in place of another', [...TRUE.slice(0, 3), ...TRUE.slice(2, 3)]],
    ['they are out of order', TRUE.toReversed()],
    ['one closed at another time', TRUE.map((one) => ({ ...one, closedAt: minute(4) }))],
    [
      'one is of the next ledger, which closed in the same second',
      [...TRUE.slice(0, 3), ...operationsOf({ ...HEADER, sequence: 104 }, 1)],
    ],
  ])('is not there when %s', (_, operations) => {
    expect(whole(operations)).toBeNull();
  });

  test('with more operations than counted contradicts its header', () => {
    expect(() => whole(operationsOf(HEADER, 5))).toThrow(MoreThanCounted);
  });
});

describe('a page of payments of an account', () => {
  const record = (ledger: number, createsAccount = false): PlacedRecord => ({
    token: String((BigInt(ledger) << 32n) | 4097n),
    ledger,
    createsAccount,
  });
  const LIFE = [record(100, true), ...[103, 104, 110, 111, 120].map((ledger) => record(ledger))];
  const pageOf = (known: PlacedRecord | null, records: PlacedRecord[], limit = 200) => {
    const start: PageStart = { afterLedger: known?.ledger ?? 99, known: known?.token ?? null };
    return AccountPage.of('shop', start, records, NOTHING, limit);
  };

  test('covers up to its end nothing that a node with a moved cursor left out', () => {
    fc.assert(
      fc.property(fc.nat(6), fc.nat(6), fc.integer({ min: 1, max: 7 }), (i, moved, limit) => {
        const known = LIFE[i - 1] ?? null;
        // The node forgot the records before `moved`, and begins there without a word.
        const shown = LIFE.slice(Math.max(i - 1, 0)).filter((one) => LIFE.indexOf(one) >= moved);
        const page = pageOf(known, shown.slice(0, limit), limit);
        if (page === null) return;
        const from = known?.ledger ?? 99;
        const covered = LIFE.filter((one) => one.ledger > from && one.ledger <= page.throughLedger);
        expect(shown.slice(0, limit)).toEqual(expect.arrayContaining(covered));
        expect(page.next.afterLedger).toBeGreaterThanOrEqual(from);
      }),
    );
  });

  test('begins with the known record, or with the creation of the account', () => {
    expect(pageOf(record(103), LIFE.slice(1))?.throughLedger).toBe(120);
    expect(pageOf(null, LIFE)?.throughLedger).toBe(120);
    expect(pageOf(record(103), LIFE.slice(2))).toBeNull();
    expect(pageOf(record(103), LIFE)).toBeNull();
    expect(pageOf(null, LIFE.slice(1))).toBeNull();
    expect(pageOf(null, [])).toBeNull();
  });

  test('that is full may end within a ledger, and the next one begins with its last record', () => {
    const page = pageOf(record(103), LIFE.slice(1, 4), 3);
    expect(page?.throughLedger).toBe(109);
    expect(page?.next).toEqual({ afterLedger: 109, known: record(110).token });
    expect(pageOf(record(103), LIFE.slice(1, 4), 4)?.throughLedger).toBe(110);
  });

  test('goes on within a ledger of more records than a page has', () => {
    const start = { afterLedger: 110, known: record(110).token };
    const page = AccountPage.of('shop', start, [record(110)], NOTHING, 1);
    expect(page?.next).toEqual(start);
  });

  test('out of order proves nothing', () => {
    expect(pageOf(record(103), [record(103), record(110), record(104)])).toBeNull();
    expect(pageOf(record(103), [record(103), record(103)])).toBeNull();
  });
});

describe('an account that was not modified', () => {
  const answer: EntriesAnswer = {
    account: 'GSHOP',
    asOfLedger: 500,
    accountModifiedLedger: 300,
    accountModifiedAt: minute(0),
    trustlines: new Map([
      ['USDC:GISSUER', { lastModifiedLedger: 200, authorized: true }],
      ['SHOP:GSHOP', { lastModifiedLedger: 100, authorized: true }],
    ]),
    memoRequired: false,
  };

  test.each<[string, string, number]>([
    ['lumens stand in the account itself', 'native', 300],
    ['an asset in its trustline', 'USDC:GISSUER', 200],
    ['without a trustline, since the account last changed', 'USDC:GOTHER', 300],
    ['the same in another case is another asset', 'usdc:GISSUER', 300],
  ])('%s', (_, asset, since) => {
    const entries = new AccountEntries(answer);
    expect(entries.unmoved(asset)).toEqual({ asset, since, through: 500 });
  });

  test('an issuer takes its own asset back without a trace: nothing is proven', () => {
    expect(new AccountEntries(answer).unmoved('SHOP:GSHOP')).toBeNull();
  });
});

/** Where evidence is asked for. Never called: the compiler is the test. */
declare const store: {
  run(run: HeaderRun): void;
  whole(ledger: WholeLedger): void;
  page(page: AccountPage): void;
  entries(entries: AccountEntries): void;
};

test('nothing of the same shape passes for evidence, and no hint does', () => {
  const unrun = (
    hints: { head: Head; page: PageHint; found: Found; header: LedgerHeader },
    values: {
      whole: Pick<WholeLedger, keyof WholeLedger>;
      page: Pick<AccountPage, keyof AccountPage>;
    },
  ): void => {
    // @ts-expect-error an object literal
    store.run({ headers: [hints.header] });
    // @ts-expect-error a header as one node shows it
    store.run(hints.header);
    // @ts-expect-error headers without the check
    store.run(new HeaderRun([hints.header]));
    // @ts-expect-error all its properties
    store.whole(values.whole);
    // @ts-expect-error a copy
    store.whole({ ...values.whole });
    // @ts-expect-error payments without the count
    store.whole(new WholeLedger(hints.header, new Set(), NOTHING));
    // @ts-expect-error a transaction as one node shows it
    store.whole(hints.found);
    // @ts-expect-error all its properties
    store.page(values.page);
    // @ts-expect-error a page from wherever the node began it
    store.page(hints.page);
    // @ts-expect-error the head of a node
    store.entries(hints.head);
    // @ts-expect-error what an account says, as an object
    store.entries({ account: 'G', unmoved: () => null });
    // @ts-expect-error evidence of another kind
    store.whole(HeaderRun.after(hints.header, [hints.header]));
  };
  expect(unrun).toBeInstanceOf(Function);
});
