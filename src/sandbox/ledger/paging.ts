/** Cursor, order and limit of a request, checked as Horizon checks them, and the page around the records. */
import { beforeHistory, invalidField } from './problem.ts';
import { toid } from './history.ts';
import type { Json, Range } from './history.ts';
import type { View } from './view.ts';

/** What Horizon gives when no limit is asked for, and the most it gives (db2/page_query.go). */
const [DEFAULT_LIMIT, MAX_LIMIT] = [10, 200];

const MAX_INT64 = 2n ** 63n - 1n;

/** A range that a request asks for. `index` is the second number of a cursor of effects, `<operation>-<index>`. */
export type Paging = Omit<Range, 'head'> & { readonly index: bigint | null };

/**
 * The range a request asks for. An ascending cursor older than the node's history is silently moved to its
 * beginning, as Horizon does; a descending one gets 410. Checked in Horizon's order (actions/helpers.go).
 */
export function pageRange(query: URLSearchParams, view: View): Paging {
  const asked = query.get('cursor') ?? '';
  const text = asked === 'now' ? String(toid(view.head.sequence + 1) - 1n) : asked;
  const negative = readInt64(text) ?? 0n;
  if (negative < 0n) {
    throw invalidField('cursor', `the cursor ${negative} is a negative number: `);
  }
  const limit = readLimit(query.get('limit'));
  const order = query.get('order') || 'asc';
  if (order !== 'asc' && order !== 'desc') {
    throw invalidField('order', 'order: invalid value');
  }
  const { cursor, index } = readCursor(text);
  const oldest = toid(view.elder);
  if (cursor !== null && cursor < oldest) {
    if (order === 'desc') throw beforeHistory();
    return { order, limit, cursor: oldest - 1n, index: null };
  }
  return { order, limit, cursor: cursor ?? (order === 'asc' ? oldest - 1n : null), index };
}

/** What Go's strconv.ParseInt makes of a text; null where that is an error. */
function readInt64(text: string): bigint | null {
  if (!/^[+-]?\d+$/.test(text)) return null;
  const value = BigInt(text.replace('+', ''));
  return value <= MAX_INT64 && value >= -MAX_INT64 - 1n ? value : null;
}

function readLimit(text: string | null): number {
  if (!text) return DEFAULT_LIMIT;
  const limit = readInt64(text);
  if (limit === null) throw invalidField('limit', 'unparseable value');
  if (limit <= 0n) throw invalidField('limit', 'invalid limit: non-positive value provided');
  if (limit > BigInt(MAX_LIMIT)) {
    throw invalidField(
      'limit',
      `invalid limit: value provided that is over limit max of ${MAX_LIMIT}`,
    );
  }
  return Number(limit);
}

function readCursor(text: string): { cursor: bigint | null; index: bigint | null } {
  if (text === '') return { cursor: null, index: null };
  const [, first = text, second] = /^([^-]*)-(.*)$/s.exec(text) ?? [];
  const cursor = readInt64(first);
  const index = second === undefined ? 0n : readInt64(second);
  if (cursor === null || index === null || cursor < 0n || index < 0n) {
    throw invalidField('cursor', 'cursor: invalid value');
  }
  return { cursor, index: second === undefined ? null : index };
}

/** A page with its links. Each record has a `paging_token`. */
export function page(records: readonly Json[], url: URL, range: Paging): Json {
  const link = (cursor: string, order: string) => {
    const target = new URL(url);
    target.searchParams.set('cursor', cursor);
    target.searchParams.set('limit', String(range.limit));
    target.searchParams.set('order', order);
    target.searchParams.sort();
    return { href: target.toString() };
  };
  const asked = url.searchParams.get('cursor') ?? '';
  const self = asked === 'now' ? String(range.cursor ?? '') : asked;
  const other = range.order === 'asc' ? 'desc' : 'asc';
  return {
    _links: {
      self: link(self, range.order),
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
