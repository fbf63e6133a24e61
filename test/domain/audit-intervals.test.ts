/** The audit's arithmetic with ledgers, against plain sets of numbers. */
import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { firstMissing, hasLedger, unionOf } from '../../src/domain/audit-intervals.ts';

const numbers = (from: number, through: number) =>
  Array.from({ length: Math.max(0, through - from + 1) }, (_, i) => from + i);

const interval = fc.record({
  from: fc.integer({ min: 1, max: 40 }),
  through: fc.integer({ min: 0, max: 44 }),
});

test('a union has what its intervals have, in as few of them as can be', () => {
  fc.assert(
    fc.property(fc.array(interval, { maxLength: 8 }), (intervals) => {
      const all = new Set(intervals.flatMap(({ from, through }) => numbers(from, through)));
      const union = unionOf(intervals);
      expect(numbers(0, 50).filter((n) => hasLedger(union, n))).toEqual(
        [...all].sort((a, b) => a - b),
      );
      for (const [i, { from }] of union.entries()) {
        expect(from).toBeGreaterThan((union[i - 1]?.through ?? -1) + 1);
      }
    }),
  );
});

test('the first ledger that is missing is the first one, and none of an empty interval is', () => {
  fc.assert(
    fc.property(fc.array(interval, { maxLength: 8 }), interval, (intervals, wanted) => {
      const union = unionOf(intervals);
      const missing = numbers(wanted.from, wanted.through).find((n) => !hasLedger(union, n));
      expect(firstMissing(union, wanted)).toBe(missing ?? null);
    }),
  );
});
