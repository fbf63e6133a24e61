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
    add: (named: readonly Named[]): void => {
      count += named.length;
      examples.push(...named.slice(0, EXAMPLES - examples.length));
    },
    result: (): Counted => ({ count, examples }),
  };
}

/** Counts excuses by their reasons. */
export function createExcuses() {
  const counts = new Map<ExcuseReason, ReturnType<typeof createCount>>();
  return {
    add: (excuses: readonly NamedExcuse[]): void => {
      for (const { reason, subject, problem } of excuses) {
        const count = counts.get(reason) ?? createCount();
        counts.set(reason, count);
        count.add([{ subject, problem }]);
      }
    },
    result: (): Excused =>
      Object.fromEntries([...counts].map(([reason, count]) => [reason, count.result()])),
  };
}
