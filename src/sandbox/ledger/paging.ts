/** Cursor, order and limit of a request, checked as Horizon checks them, and the page around the records. */
import { beforeHistory, invalidField } from './problem.ts';
import { toid } from './history.ts';
import type { Json, Range } from './history.ts';
import type { View } from './view.ts';

/** What Horizon gives when no limit is asked for, and the most it gives (db2/page_query.go). */
const [DEFAULT_LIMIT, MAX_LIMIT] = [10, 200];

/**
 * The range a request asks for. An ascending cursor older than the node's history is silently moved to its
 * beginning, as Horizon does; a descending one gets 410.
 */
export function pageRange(query: URLSearchParams, view: View): Omit<Range, 'head'> {
  const order = query.get('order') || 'asc';
  if (order !== 'asc' && order !== 'desc') {
    throw invalidField('order', 'order: invalid value');
  }
  const limit = readLimit(query.get('limit'));
  const cursor = readCursor(query.get('cursor'), view);
  const oldest = toid(view.elder);
  if (cursor !== null && cursor < oldest) {
    if (order === 'desc') throw beforeHistory();
    return { order, limit, cursor: oldest - 1n };
  }
  return { order, limit, cursor: cursor ?? (order === 'asc' ? oldest - 1n : null) };
}

function readLimit(text: string | null): number {
  if (!text) return DEFAULT_LIMIT;
  if (!/^[+-]?\d+$/.test(text)) throw invalidField('limit', 'unparseable value');
  const limit = Number(text);
  if (limit <= 0) throw invalidField('limit', 'invalid limit: non-positive value provided');
  if (limit > MAX_LIMIT) {
    throw invalidField(
      'limit',
      `invalid limit: value provided that is over limit max of ${MAX_LIMIT}`,
    );
  }
  return limit;
}

function readCursor(text: string | null, view: View): bigint | null {
  if (!text) return null;
  if (text === 'now') return toid(view.head.sequence + 1) - 1n;
  const match = /^(-?\d+)(?:-\d+)?$/.exec(text);
  if (!match) throw invalidField('cursor', 'cursor: invalid value');
  const cursor = BigInt(match[1] ?? 0);
  if (cursor < 0n) {
    throw invalidField('cursor', `the cursor ${text} is a negative number: `);
  }
  return cursor;
}

/** A page with its links. Each record has a `paging_token`. */
export function page(records: readonly Json[], url: URL, range: Omit<Range, 'head'>): Json {
  const link = (cursor: string, order: string) => {
    const target = new URL(url);
    target.searchParams.set('cursor', cursor);
    target.searchParams.set('limit', String(range.limit));
    target.searchParams.set('order', order);
    target.searchParams.sort();
    return { href: target.toString() };
  };
  const asked = url.searchParams.get('cursor');
  const self = asked === 'now' || asked === null ? String(range.cursor ?? '') : asked;
  const other = range.order === 'asc' ? 'desc' : 'asc';
  return {
    _links: {
      self: link(asked === null ? '' : self, range.order),
      next: link(token(records.at(-1)) ?? self, range.order),
      prev: link(token(records.at(0)) ?? self, other),
    },
    _embedded: { records },
  };
}

/** An injected record may have anything for a token, or nothing. */
function token(record: Json | undefined): string | null {
  const found = record?.['paging_token'];
  return typeof found === 'string' ? found : null;
}
