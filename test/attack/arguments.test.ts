/** What `npm run attack` may be asked to do. */
import { expect, test } from '@jest/globals';
import { planOf, readArguments } from '../../attack/arguments.ts';

test('every actor attacks, unless some are named', () => {
  const actors = readArguments(['--quick', '--seed', '7']).plan.map(({ actor }) => actor);
  expect(actors).toEqual(['payer', 'same-account', 'merchant', 'backend', 'reporter', 'neighbour']);
});

test('an actor, or one attack of it, can be named', () => {
  expect(planOf(['reporter', 'payer:giants', 'payer:dust'])).toEqual([
    { actor: 'payer', attacks: ['dust'] },
    { actor: 'payer', attacks: ['giants'] },
    { actor: 'reporter', attacks: ['nonsense'] },
  ]);
});

test('what is not there is refused with what there is', () => {
  expect(() => planOf(['payer:nothing'])).toThrow(/payer:nothing.*payer:dust/);
  expect(() => readArguments(['--seed', 'x'])).toThrow(/--seed/);
});
