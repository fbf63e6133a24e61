import { describe, expect, test } from '@jest/globals';
import { reasonOf, Refusal } from '../../src/domain/failure.ts';

test('a refusal says in words what is wrong, by code what kind it is, and where', () => {
  const refusal = new Refusal('InvalidInput', 'The amount is not positive.', 'amount');
  expect(refusal).toBeInstanceOf(Error);
  expect(refusal).toMatchObject({
    name: 'Refusal',
    code: 'InvalidInput',
    message: 'The amount is not positive.',
    field: 'amount',
  });
});

test('a refusal of the whole request names no field', () => {
  expect(new Refusal('SessionNotFound', 'There is no such session.').field).toBeNull();
});

describe('what happened, in words that may be shown', () => {
  const postgres = new Error('duplicate key value violates unique constraint "x"');
  const drizzle = new Error('Failed query: INSERT … params: whsec_secret', { cause: postgres });

  test('of a failed statement is what PostgreSQL said, never the statement', () => {
    expect(reasonOf(drizzle)).toBe(postgres.message);
    expect(reasonOf(new Error('Failed query: a', { cause: drizzle }))).toBe(postgres.message);
    expect(reasonOf(new Error('Failed query: INSERT … params: whsec_secret'))).not.toContain(
      'whsec',
    );
  });

  test('of anything else is its own message, with what it says about the cause', () => {
    const unavailable = new Error('Horizon did not answer', { cause: new Error('ECONNRESET') });
    expect(reasonOf(unavailable)).toBe('Horizon did not answer');
    expect(reasonOf('a text')).toBe('a text');
    expect(reasonOf(undefined)).toBe('undefined');
  });
});
