/** Pages of Horizon: the one place that walks by cursor, and that asks for less where an answer is too much. */
import { HorizonTooMuch, HorizonUnavailable } from './errors.ts';
import type { Answer, HorizonHttp } from './http.ts';
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
 * One page behind a cursor; null for 404 and 410. After an answer that was too large or too slow, half as many records
 * are asked for, down to `least`; the next call begins with its full size again. @throws HorizonUnavailable when the page does not lie
 * behind the cursor or is out of order: a node that repeats itself or goes back must not move us.
 */
export async function readPage(http: HorizonHttp, request: PageRequest): Promise<RawPage | null> {
  const { answer, limit } = await askForLess((size) => ask(http, request, size), request);
  if (answer === null) return null;
  const page = pageSchema.safeParse(answer.body);
  if (!page.success) throw new HorizonUnavailable(`Horizon's page ${request.path} cannot be read.`);
  const { records } = page.data._embedded;
  return { records, nextCursor: advance(request, records), limit };
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

function ask(http: HorizonHttp, request: PageRequest, limit: number): Promise<Answer | null> {
  const { path, cursor, order, join } = request;
  return http.get(path, {
    ...(cursor === null ? {} : { cursor: String(cursor) }),
    order,
    limit: String(limit),
    ...(join === undefined ? {} : { join }),
  });
}

/** Halves until the answer is not too much. */
async function askForLess(
  ask: (limit: number) => Promise<Answer | null>,
  { limit: most, least = 1 }: PageRequest,
): Promise<{ answer: Answer | null; limit: number }> {
  let isAlive = false;
  for (let limit = most; ; limit = Math.max(least, Math.floor(limit / 2))) {
    try {
      return { answer: await ask(limit), limit };
    } catch (error) {
      if (!(error instanceof HorizonTooMuch) || limit <= least) throw error;
      // A Horizon that hangs is not waited for at every size: it has to answer the smallest page first.
      if (error.limit === 'time' && !isAlive) await ask(least);
      isAlive = true;
    }
  }
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
