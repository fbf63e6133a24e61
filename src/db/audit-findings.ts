/** What the audit found, in bounded memory. */
import type { Check, PromiseId } from '../domain/audit.ts';

/** A promise that is broken, and by which row. */
export type Finding = {
  readonly promise: PromiseId;
  readonly check: Check;
  /** `session <id>`, `payment <key>`, `record <id>`, `event <id>` or `delivery <id>`. */
  readonly subject: string;
  readonly problem: string;
};

/** Findings kept of each check: more than a person reads, few enough for a database in which everything is broken. */
export const MOST_FINDINGS = 1_000;

/** The findings, and how many there were beyond those kept. */
export type Found = {
  readonly findings: readonly Finding[];
  /** By check; absent where all are kept. */
  readonly more: Readonly<Partial<Record<Check, number>>>;
};

/** Collects findings. */
export type Collector = {
  /** `more`: how many there are beside those that are listed, by check. */
  add(found: readonly Finding[], more?: ReadonlyMap<Check, number>): void;
  /** Whether findings of this check are only counted by now. */
  isFull(check: Check): boolean;
  result(): Found;
};

/** A collector without findings. */
export function createCollector(): Collector {
  const findings: Finding[] = [];
  const counts = new Map<Check, number>();
  return {
    add: (found, more = new Map()) => {
      for (const finding of found) {
        const count = (counts.get(finding.check) ?? 0) + 1;
        counts.set(finding.check, count);
        if (count <= MOST_FINDINGS) findings.push(finding);
      }
      for (const [check, count] of more) counts.set(check, (counts.get(check) ?? 0) + count);
    },
    isFull: (check) => (counts.get(check) ?? 0) >= MOST_FINDINGS,
    result: () => ({
      findings,
      more: Object.fromEntries(
        [...counts]
          .filter(([, count]) => count > MOST_FINDINGS)
          .map(([check, count]) => [check, count - MOST_FINDINGS]),
      ),
    }),
  };
}
