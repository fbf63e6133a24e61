/**
 * Sets of ledgers as sorted lists of intervals: the audit's own arithmetic. The product does the same with PostgreSQL's
 * multiranges, and a check must not take from the product what it is to judge. Pure.
 */

/** Ledgers from `from` through `through`, both included. */
export type Interval = { readonly from: number; readonly through: number };

/** Disjoint intervals in ascending order, none of which touches the next. */
export type Ledgers = readonly Interval[];

/** The union of intervals in any order; empty ones (`through` before `from`) add nothing. */
export function unionOf(intervals: Iterable<Interval>): Ledgers {
  const sorted = [...intervals]
    .filter(({ from, through }) => from <= through)
    .sort((a, b) => a.from - b.from);
  const union: Interval[] = [];
  for (const next of sorted) {
    const last = union.at(-1);
    if (last === undefined || next.from > last.through + 1) union.push(next);
    else if (next.through > last.through) {
      union[union.length - 1] = { from: last.from, through: next.through };
    }
  }
  return union;
}

/** Whether a set has a ledger. */
export function hasLedger(ledgers: Ledgers, ledger: number): boolean {
  return ledgers.some(({ from, through }) => from <= ledger && ledger <= through);
}

/** The first ledger of an interval that a set lacks; null when it has them all, or the interval is empty. */
export function firstMissing(ledgers: Ledgers, { from, through }: Interval): number | null {
  let next = from;
  for (const interval of ledgers) {
    if (interval.from > next) break;
    if (interval.through >= next) next = interval.through + 1;
  }
  return next <= through ? next : null;
}
