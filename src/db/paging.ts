/** Pages of what reconciliation finds: how large they are, and where the next one begins. */
import { sql, type SQL } from 'drizzle-orm';

/** Sessions taken at once: one settle commit's worth. */
export const PAGE = 200;

/** A page of what was found, and where the next one begins; null: there is none. */
export type Finding<T> = { readonly found: readonly T[]; readonly next: string | null };

/** Where a page begins: a moment, where one orders by it, and an id. */
export type Key = { readonly at: string; readonly id: string };

/** Before every key. */
export const START: Key = { at: '-infinity', id: '00000000-0000-0000-0000-000000000000' };

/**
 * The key of a row as text, `<moment> <id>`; `readKey` is its inverse. The moment is PostgreSQL's own text, which has an
 * infinity and years before Christ; its blanks are underscores.
 */
export const keyOf = (at: SQL, id: SQL): SQL => sql`replace(${at}::text, ' ', '_') || ' ' || ${id}`;

/** The key that `keyOf` wrote; null: the first page. */
export function readKey(key: string | null): Key {
  const [at = START.at, id = START.id] = key?.split(' ') ?? [];
  return { at: at.replaceAll('_', ' '), id };
}
