/** How wide a hole is: what one page of headers leaves out, on the chain, and nothing that two answers say together. */
import { expect, test } from '@jest/globals';
import { NotShown } from '../../src/domain/not-shown.ts';
import { headerOf } from './headers.ts';

const widthOf = (hole: NotShown | null) => (hole === null ? null : [hole.from, hole.through]);
const shown = headerOf(120);

test('a page that was asked for from 100 on and begins with 120 leaves out 100 to 119', () => {
  expect(widthOf(NotShown.before(shown, { asked: 100, known: shown }))).toEqual([100, 119]);
});

test.each([
  ['is empty: the node lags', null, shown],
  ['begins with a ledger that the chain lacks', shown, undefined],
  ['begins with another ledger of that number', shown, headerOf(120, { hash: 'another' })],
  ['is compared with another number', shown, headerOf(121, { hash: shown.hash })],
  ['has the ledger that was asked for', headerOf(100), headerOf(100)],
  ['begins before the ledger that was asked for', headerOf(90), headerOf(90)],
] as const)('a page says nothing when it %s', (_, header, known) => {
  expect(NotShown.before(header, { asked: 100, known })).toBeNull();
});

test('a ledger that is shown ends it, and the one that was asked for stays', () => {
  const hole = NotShown.before(shown, { asked: 100, known: shown }) as NotShown;
  expect(widthOf(hole.endingBefore(110))).toEqual([100, 109]);
  expect(widthOf(hole.endingBefore(500))).toEqual([100, 119]);
  expect(widthOf(hole.endingBefore(100))).toEqual([100, 100]);
  expect(widthOf(hole.endingBefore(50))).toEqual([100, 100]);
  expect(widthOf(NotShown.alone(7))).toEqual([7, 7]);
});
