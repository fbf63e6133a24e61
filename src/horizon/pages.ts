/** Pages of Horizon: the one place that walks by cursor, and that asks for less where an answer is too much. */
import { withTransactions } from './separate-transactions.ts';
import { HorizonTooMuch, HorizonUnavailable } from './errors.ts';
import type { Answer, HorizonHttp } from './http.ts';
import { sizesOf } from './page-sizes.ts';
import { pageSchema, placeSchema } from './records.ts';

/** Horizon's largest page. */
export const MOST = 200;

/** What is asked for. */
export type PageRequest = {
  readonly path: string;
  /** The page begins strictly behind it, in the direction of `order`; null begins at the end of the history. */
  readonly cursor: bigint | null;
  readonly order: 'asc' | 'desc';
  readonly limit: number;
  /** The smallest page that is of use, where it is not one record. */
  readonly least?: number;
  /** Whether each operation brings its transaction. */
  readonly join?: 'transactions';
};

/** A page in the order that was asked for, its records still unread. */
export type RawPage = {
  readonly records: readonly unknown[];
  /** The place of the last record that has one; where the page was asked to begin, if none has. */
  readonly nextCursor: bigint | null;
  /** How many records were asked for in the end: a page with fewer is the end of what the node has. */
  readonly limit: number;
};

/**
 * One page behind a cursor; null for 404 and 410. Horizon repeats a transaction beside each of its operations, so a joined page
 * grows with their square. Where it is too large, its transactions are fetched separately if they are few. Otherwise, and where
 * it is too slow, the size is halved, down to `least`. The next page of the path starts with the size that worked.
 * @throws HorizonUnavailable when the page does not lie behind the cursor or is out of order: a node that repeats itself or goes
 * back must not move us.
 */
export async function readPage(http: HorizonHttp, request: PageRequest): Promise<RawPage | null> {
  const found = await readRecords(http, request);
  if (found === null) return null;
  return { ...found, nextCursor: advance(request, found.records) };
}

/** Where a record stands in the order of its page (`paging_token`, else `id`); null when it does not say. */
export function placeOf(record: unknown): bigint | null {
  const place = placeSchema.safeParse(record);
  return place.success ? BigInt(place.data) : null;
}

/** The place before everything in a ledger: of its transactions and operations, and of the ledger itself less one. */
export function startOf(ledger: number): bigint {
  return BigInt(ledger) << 32n;
}

type Records = Pick<RawPage, 'records' | 'limit'>;

async function readRecords(http: HorizonHttp, request: PageRequest): Promise<Records | null> {
  const { path, limit: most, least = 1, join } = request;
  const sizes = sizesOf(http);
  const known = join === undefined ? most : Math.max(Math.min(sizes.of(path), most), least);
  let mayBeSeparate = join !== undefined;
  const separately = async (): Promise<Records | null | 'many'> => {
    mayBeSeparate = false;
    try {
      const answer = await ask(http, { ...request, join: null }, most);
      const records = answer && (await withTransactions(http, recordsOf(answer, path)));
      return records === 'many' ? records : records && { records, limit: most };
    } catch (error) {
      if (error instanceof HorizonTooMuch) return 'many';
      throw error;
    }
  };
  if (mayBeSeparate && known < most) {
    const page = await separately();
    if (page !== 'many') return page;
  }
  let isAlive = false;
  for (let limit = known; ; limit = Math.max(least, Math.floor(limit / 2))) {
    try {
      const answer = await ask(http, request, limit);
      if (join !== undefined) sizes.wasRead(path, limit);
      return answer && { records: recordsOf(answer, path), limit };
    } catch (error) {
      if (!(error instanceof HorizonTooMuch) || limit <= least) throw error;
      // A Horizon that hangs is not waited for at every size: it has to answer the smallest page first.
      if (error.limit === 'time' && !isAlive) await ask(http, request, least);
      isAlive = true;
      if (join !== undefined) sizes.wasTooMuch(path, Math.floor(limit / 2));
      if (error.limit !== 'size' || !mayBeSeparate) continue;
      const page = await separately();
      if (page !== 'many') return page;
    }
  }
}

function ask(
  http: HorizonHttp,
  { path, cursor, order, join }: Omit<PageRequest, 'join'> & { join?: 'transactions' | null },
  limit: number,
): Promise<Answer | null> {
  return http.get(path, {
    ...(cursor === null ? {} : { cursor: String(cursor) }),
    order,
    limit: String(limit),
    ...(join ? { join } : {}),
  });
}

function recordsOf({ body }: Answer, path: string): readonly unknown[] {
  const page = pageSchema.safeParse(body);
  if (!page.success) throw new HorizonUnavailable(`Horizon's page ${path} cannot be read.`);
  return page.data._embedded.records;
}

/** The place of the last record. A record without one cannot be stepped over by itself, only with a later one. */
function advance(request: PageRequest, records: readonly unknown[]): bigint | null {
  const { path, cursor, order } = request;
  let last = cursor;
  for (const record of records) {
    const place = placeOf(record);
    if (place === null) continue;
    const isBehind = last === null || (order === 'asc' ? place > last : place < last);
    if (!isBehind) {
      throw new HorizonUnavailable(
        `Horizon's page ${path} after ${cursor} goes back to ${place}; it is not believed.`,
      );
    }
    last = place;
  }
  return last;
}
