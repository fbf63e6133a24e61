/** Remembers the page size that each path could be read with, to save requests whose answers would be discarded. */
import type { HorizonHttp } from './http.ts';

/** The oldest path is forgotten beyond this number; its next page starts with the full size. */
const MOST_PATHS = 1_000;
/** The size is doubled after this many pages. */
const PAGES_UNTIL_MORE = 8;

type Size = { readonly limit: number; readonly pages: number };

const all = new WeakMap<HorizonHttp, Map<string, Size>>();

/** The page sizes of one Horizon. */
export function sizesOf(http: HorizonHttp) {
  const sizes = all.get(http) ?? new Map<string, Size>();
  all.set(http, sizes);
  return {
    /** The size of the next page; infinite for an unknown path. */
    of: (path: string) => sizes.get(path)?.limit ?? Number.POSITIVE_INFINITY,
    /** Notes that a page was too large or too slow; `half` of its size is next. */
    wasTooMuch: (path: string, half: number) => {
      sizes.delete(path);
      sizes.set(path, { limit: Math.max(half, 1), pages: 0 });
      const [oldest = ''] = sizes.keys();
      if (sizes.size > MOST_PATHS) sizes.delete(oldest);
    },
    /** Notes that a page of this size was read. */
    wasRead: (path: string, limit: number) => {
      const known = sizes.get(path);
      if (known === undefined || limit < known.limit) return;
      const pages = known.pages + 1;
      if (pages < PAGES_UNTIL_MORE) sizes.set(path, { limit: known.limit, pages });
      else if (known.limit * 2 >= MOST_RECORDS) sizes.delete(path);
      else sizes.set(path, { limit: known.limit * 2, pages: 0 });
    },
  };
}

/** Horizon's largest page. */
const MOST_RECORDS = 200;
