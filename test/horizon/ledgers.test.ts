/** Ledgers of nodes that answer what the sandbox never would: written down by hand. */
import { describe, expect, test } from '@jest/globals';
import type { LedgerHeader } from '../../src/domain/evidence.ts';
import { MoreThanCounted } from '../../src/domain/ledger-errors.ts';
import { HorizonTooMuch, HorizonUnavailable } from '../../src/horizon/errors.ts';
import type { HorizonHttp } from '../../src/horizon/http.ts';
import { createLedgers } from '../../src/horizon/ledgers.ts';
import { placeOf } from '../../src/horizon/pages.ts';
import { recorded as answerTo } from '../oracle/recorded.ts';
import { changed, CUSTOMER, OTHER, recorded, SHOP, type Json } from './records.ts';

const RECORDED = answerTo('the last ledger')?.body as Json;
const SEQUENCE = Number(RECORDED['sequence']);

/** A source over a node that has these answers by path, and the requests it got. */
function over(answers: Record<string, unknown>) {
  const asked: [string, Record<string, string>][] = [];
  const http: HorizonHttp = {
    get: async (path, query = {}) => {
      asked.push([path, query]);
      const body = answers[path];
      if (!Array.isArray(body)) return body === undefined ? null : { body, latestLedger: null };
      const { cursor = '0', order, limit } = query;
      const from = BigInt(cursor);
      const isBehind = (record: Json) => {
        const place = placeOf(record) ?? from + 1n;
        return order === 'asc' ? place > from : query['cursor'] === undefined || place < from;
      };
      const ordered = order === 'asc' ? body : body.toReversed();
      const records = ordered.filter(isBehind).slice(0, Number(limit));
      return { body: { _embedded: { records } }, latestLedger: null };
    },
    close: async () => {},
  };
  return { ledgers: createLedgers(http), http, asked };
}

describe('a header', () => {
  const read = (fields: Json) => {
    const body = JSON.parse(JSON.stringify({ ...RECORDED, ...fields })) as Json;
    return over({ [`/ledgers/${SEQUENCE}`]: body }).ledgers.ledger(SEQUENCE);
  };

  test('as the real Horizon writes it', async () => {
    expect(await read({})).toEqual({
      sequence: SEQUENCE,
      hash: RECORDED['hash'],
      previousHash: RECORDED['prev_hash'],
      closedAt: new Date('2026-09-01T00:05:00Z'),
      operationCount: 0,
    });
  });

  test('counts operations of successful transactions', async () => {
    const counts = { operation_count: 7, tx_set_operation_count: 9 };
    expect((await read(counts))?.operationCount).toBe(7);
  });

  test.each([
    '2026-09-01T00:05:00.500Z',
    '2026-09-01T00:05:00.999999Z',
    '2026-09-01T02:05:00+02:00',
  ])('closed in a whole second: %s', async (closed_at) => {
    expect((await read({ closed_at }))?.closedAt).toEqual(new Date('2026-09-01T00:05:00Z'));
  });

  test('of ledger 1 follows none', async () => {
    const body = { ...RECORDED, sequence: 1, prev_hash: undefined };
    const first = await over({ '/ledgers/1': body }).ledgers.ledger(1);
    expect(first?.previousHash).toBe('0'.repeat(64));
  });

  test.each<[string, Json]>([
    ['without its hash', { hash: undefined }],
    ['with a hash that is none', { hash: 'abc' }],
    ['without the hash before it', { prev_hash: undefined }],
    ['without its count', { operation_count: undefined }],
    ['with a negative count', { operation_count: -1 }],
    ['without a time', { closed_at: undefined }],
    ['of another ledger', { sequence: SEQUENCE + 1 }],
  ])('%s is no answer', async (_, fields) => {
    await expect(read(fields)).rejects.toThrow(HorizonUnavailable);
  });

  test('that cannot be read spoils the page that it is in', async () => {
    const { ledgers } = over({ '/ledgers': [{ ...RECORDED, prev_hash: 'abc' }] });
    await expect(ledgers.newestLedger()).rejects.toThrow(HorizonUnavailable);
    const tip = { sequence: SEQUENCE, hash: String(RECORDED['hash']) };
    await expect(ledgers.ledgersAfter(tip)).rejects.toThrow(HorizonUnavailable);
  });

  test('is missing where the node has none yet', async () => {
    await expect(over({ '/ledgers': [] }).ledgers.newestLedger()).rejects.toThrow(/no ledger yet/);
  });
});

test('headers are asked for from the known one on, in either direction', async () => {
  const { ledgers, asked } = over({ '/ledgers': [RECORDED] });
  const known = { sequence: SEQUENCE, hash: String(RECORDED['hash']) };
  const start = BigInt(SEQUENCE) * 2n ** 32n;
  expect((await ledgers.ledgersAfter(known))?.headers).toEqual([]);
  expect((await ledgers.ledgersBefore(known))?.headers).toHaveLength(1);
  expect((await ledgers.newestLedger()).hash).toBe(known.hash);
  expect(asked.map(([, query]) => query)).toEqual([
    { cursor: String(start - 1n), order: 'asc', limit: '200' },
    { cursor: String(start + 2n ** 32n), order: 'desc', limit: '200' },
    { order: 'desc', limit: '1' },
  ]);
});

test('a page of headers never shrinks to the known one alone, which would look like the end', async () => {
  const next = { ...RECORDED, sequence: SEQUENCE + 1, prev_hash: RECORDED['hash'] };
  const headers = [RECORDED, { ...next, paging_token: String(BigInt(SEQUENCE + 1) << 32n) }];
  const { http } = over({ '/ledgers': headers });
  const slow: HorizonHttp = {
    ...http,
    get: async (path, query) => {
      if (Number(query?.['limit']) > 2) throw new HorizonTooMuch('slow', 'time');
      return await http.get(path, query);
    },
  };
  const known = { sequence: SEQUENCE, hash: String(RECORDED['hash']) };
  const run = await createLedgers(slow).ledgersAfter(known);
  expect(run?.headers.map(({ sequence }) => sequence)).toEqual([SEQUENCE + 1]);
});

test('a page of headers that had to shrink and is full shows no end, and dates no cancellation', async () => {
  const hash = (n: number) => String(n).padStart(64, '0');
  const chain = Array.from({ length: 150 }, (_, i) => ({
    ...RECORDED,
    sequence: SEQUENCE + i,
    hash: hash(i),
    prev_hash: hash(i - 1 < 0 ? 9_999 : i - 1),
    paging_token: String(BigInt(SEQUENCE + i) << 32n),
  }));
  const { http } = over({ '/ledgers': chain });
  const heavy: HorizonHttp = {
    ...http,
    get: async (path, query) => {
      if (Number(query?.['limit']) > 100) throw new HorizonTooMuch('large', 'size');
      return await http.get(path, query);
    },
  };
  const ledgers = createLedgers(heavy);
  const run = await ledgers.ledgersAfter({ sequence: SEQUENCE, hash: hash(0) });
  expect(run?.headers).toHaveLength(99);
  expect(run?.isWhole).toBe(false);
  const rest = await ledgers.ledgersAfter({ sequence: SEQUENCE + 99, hash: hash(99) });
  expect({ n: rest?.headers.length, isWhole: rest?.isWhole }).toEqual({ n: 50, isWhole: true });
});

describe('a whole ledger', () => {
  const CLOSED = new Date('2026-09-01T00:05:00Z');
  /** An operation of the ledger: what was recorded of another one, put into its place. */
  const place = (record: Json, transaction: number, fields: Json = {}): Json => {
    const id = String((BigInt(SEQUENCE) << 32n) | BigInt((transaction << 12) | 1));
    const created_at = CLOSED.toISOString();
    return changed(record, { id, paging_token: id, created_at, ...fields });
  };
  const payment = (transaction: number, fields: Json = {}) =>
    place(recorded('payment'), transaction, fields);
  const header = (operationCount: number): LedgerHeader => ({
    sequence: SEQUENCE,
    hash: String(RECORDED['hash']),
    previousHash: String(RECORDED['prev_hash']),
    closedAt: CLOSED,
    operationCount,
  });
  const read = (records: Json[], count = records.length, watched = [SHOP]) => {
    const { ledgers, asked } = over({ [`/ledgers/${SEQUENCE}/operations`]: records });
    return { whole: ledgers.wholeLedger(header(count), new Set(watched)), asked };
  };

  test('is read page by page, to one operation more than counted', async () => {
    const { whole, asked } = read(Array.from({ length: 450 }, (_, i) => payment(i + 1)));
    expect((await whole)?.payments).toHaveLength(450);
    expect(asked.map(([, { limit }]) => limit)).toEqual(['200', '200', '51']);
    const exact = read(Array.from({ length: 200 }, (_, i) => payment(i + 1)));
    expect((await exact.whole)?.payments).toHaveLength(200);
    expect(exact.asked.map(([, { limit }]) => limit)).toEqual(['200', '1']);
    const [[path, query] = []] = asked;
    expect(path).toBe(`/ledgers/${SEQUENCE}/operations`);
    const cursor = String(BigInt(SEQUENCE) << 32n);
    expect(query).toEqual({ cursor, order: 'asc', limit: '200', join: 'transactions' });
  });

  test('with more operations than its header counts is a contradiction', async () => {
    await expect(read([payment(1)], 0).whole).rejects.toThrow(MoreThanCounted);
    const many = Array.from({ length: 300 }, (_, i) => payment(i + 1));
    await expect(read(many, 250).whole).rejects.toThrow(MoreThanCounted);
  });

  test.each<[string, Json[], number]>([
    ['fewer operations than counted', [payment(1)], 2],
    ['another close time', [payment(1, { created_at: '2026-09-01T00:05:05Z' })], 1],
    ['an operation without a time', [payment(1, { created_at: undefined })], 1],
    ['one without a place', [payment(1, { id: undefined, paging_token: undefined })], 1],
    [
      'one of the next ledger',
      [payment(1, { id: String(BigInt(SEQUENCE + 1) << 32n), paging_token: undefined })],
      1,
    ],
  ])('is not there: %s', async (_, records, count) => {
    expect(await read(records, count).whole).toBeNull();
  });

  test('closed in a whole second, whatever a version prints', async () => {
    const printed = '2026-09-01T00:05:00.500Z';
    const whole = await read([payment(1, { created_at: printed })]).whole;
    expect(whole?.payments).toMatchObject([{ closedAt: CLOSED }]);
  });

  test('does not count operations of failed transactions, should a node show them', async () => {
    const failed = payment(1, { transaction_successful: false });
    expect((await read([failed, payment(2)], 1).whole)?.payments).toHaveLength(1);
  });

  test('skips operations that are known to be no payment, though they cannot be read otherwise', async () => {
    const offer = payment(1, { type: 'manage_sell_offer', amount: undefined, to: SHOP });
    const bare = payment(2, { type: 'restore_footprint', transaction: undefined });
    const whole = await read([offer, bare, payment(3)]).whole;
    expect(whole).toMatchObject({ payments: [{ account: SHOP }], undecoded: [] });
  });

  test.each<[string, Json]>([
    ['an unknown type', { type: 'teleport' }],
    ['no type', { type: undefined }],
    ['a payment that cannot be read', { amount: 'much' }],
  ])('keeps %s for the watched accounts that it mentions', async (_, fields) => {
    const strange = payment(1, { from: CUSTOMER, to: SHOP, ...fields });
    const parked = async (watched: string[]) =>
      (await read([strange], 1, watched).whole)?.undecoded.map(({ account }) => account);
    expect(await parked([SHOP, OTHER])).toEqual([SHOP]);
    expect(await parked([OTHER])).toEqual([]);
  });
});
