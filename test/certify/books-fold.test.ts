/** The certificate's own books: what movements mean, and how a session ends, case by case. */
import { describe, expect, test } from '@jest/globals';
import type { Asked } from '../../certify/books/asked.ts';
import { allowed } from '../../certify/books/expect.ts';
import type { Movement } from '../../certify/books/ledger.ts';
import { decimalOf, stroopsOf } from '../../certify/books/money.ts';
import { asked, booksOf, closeOf, headAt, payment, terms, XLM } from './books.ts';

const CALM = { hidesHistory: false };

function results(
  movements: readonly Movement[],
  more: Partial<Asked> = {},
  world: { hidesHistory: boolean } = CALM,
): string[] {
  const all = [...allowed(asked(more), booksOf(...movements), world)].map((outcome) => {
    const { status, endedBy, completing, meant, held } = outcome;
    const by = completing === null ? endedBy : decimalOf(completing.sum);
    const verdicts = meant.map(({ verdict }) => verdict).join(' ');
    const kept = held.map(({ reason, amount }) => `${reason} ${decimalOf(amount)}`).join(', ');
    return [`${status} ${by}`, verdicts, kept].filter((part) => part !== '').join('; ');
  });
  return [...new Set(all)].sort();
}

const only = (movements: readonly Movement[], more: Partial<Asked> = {}) => {
  const all = results(movements, more);
  expect(all).toHaveLength(1);
  return all[0];
};

describe('what came', () => {
  test.each<[string, Movement[], string]>([
    ['nothing', [], 'expired 51'],
    ['the price', [payment(10, '10')], 'paid 10.0000000; credited'],
    ['a stroop less', [payment(10, '9.9999999')], 'expired 51; credited; underpaid 9.9999999'],
    [
      'the price in parts',
      [payment(10, '4'), payment(12, '6')],
      'paid 10.0000000; credited credited',
    ],
    [
      'more than the price',
      [payment(10, '4'), payment(12, '7.5')],
      'paid 11.5000000; credited credited; overpaid 1.5000000',
    ],
    [
      'the price twice',
      [payment(10, '10'), payment(11, '10')],
      'paid 10.0000000; credited duplicate; duplicate 10.0000000',
    ],
    ['the price in the second of the deadline', [payment(50, '10')], 'paid 10.0000000; credited'],
    ['the price a ledger later', [payment(51, '10')], 'expired 51; late; late 10.0000000'],
    [
      'late money for a paid session',
      [payment(10, '10'), payment(51, '10')],
      'paid 10.0000000; credited late; late 10.0000000',
    ],
    [
      'another asset',
      [payment(10, '10', { asset: XLM })],
      'expired 51; wrong_asset; wrong_asset 10.0000000',
    ],
    [
      'the same code of another issuer, late',
      [payment(60, '10', { asset: { code: 'USDC', issuer: 'GOTHER' } })],
      'expired 51; wrong_asset; wrong_asset 10.0000000',
    ],
    ['an amount of zero', [payment(10, '0')], 'expired 51; nothing; nothing 0.0000000'],
    ['money for another account', [payment(10, '10', { account: 'GOTHER' })], 'expired 51'],
    ['money for another reference', [payment(10, '10', { reference: '8' })], 'expired 51'],
    ['money without a reference', [payment(10, '10', { reference: null })], 'expired 51'],
  ])('%s', (_, movements, right) => {
    expect(only(movements)).toBe(right);
  });

  test('a session whose deadline no ledger has passed is open', () => {
    expect(only([payment(10, '9')], { terms: terms({ expiresAt: closeOf(100) }) })).toBe(
      'open null; credited',
    );
  });

  test('two ledgers of one second: the second one is on time, and the end is behind both', () => {
    const movements = [payment(51, '10', { closedAt: closeOf(50) })];
    const heads = booksOf().heads.map((head) =>
      head.sequence === 51 ? { sequence: 51, closedAt: closeOf(50) } : head,
    );
    const [first] = allowed(asked(), { heads, movements }, CALM);
    expect(first?.status).toBe('paid');
    const [short] = allowed(asked(), { heads, movements: [] }, CALM);
    expect(short?.endedBy).toBe(52);
  });
});

describe('cancellations', () => {
  const cancelled = (lowest: number, seen: number | null, isCertain = true) => ({
    cancellations: [
      { lowest: headAt(lowest), seen: seen === null ? null : headAt(seen), isCertain },
    ],
  });

  test('it counts from a ledger between asking and answer', () => {
    expect(results([], cancelled(20, 22))).toEqual([
      'cancelled 21',
      'cancelled 22',
      'cancelled 23',
    ]);
  });

  test('money of then is on time by some orders and late by others', () => {
    expect(results([payment(21, '10')], cancelled(20, 21))).toEqual([
      'cancelled 21; late; late 10.0000000',
      'paid 10.0000000; credited',
    ]);
  });

  test('money that was on the ledger before anybody asked is on time', () => {
    expect(results([payment(20, '10')], cancelled(20, 25))).toEqual(['paid 10.0000000; credited']);
  });

  test('money of after the answer is late', () => {
    expect(results([payment(23, '10')], cancelled(20, 22))).toEqual([
      'cancelled 21; late; late 10.0000000',
      'cancelled 22; late; late 10.0000000',
      'cancelled 23; late; late 10.0000000',
    ]);
  });

  test('one that counts from the deadline is a cancellation, a later one is none', () => {
    expect(results([], cancelled(50, 50))).toEqual(['cancelled 51']);
    expect(results([], cancelled(51, 60))).toEqual(['expired 51']);
  });

  test('one of which nobody knows whether it was stored may be none', () => {
    expect(results([], cancelled(48, 48, false))).toEqual(['cancelled 49', 'expired 51']);
  });

  test('a paid session is not cancelled; what comes then is late or one too many', () => {
    expect(results([payment(10, '10'), payment(40, '10')], cancelled(20, 20))).toEqual([
      'paid 10.0000000; credited duplicate; duplicate 10.0000000',
      'paid 10.0000000; credited late; late 10.0000000',
    ]);
  });

  test('the first one that is known to be stored bounds it', () => {
    const some = [
      { lowest: headAt(20), seen: null, isCertain: false },
      { lowest: headAt(30), seen: headAt(31), isCertain: true },
    ];
    const all = results([], { cancellations: some });
    expect(all[0]).toBe('cancelled 21');
    expect(all.at(-1)).toBe('cancelled 32');
    expect(all).toHaveLength(12);
  });
});

describe('edits', () => {
  test('a longer deadline that was written before the old one had passed is the deadline', () => {
    const edit = { terms: terms({ expiresAt: closeOf(70) }), done: headAt(50) };
    expect(only([payment(60, '10')], { edits: [edit] })).toBe('paid 10.0000000; credited');
  });

  test('one that was written later may have come too late', () => {
    const edit = { terms: terms({ expiresAt: closeOf(70) }), done: headAt(51) };
    expect(results([payment(60, '10')], { edits: [edit] })).toEqual([
      'expired 51; late; late 10.0000000',
      'paid 10.0000000; credited',
    ]);
  });

  test('a deadline that was moved into the past may leave the session paid', () => {
    const edit = { terms: terms({ expiresAt: closeOf(5) }), done: headAt(20) };
    expect(results([payment(10, '10')], { edits: [edit] })).toEqual([
      'expired 6; late; late 10.0000000',
      'paid 10.0000000; credited',
    ]);
  });

  test('another price may have been found before or after the money', () => {
    const edit = { terms: terms({ price: stroopsOf('12') }), done: headAt(11) };
    expect(results([payment(10, '10')], { edits: [edit] })).toEqual([
      'expired 51; credited; underpaid 10.0000000',
      'paid 10.0000000; credited',
    ]);
  });
});

describe('decisions of a person', () => {
  const astray = payment(30, '10', { reference: null });

  test('what was assigned counts in its own place or behind what stands', () => {
    expect(only([astray], { assigned: new Set([astray.key]) })).toBe('paid 10.0000000; credited');
    expect(results([astray, payment(40, '10')], { assigned: new Set([astray.key]) })).toEqual([
      'paid 10.0000000; credited duplicate; duplicate 10.0000000',
    ]);
  });

  test('what was returned is not held, and no part of a price that is completed later', () => {
    const part = payment(10, '4');
    const returned = new Map([[part.key, headAt(20)]]);
    expect(only([part], { returned })).toBe('expired 51; credited');
    expect(only([part, payment(15, '6')], { returned })).toBe('paid 10.0000000; credited credited');
    expect(only([part, payment(21, '6')], { returned })).toBe(
      'expired 51; credited credited; underpaid 6.0000000',
    );
  });
});

test('what nodes had hidden counts in its place, or behind what was decided without it', () => {
  const movements = [payment(10, '10'), payment(12, '11')];
  expect(results(movements, {}, { hidesHistory: true })).toEqual([
    'paid 10.0000000; credited duplicate; duplicate 11.0000000',
    'paid 11.0000000; credited duplicate; overpaid 1.0000000, duplicate 10.0000000',
  ]);
});

test('amounts are exact', () => {
  expect(stroopsOf('922337203685.4775807')).toBe(9_223_372_036_854_775_807n);
  expect(decimalOf(1n)).toBe('0.0000001');
  expect(() => stroopsOf('1e3')).toThrow(RangeError);
  expect(() => stroopsOf('0.00000001')).toThrow(RangeError);
});
