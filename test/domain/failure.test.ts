import { expect, test } from '@jest/globals';
import { Refusal } from '../../src/domain/failure.ts';

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
