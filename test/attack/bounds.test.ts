/** The judgement of an attack must be able to be red: for each bound, a phase that passes it, and one that just does not. */
import { describe, expect, test } from '@jest/globals';
import {
  latenciesOf,
  MOST_GROWTH_MB,
  MOST_RATIO,
  NOISE_MS,
  passed,
  REPLACED_WITHIN_MS,
  type Seen,
} from '../../attack/bounds.ts';

const calm = { p50: 1_000, p99: 3_000 };
const alone = { commit: calm, webhook: calm };
const kept: Seen = { ...alone, replaced: 0, memory: null, dead: [], lost: [], broken: [] };

describe('a phase of an attack', () => {
  test('keeps every bound when nothing has changed', () => {
    expect(passed(kept, alone)).toEqual([]);
  });

  test.each(['commit', 'webhook'] as const)(
    'may take twice as long until the %s, and no longer',
    (what) => {
      const slow = (more: number) => ({
        ...kept,
        [what]: { p50: 2_000, p99: 3_000 * MOST_RATIO + more },
      });
      expect(passed(slow(0), alone)).toEqual([]);
      expect(passed(slow(1), alone)).toEqual([expect.stringContaining(`payment to ${what}, p99`)]);
    },
  );

  test('is not judged by a ratio of small numbers', () => {
    const fast = { commit: { p50: 10, p99: 20 }, webhook: { p50: 10, p99: 20 } };
    const noise = { p50: 10 + NOISE_MS.p50, p99: 20 + NOISE_MS.p99 };
    expect(passed({ ...kept, commit: noise, webhook: noise }, fast)).toEqual([]);
    const more = { p50: noise.p50 + 1, p99: noise.p99 };
    expect(passed({ ...kept, commit: more, webhook: noise }, fast)).toHaveLength(1);
  });

  test('is red when a webhook never came', () => {
    const never = { p50: 1_000, p99: Infinity };
    expect(passed({ ...kept, webhook: never }, alone)).toEqual([expect.stringContaining('never')]);
  });

  test('is red when a worker grew beyond its bound', () => {
    const memory = (more: number) => ({ beforeMb: 200, peakMb: 200 + MOST_GROWTH_MB + more });
    expect(passed({ ...kept, memory: memory(0) }, alone)).toEqual([]);
    expect(passed({ ...kept, memory: memory(1) }, alone)).toHaveLength(1);
  });

  test('is red when a replaced worker keeps a session waiting for longer than that takes', () => {
    expect(passed({ ...kept, replaced: REPLACED_WITHIN_MS }, alone)).toEqual([]);
    expect(passed({ ...kept, replaced: REPLACED_WITHIN_MS + 1 }, alone)).toHaveLength(1);
  });

  test('has the median and the slowest hundredth of its sessions', () => {
    const all = Array.from({ length: 200 }, (_, i) => ({
      commit: 200 - i,
      webhook: i === 3 ? Infinity : 7,
    }));
    expect(latenciesOf(all)).toEqual({
      commit: { p50: 100, p99: 198 },
      webhook: { p50: 7, p99: 7 },
    });
    expect(latenciesOf([])).toEqual({
      commit: { p50: Infinity, p99: Infinity },
      webhook: { p50: Infinity, p99: Infinity },
    });
  });

  test('is red for a dead worker, a lost session and a broken promise, each by itself', () => {
    expect(passed({ ...kept, dead: ['worker 7: SIGABRT'] }, alone)).toHaveLength(1);
    expect(passed({ ...kept, lost: ['session x'] }, alone)).toHaveLength(1);
    expect(passed({ ...kept, broken: ['audit: P1 x'] }, alone)).toHaveLength(1);
  });
});
