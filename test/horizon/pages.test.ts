/** Pages are believed only when they lie after the cursor and go forward. */
import { describe, expect, test } from '@jest/globals';
import { HorizonUnavailable } from '../../src/horizon/errors.ts';
import type { HorizonHttp } from '../../src/horizon/http.ts';
import { readPage } from '../../src/horizon/pages.ts';
import { changed, operation, recordOf, transactionOf, type Json } from './records.ts';

const together = (place: number) => recordOf('payments of a ledger of three transactions', place);
/** Records in the order of the ledger: one before the cursor, the one at it, and one of the same ledger behind it. */
const before = operation('fee bump');
const at = operation('several operations', 0);
const behind = operation('several operations', 1);
/** Those of a later ledger. */
const [first, second, third] = [together(0), together(1), together(2)];

const placeOf = (record: Json) => String(record['paging_token']);
const ledgerOf = (record: Json) => transactionOf(record).ledger;
const without = (record: Json, field: string) => changed(record, { [field]: undefined });

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
  const page = await readPage(http, '/payments', placeOf(after), 3);
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
    [
      'is not moved by a record without a place',
      [first, changed(second, { paging_token: 'x' })],
      first,
    ],
    ['is moved by the one behind it', [without(first, 'paging_token'), second], second],
  ])('%s', async (_, records, last) => {
    const { page } = await read(records);
    expect(page?.nextCursor).toBe(placeOf(last));
    expect(page?.records).toEqual(records);
  });

  test('is compared as a number, not as text', async () => {
    const [early, later] = [recordOf('all payments of the shop', 0), operation('no memo')];
    expect(placeOf(early) > placeOf(later)).toBe(true);
    const { page } = await read([later], early);
    expect(page?.nextCursor).toBe(placeOf(later));
  });
});

describe('what a page proves', () => {
  test.each<[string, Json[], number | null]>([
    ['nothing when it is empty', [], null],
    ['its last ledger when it is the end', [behind, first], ledgerOf(first)],
    [
      'what is before its last ledger when it is full',
      [behind, first, second],
      ledgerOf(first) - 1,
    ],
    ['nothing when its last record has no place', [behind, without(first, 'paging_token')], null],
    ['nothing when its last record has no time', [behind, without(first, 'created_at')], null],
  ])('%s', async (_, records, throughLedger) => {
    const { page } = await read(records);
    expect(page?.covers?.throughLedger ?? null).toBe(throughLedger);
  });
});

describe('it is not believed', () => {
  test.each<[string, Json[]]>([
    ['that begins with the cursor again', [at, behind]],
    ['that lies before the cursor', [before]],
    ['that repeats a record', [first, first]],
    ['that goes back in the middle', [second, first, third]],
    [
      'that goes back after a record without a place',
      [second, without(third, 'paging_token'), first],
    ],
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
