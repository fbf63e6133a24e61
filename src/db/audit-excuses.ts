/** What the audit let pass, counted by reason, with the first of each. */
import type { Excuse, ExcuseReason } from '../domain/audit-evidence.ts';

/** Something about a row, in words. */
export type Named = { readonly subject: string; readonly problem: string };

/** What an excuse is about. */
export type NamedExcuse = Named & Pick<Excuse, 'reason'>;

/** How many, and the first of them. */
export type Counted = { readonly count: number; readonly examples: readonly Named[] };

/** What was excused, by reason; absent where nothing was. */
export type Excused = Readonly<Partial<Record<ExcuseReason, Counted>>>;

/** Examples kept of each kind. */
export const EXAMPLES = 20;

/** Counts things, and keeps the first of them. */
export function createCount() {
  let count = 0;
  const examples: Named[] = [];
  return {
    /** `more`: how many there are beside those named. */
    add: (named: readonly Named[], more = 0): void => {
      count += named.length + more;
      examples.push(...named.slice(0, EXAMPLES - examples.length));
    },
    result: (): Counted => ({ count, examples }),
  };
}

/** How many excuses there are beside those that are named, by reason. */
export type MoreExcuses = ReadonlyMap<ExcuseReason, number>;

/** Counts excuses by their reasons. */
export function createExcuses() {
  const counts = new Map<ExcuseReason, ReturnType<typeof createCount>>();
  const countOf = (reason: ExcuseReason) => {
    const count = counts.get(reason) ?? createCount();
    counts.set(reason, count);
    return count;
  };
  return {
    add: (excuses: readonly NamedExcuse[], more: MoreExcuses = new Map()): void => {
      for (const { reason, subject, problem } of excuses)
        countOf(reason).add([{ subject, problem }]);
      for (const [reason, count] of more) countOf(reason).add([], count);
    },
    result: (): Excused =>
      Object.fromEntries([...counts].map(([reason, count]) => [reason, count.result()])),
  };
}

/** The sum of two counts by kind. */
export function addCounts<Kind>(
  a: ReadonlyMap<Kind, number>,
  b: ReadonlyMap<Kind, number>,
): ReadonlyMap<Kind, number> {
  const sum = new Map(a);
  for (const [kind, count] of b) sum.set(kind, (sum.get(kind) ?? 0) + count);
  return sum;
}
