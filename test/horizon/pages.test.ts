/** Pages are believed only when they lie after the cursor and go forward. */
import { describe, expect, test } from '@jest/globals';
import { HorizonUnavailable } from '../../src/horizon/errors.ts';
import type { HorizonHttp } from '../../src/horizon/http.ts';
import { readPage } from '../../src/horizon/pages.ts';
import type { Json } from './records.ts';

const toid = (ledger: number, transaction: number) =>
  String((BigInt(ledger) << 32n) + (BigInt(transaction) << 12n) + 1n);
const at = (ledger: number, transaction = 1): Json => ({
  paging_token: toid(ledger, transaction),
  created_at: new Date(Date.UTC(2026, 2, 1) + ledger * 5000).toISOString(),
});

/** Reads a page of up to three records after ledger 10, which Horizon answers with these. */
async function read(records: Json[] | null, body: unknown = { _embedded: { records } }) {
  const asked: unknown[] = [];
  const http: HorizonHttp = {
    get: async (path, query) => {
      asked.push([path, query]);
      return records === null ? null : { body, latestLedger: null };
    },
    close: async () => {},
  };
  const page = await readPage(http, '/payments', toid(10, 1), 3);
  return { page, asked };
}

test('it is asked for in ascending order, with the transactions, after the cursor', async () => {
  const { asked } = await read([]);
  const query = { cursor: toid(10, 1), order: 'asc', limit: '3', join: 'transactions' };
  expect(asked).toEqual([['/payments', query]]);
});

describe('the cursor', () => {
  test.each<[string, Json[], string]>([
    ['stays where it is after an empty page', [], toid(10, 1)],
    ['moves to the last record', [at(11), at(12, 1), at(12, 2)], toid(12, 2)],
    ['may move within a ledger', [at(10, 2)], toid(10, 2)],
    ['is not moved by a record without a place', [at(11), { paging_token: 'x' }], toid(11, 1)],
    ['is moved by the one behind it', [{}, at(12)], toid(12, 1)],
  ])('%s', async (_, records, cursor) => {
    const { page } = await read(records);
    expect(page?.nextCursor).toBe(cursor);
    expect(page?.records).toEqual(records);
  });

  test('is compared as a number, not as text', async () => {
    const { page } = await read([at(9 + 1, 2), at(100_000_000)]);
    expect(page?.nextCursor).toBe(toid(100_000_000, 1));
  });
});

describe('what a page proves', () => {
  test.each<[string, Json[], number | null]>([
    ['nothing when it is empty', [], null],
    ['its last ledger when it is the end', [at(11), at(12)], 12],
    ['what is before its last ledger when it is full', [at(11), at(12), at(13)], 12],
    ['nothing when its last record has no place', [at(11), {}], null],
    ['nothing when its last record has no time', [at(11), { paging_token: toid(12, 1) }], null],
  ])('%s', async (_, records, throughLedger) => {
    const { page } = await read(records);
    expect(page?.covers?.throughLedger ?? null).toBe(throughLedger);
  });
});

describe('it is not believed', () => {
  test.each<[string, Json[]]>([
    ['that begins with the cursor again', [at(10), at(11)]],
    ['that lies before the cursor', [at(9)]],
    ['that repeats a record', [at(11), at(11)]],
    ['that goes back in the middle', [at(12), at(11), at(13)]],
    ['that goes back after a record without a place', [at(12), {}, at(11)]],
  ])('a page %s', async (_, records) => {
    await expect(read(records)).rejects.toThrow(HorizonUnavailable);
    await expect(read(records)).rejects.toThrow(/goes back to/);
  });

  test.each([[{}], [{ _embedded: {} }], [{ _embedded: { records: {} } }], ['no page'], [null]])(
    'an answer that is no page: %j',
    async (body) => {
      await expect(read([], body)).rejects.toThrow(HorizonUnavailable);
    },
  );
});

test('404 is no page', async () => {
  expect((await read(null)).page).toBeNull();
});
