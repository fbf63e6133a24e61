import { describe, expect, test } from '@jest/globals';
import { effectiveDeadline, endingOf, isOpen, isUuid } from '../../src/domain/session.ts';
import { minute, session } from './build.ts';

describe('the effective deadline is the earlier of expiry and cancellation, and decides the ending', () => {
  test.each<{ expiry: number; cancel: number | null; deadline: number; ending: string }>`
    expiry | cancel  | deadline | ending
    ${30}  | ${null} | ${30}    | ${'expired'}
    ${30}  | ${10}   | ${10}    | ${'cancelled'}
    ${30}  | ${30}   | ${30}    | ${'cancelled'}
    ${30}  | ${40}   | ${30}    | ${'expired'}
  `(
    'to expire in minute $expiry, cancelled in $cancel: $ending in $deadline',
    ({ expiry, cancel, deadline, ending }) => {
      const cancelAt = cancel === null ? null : minute(cancel);
      const s = session({ expiresAt: minute(expiry), cancelAt });
      expect(effectiveDeadline(s)).toEqual(minute(deadline));
      expect(endingOf(s)).toBe(ending);
    },
  );
});

describe('a session that is over keeps the deadline by which it was decided', () => {
  test.each<{ expiry: number; cancel: number | null; final: number; ending: string }>`
    expiry | cancel  | final | ending
    ${90}  | ${null} | ${30} | ${'expired'}
    ${5}   | ${null} | ${30} | ${'expired'}
    ${30}  | ${10}   | ${10} | ${'cancelled'}
    ${30}  | ${40}   | ${30} | ${'expired'}
  `(
    'decided by minute $final, though the row says $expiry and $cancel: $ending',
    ({ expiry, cancel, final, ending }) => {
      const cancelAt = cancel === null ? null : minute(cancel);
      const finalDeadline = minute(final);
      const s = session({ expiresAt: minute(expiry), cancelAt, finalDeadline });
      expect(effectiveDeadline(s)).toEqual(finalDeadline);
      expect(endingOf(s)).toBe(ending);
    },
  );
});

test('pending and processing are open; the others are not', () => {
  expect((['pending', 'processing'] as const).every(isOpen)).toBe(true);
  expect((['paid', 'expired', 'cancelled'] as const).some(isOpen)).toBe(false);
});

test('an id is a UUID as PostgreSQL prints it', () => {
  expect(isUuid(session().id)).toBe(true);
  for (const text of [
    '',
    'S1',
    session().id.toUpperCase(),
    `{${session().id}}`,
    `${session().id}\n`,
  ]) {
    expect(isUuid(text)).toBe(false);
  }
});
