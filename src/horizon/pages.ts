import { z } from 'zod';
import type { Covers } from '../domain/ledger-source.ts';
import { pageProves } from './coverage.ts';
import { HorizonUnavailable } from './errors.ts';
import type { HorizonHttp } from './http.ts';
import { pageSchema } from './records.ts';

/** Horizon's largest page. */
export const MOST = 200;

/** A page in ascending order, its records still unread. */
export type RawPage = {
  readonly records: readonly unknown[];
  readonly nextCursor: string;
  readonly covers: Covers | null;
};

const tokenSchema = z.object({ paging_token: z.string().regex(/^\d{1,19}$/) });
const closedSchema = z.object({
  created_at: z.iso.datetime({ offset: true }).transform((text) => new Date(text)),
});

/**
 * One page after a cursor; null for 404. @throws HorizonUnavailable when the page does not lie after the cursor or is
 * out of order: a node that repeats itself or goes back must not move us.
 */
export async function readPage(
  http: HorizonHttp,
  path: string,
  cursor: string,
  limit: number,
): Promise<RawPage | null> {
  const query = { cursor, order: 'asc', limit: String(limit), join: 'transactions' };
  const answer = await http.get(path, query);
  if (answer === null) return null;
  const page = pageSchema.safeParse(answer.body);
  if (!page.success) throw new HorizonUnavailable(`Horizon's page ${path} cannot be read.`);
  const { records } = page.data._embedded;
  const nextCursor = advance(path, cursor, records);
  return { records, nextCursor, covers: pageProves(lastOf(records), records.length >= limit) };
}

/** The cursor of the last record. A record without one cannot be stepped over by itself, only with a later one. */
function advance(path: string, cursor: string, records: readonly unknown[]): string {
  let last = cursor;
  for (const record of records) {
    const token = tokenSchema.safeParse(record);
    if (!token.success) continue;
    if (BigInt(token.data.paging_token) <= BigInt(last)) {
      throw new HorizonUnavailable(
        `Horizon's page ${path} after ${cursor} goes back to ${token.data.paging_token}; it is not believed.`,
      );
    }
    last = token.data.paging_token;
  }
  return last;
}

function lastOf(records: readonly unknown[]): { ledger: number; closedAt: Date } | null {
  const record = records.at(-1);
  const token = tokenSchema.safeParse(record);
  const closed = closedSchema.safeParse(record);
  if (!token.success || !closed.success) return null;
  return {
    ledger: Number(BigInt(token.data.paging_token) >> 32n),
    closedAt: closed.data.created_at,
  };
}
