import type { Counters } from '../../src/activities/deps.ts';

/** Counters that can be read: how often each thing was counted. */
export function countingCounters(): Counters & { readonly counted: Map<string, number> } {
  const counted = new Map<string, number>();
  const add = (name: string) => void counted.set(name, (counted.get(name) ?? 0) + 1);
  return {
    counted,
    judged: (verdict) => add(`judged ${verdict}`),
    foundAfterEnding: () => add('found after ending'),
    reconciled: (kind, { found }) => {
      for (let i = 0; i < found; i += 1) add(`reconciled ${kind}`);
    },
    reportLimited: (bound) => add(`report limited by ${bound}`),
    setAside: (kind) => add(`set aside ${kind}`),
    attempted: (outcome) => add(`attempted ${outcome}`),
  };
}
