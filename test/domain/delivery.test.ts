import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import {
  afterAttempt,
  headDueAt,
  mustGiveWay,
  pauseAfter,
  type Head,
  type PostOutcome,
} from '../../src/domain/delivery.ts';
import { minute } from './build.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const NOW = minute(0);
const ID = '5c1d8c0e-1111-5222-8333-444455556666';

const answered = (status: number, retryAfterMs: number | null = null): PostOutcome => {
  return { kind: 'answered', status, retryAfterMs, detail: '' };
};
const FAILED: PostOutcome = { kind: 'failed', detail: 'ECONNRESET' };
const REFUSED: PostOutcome = { kind: 'refused', detail: 'leads inside' };

const after = (attempts: number, outcome: PostOutcome, deliveryId = ID) =>
  afterAttempt({ deliveryId, attempts }, outcome, NOW);

/** How long it is until the next attempt; fails the test when there is none. */
function waitAfter(attempts: number, outcome: PostOutcome = FAILED, deliveryId = ID): number {
  const next = after(attempts, outcome, deliveryId);
  if (next.kind !== 'retry') throw new Error(`Not tried again, but ${next.kind}.`);
  return next.at.getTime() - NOW.getTime();
}

/** The pause after each failed attempt, before jitter: ten attempts over about 75 hours. */
const SCHEDULE: [attempt: number, pause: number][] = [
  [1, 5 * SECOND],
  [2, 5 * MINUTE],
  [3, 30 * MINUTE],
  [4, 2 * HOUR],
  [5, 5 * HOUR],
  [6, 10 * HOUR],
  [7, 14 * HOUR],
  [8, 20 * HOUR],
  [9, 24 * HOUR],
];

describe('the schedule', () => {
  test.each(SCHEDULE)('after failure %d the pause is %d ms, a tenth more or less', (n, pause) => {
    fc.assert(
      fc.property(fc.uuid(), (id) => {
        const wait = waitAfter(n, FAILED, id);
        expect(wait).toBeGreaterThanOrEqual(0.9 * pause);
        expect(wait).toBeLessThanOrEqual(1.1 * pause);
      }),
    );
  });

  test('after the tenth failure it is given up', () => {
    for (const outcome of [FAILED, REFUSED, answered(500), answered(503, HOUR)]) {
      expect(after(10, outcome)).toEqual({ kind: 'dead', reason: 'max_attempts' });
    }
    expect(after(10, answered(200))).toEqual({ kind: 'delivered' });
  });

  test('a weekend is survived: the last attempt is about 75 hours after the first', () => {
    const hours = SCHEDULE.reduce((sum, [n]) => sum + waitAfter(n), 0) / HOUR;
    expect(hours).toBeGreaterThan(0.9 * 75);
    expect(hours).toBeLessThan(1.1 * 76);
  });

  test('the same delivery computes the same time again; others spread over the whole range', () => {
    const ids = Array.from({ length: 200 }, (_, i) => `00000000-0000-4000-8000-${i}`);
    const waits = ids.map((id) => waitAfter(4, FAILED, id) / (2 * HOUR));
    expect(ids.map((id) => waitAfter(4, FAILED, id) / (2 * HOUR))).toEqual(waits);
    expect(Math.min(...waits)).toBeLessThan(0.93);
    expect(Math.max(...waits)).toBeGreaterThan(1.07);
    expect(new Set(waits).size).toBeGreaterThan(150);
  });
});

describe('what an outcome means', () => {
  test.each([200, 201, 202, 204, 299])('%d is delivered', (status) => {
    expect(after(1, answered(status, HOUR))).toEqual({ kind: 'delivered' });
  });

  test.each([199, 300, 302, 400, 401, 403, 404, 408, 429, 500, 502, 503, 504])(
    '%d is tried again',
    (status) => {
      expect(after(1, answered(status)).kind).toBe('retry');
    },
  );

  test('410 is dead at once', () => {
    expect(after(1, answered(410, HOUR))).toEqual({ kind: 'dead', reason: '4xx:410' });
  });

  test('no answer, and a URL that is refused, are tried again: both can be mended', () => {
    expect(after(1, FAILED).kind).toBe('retry');
    expect(after(1, REFUSED).kind).toBe('retry');
  });
});

describe('Retry-After', () => {
  test.each<[string, number, number | null, number]>([
    ['none', 2, null, waitAfter(2)],
    ['shorter than the schedule, which is kept', 2, SECOND, waitAfter(2)],
    ['longer than the schedule', 1, HOUR, HOUR],
    ['longer than the longest pause', 1, 1000 * HOUR, 24 * HOUR],
  ])('%s', (_, attempts, asked, wait) => {
    expect(waitAfter(attempts, answered(503, asked))).toBe(wait);
  });
});

describe('an endpoint that keeps failing', () => {
  test.each<[number, number | null]>([
    [0, null],
    [1, null],
    [9, null],
    [10, MINUTE],
    [11, 2 * MINUTE],
    [12, 4 * MINUTE],
    [15, 32 * MINUTE],
    [16, HOUR],
    [17, HOUR],
    [100_000, HOUR],
  ])('after %d failures in a row rests for %p ms', (failures, pause) => {
    const until = pauseAfter(failures, NOW);
    expect(until === null ? null : until.getTime() - NOW.getTime()).toBe(pause);
  });
});

describe('giving way', () => {
  const head = (fields: Partial<Head> = {}): Head => ({
    event: 'payment.exception',
    at: minute(30),
    firstAttemptAt: minute(0),
    confirmedWaits: true,
    restsUntil: null,
    ...fields,
  });

  test('an event that has failed for ten minutes, when a payment.confirmed waits behind it', () => {
    expect(mustGiveWay(head(), minute(9.99))).toBe(false);
    expect(mustGiveWay(head(), minute(10))).toBe(true);
    expect(headDueAt(head())).toEqual(minute(10));
  });

  test.each<[string, Partial<Head>]>([
    ['behind which no payment.confirmed waits', { confirmedWaits: false }],
    ['that was never tried', { firstAttemptAt: null }],
    ['that is a payment.confirmed itself', { event: 'payment.confirmed' }],
  ])('never one %s', (_, fields) => {
    expect(mustGiveWay(head(fields), minute(100_000))).toBe(false);
    expect(headDueAt(head(fields))).toEqual(minute(30));
  });

  test('not while its endpoint rests: what waits behind it could not be sent either', () => {
    const resting = head({ at: minute(45), restsUntil: minute(45) });
    expect(mustGiveWay(resting, minute(44.99))).toBe(false);
    expect(headDueAt(resting)).toEqual(minute(45));
    expect(headDueAt(head({ restsUntil: minute(5) }))).toEqual(minute(10));
  });

  test('an event of an older backend gives way, too', () => {
    expect(mustGiveWay(head({ event: 'session.created' }), minute(10))).toBe(true);
  });

  test('one that is to be tried before then is due at its own time', () => {
    expect(headDueAt(head({ at: minute(5) }))).toEqual(minute(5));
  });
});
