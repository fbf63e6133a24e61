import { expect, test } from '@jest/globals';
import { refusing } from '../../src/activities/refuse.ts';
import { cannotPass } from '../../src/db/sqlstate.ts';

const failed = (code: string) =>
  Object.assign(new Error('Failed query: SELECT 1'), {
    cause: Object.assign(new Error('unsupported Unicode escape sequence'), { code }),
  });

test.each(['22P05', '22P02', '22021', '22008', '22003', '23502', '23514', '54001', '54000'])(
  'SQLSTATE %s is met again by the same input',
  (code) => {
    expect(cannotPass(failed(code))).toBe(true);
  },
);

test.each(['23503', '23505', '40001', '40P01', '57014', '57P01', '53300', '08006', '42501'])(
  'SQLSTATE %s may pass another time',
  (code) => {
    expect(cannotPass(failed(code))).toBe(false);
  },
);

test.each([
  [new RangeError('Invalid time value'), true],
  [new TypeError('Cannot read properties of undefined'), true],
  [new SyntaxError('Unexpected end of JSON input'), true],
  [
    new TypeError('fetch failed', { cause: Object.assign(new Error(), { code: 'ECONNRESET' }) }),
    false,
  ],
  [new Error('Connection terminated unexpectedly'), false],
  [new Error('Something else'), false],
])('%s: %s', (error, expected) => {
  expect(cannotPass(error)).toBe(expected);
});

test('an activity that can only fail again refuses, and says why without its statement', async () => {
  await expect(refusing(() => Promise.reject(failed('22P05')))).rejects.toMatchObject({
    type: 'InvalidInput',
    nonRetryable: true,
    message: 'The request cannot be carried out: unsupported Unicode escape sequence (22P05).',
  });
  const passing = failed('40001');
  await expect(refusing(() => Promise.reject(passing))).rejects.toBe(passing);
});
