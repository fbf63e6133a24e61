/** Pages are believed only when they lie behind the cursor and go forward; too much at once is read in parts. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { HorizonTooMuch, HorizonUnavailable } from '../../src/horizon/errors.ts';
import { createHorizonHttp, type HorizonHttp } from '../../src/horizon/http.ts';
import { readPage, type RawPage } from '../../src/horizon/pages.ts';
import { changed, operation, recordOf, type Json } from './records.ts';

const together = (place: number) => recordOf('payments of a ledger of three transactions', place);
/** Records in the order of the ledger: one before the cursor, the one at it, and one of the same ledger behind it. */
const before = operation('fee bump');
const at = operation('several operations', 0);
const behind = operation('several operations', 1);
/** Those of a later ledger. */
const [first, second, third] = [together(0), together(1), together(2)];

const placeOf = (record: Json) => String(record['paging_token']);
/** Without a word on where it stands. */
const nowhere = (record: Json) => changed(record, { paging_token: 'x', id: undefined });
const without = (record: Json, field: string) => changed(record, { [field]: undefined });

const PAYMENTS = { path: '/payments', order: 'asc', limit: 3, join: 'transactions' } as const;

/** Reads a page of up to three records behind one, which Horizon answers with these. */
async function read(
  records: Json[] | null,
  after: Json = at,
  body: unknown = { _embedded: { records } },
) {
  const asked: unknown[] = [];
  const http: HorizonHttp = {
    get: async (path, query) => {
      asked.push([path, query]);
      return records === null ? null : { body, latestLedger: null };
    },
    close: async () => {},
  };
  const cursor = BigInt(placeOf(after));
  const page = await readPage(http, { ...PAYMENTS, cursor });
  return { page, asked };
}

test('it is asked for in ascending order, with the transactions, after the cursor', async () => {
  const { asked } = await read([]);
  const query = { cursor: placeOf(at), order: 'asc', limit: '3', join: 'transactions' };
  expect(asked).toEqual([['/payments', query]]);
});

describe('the cursor', () => {
  test.each<[string, Json[], Json]>([
    ['stays where it is after an empty page', [], at],
    ['moves to the last record', [first, second, third], third],
    ['may move within a ledger', [behind], behind],
    ['is not moved by a record without a place', [first, nowhere(second)], first],
    ['is moved by the one behind it', [nowhere(first), second], second],
  ])('%s', async (_, records, last) => {
    const { page } = await read(records);
    expect(page?.nextCursor).toBe(BigInt(placeOf(last)));
    expect(page?.records).toEqual(records);
  });

  test('is the id of a record without a paging token, which is the same', async () => {
    const { page } = await read([without(first, 'paging_token')]);
    expect(page?.nextCursor).toBe(BigInt(placeOf(first)));
  });

  test('is compared as a number, not as text', async () => {
    const [early, later] = [recordOf('all payments of the shop', 0), operation('no memo')];
    expect(placeOf(early) > placeOf(later)).toBe(true);
    const { page } = await read([later], early);
    expect(page?.nextCursor).toBe(BigInt(placeOf(later)));
  });
});

describe('it is not believed', () => {
  test.each<[string, Json[]]>([
    ['that begins with the cursor again', [at, behind]],
    ['that lies before the cursor', [before]],
    ['that repeats a record', [first, first]],
    ['that goes back in the middle', [second, first, third]],
    ['that goes back after a record without a place', [second, nowhere(third), first]],
  ])('a page %s', async (_, records) => {
    await expect(read(records)).rejects.toThrow(HorizonUnavailable);
    await expect(read(records)).rejects.toThrow(/goes back to/);
  });

  test.each([[{}], [{ _embedded: {} }], [{ _embedded: { records: {} } }], ['no page'], [null]])(
    'an answer that is no page: %j',
    async (body) => {
      await expect(read([], at, body)).rejects.toThrow(HorizonUnavailable);
    },
  );
});

test('404 is no page', async () => {
  expect((await read(null)).page).toBeNull();
});

test('in descending order, a page lies before the cursor and goes back', async () => {
  const http = (records: Json[]): HorizonHttp => ({
    get: async () => ({ body: { _embedded: { records } }, latestLedger: null }),
    close: async () => {},
  });
  const down = { path: '/payments', order: 'desc', limit: 3 } as const;
  const cursor = BigInt(placeOf(third));
  const page = await readPage(http([second, first]), { ...down, cursor });
  expect(page?.nextCursor).toBe(BigInt(placeOf(first)));
  expect((await readPage(http([second, first]), { ...down, cursor: null }))?.records.length).toBe(
    2,
  );
  for (const records of [
    [third, second],
    [first, second],
    [second, second],
  ]) {
    await expect(readPage(http(records), { ...down, cursor })).rejects.toThrow(/goes back to/);
  }
});

/** A node of 120 records behind the cursor; `answer` may spoil the answer to a limit. Tells which limits were asked for. */
async function onNode(
  answer: (limit: number, text: string) => { status?: number; body: string } | null,
  body: (page: (least?: number) => Promise<RawPage | null>, limits: number[]) => Promise<void>,
  answerWithinMs = 10_000,
) {
  const limits: number[] = [];
  const server = createServer((request, response) => {
    const limit = Number(new URL(request.url ?? '', 'http://node').searchParams.get('limit'));
    limits.push(limit);
    const records = Array.from({ length: Math.min(limit, 120) }, (_, i) => ({
      paging_token: String(i + 1),
    }));
    const given = answer(limit, JSON.stringify({ _embedded: { records } }));
    if (given !== null) response.writeHead(given.status ?? 200).end(given.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  const http = createHorizonHttp({ url, requestsPerHour: 0, answerWithinMs });
  const request = { path: '/payments', cursor: 0n, order: 'asc', limit: 200 } as const;
  try {
    await body((least) => readPage(http, least ? { ...request, least } : request), limits);
  } finally {
    await http.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

describe('too much at once', () => {
  // A transaction of a hundred path payments has some 17 MB, in records of 170 kB: the limit is 4 MiB.
  const padded = (limit: number, text: string) => ({
    body: text + ' '.repeat(Math.min(limit, 120) * 170_000),
  });

  test('a page that is too large is asked for by half, and the next one whole again', async () => {
    let isHeavy = true;
    await onNode(
      (limit, text) => (isHeavy ? padded(limit, text) : { body: text }),
      async (page, limits) => {
        expect(await page()).toMatchObject({ records: { length: 12 }, limit: 12, nextCursor: 12n });
        expect(limits).toEqual([200, 100, 50, 25, 12]);
        isHeavy = false;
        expect(await page()).toMatchObject({ records: { length: 120 }, limit: 200 });
      },
    );
  });

  test('one record that is too large is an error, and so is a smallest page', async () => {
    await onNode(
      () => ({ body: ' '.repeat(17 * 1024 * 1024) }),
      async (page, limits) => {
        await expect(page(70)).rejects.toThrow(HorizonTooMuch);
        expect(limits).toEqual([200, 100, 70]);
        await expect(page()).rejects.toThrow(HorizonUnavailable);
        expect(limits.at(-1)).toBe(1);
      },
    );
  });

  test.each<[string, (text: string) => { status: number; body: string } | null]>([
    ['that Horizon gives up on', () => ({ status: 504, body: 'timeout' })],
    ['that hangs', () => null],
  ])(
    'a page %s is asked for by half once Horizon has answered with one record',
    async (_, slow) => {
      await onNode(
        (limit, text) => (limit > 30 ? slow(text) : { body: text }),
        async (page, limits) => {
          expect(await page()).toMatchObject({ records: { length: 25 }, limit: 25 });
          expect(limits).toEqual([200, 1, 100, 50, 25]);
        },
        200,
      );
    },
  );

  test('a Horizon that hangs is asked twice, not at every size', async () => {
    await onNode(
      () => null,
      async (page, limits) => {
        await expect(page()).rejects.toThrow(HorizonUnavailable);
        expect(limits).toEqual([200, 1]);
      },
      50,
    );
  });

  test('other failures are not asked about again', async () => {
    await onNode(
      () => ({ status: 500, body: 'broken' }),
      async (page, limits) => {
        await expect(page()).rejects.toThrow(HorizonUnavailable);
        expect(limits).toEqual([200]);
      },
    );
  });
});
