/** How many records of a path were not too much. It saves answers that would be thrown away; nothing depends on it. */
import type { HorizonHttp } from './http.ts';

/** Paths that are remembered; one that is forgotten is asked for by a full page again. */
const MOST_PATHS = 1_000;
/** After so many pages, twice as many records are asked for. */
const PAGES_UNTIL_MORE = 8;

type Size = { readonly limit: number; readonly pages: number };

const all = new WeakMap<HorizonHttp, Map<string, Size>>();

/** What is remembered of the pages of one Horizon. */
export function sizesOf(http: HorizonHttp) {
  const sizes = all.get(http) ?? new Map<string, Size>();
  all.set(http, sizes);
  return {
    /** How many records to ask for; infinitely many where nothing is known. */
    of: (path: string) => sizes.get(path)?.limit ?? Number.POSITIVE_INFINITY,
    /** A page of this many was too much, so half of it comes next. */
    wasTooMuch: (path: string, half: number) => {
      sizes.delete(path);
      sizes.set(path, { limit: Math.max(half, 1), pages: 0 });
      const [oldest = ''] = sizes.keys();
      if (sizes.size > MOST_PATHS) sizes.delete(oldest);
    },
    /** A page of this many was not. */
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
