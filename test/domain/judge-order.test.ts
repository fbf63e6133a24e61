/** What judging makes of payments whose ledgers are not read yet, and of payments that are found when others stand. */
import { describe, expect, test } from '@jest/globals';
import { judge, type InboxPayment, type JudgeContext } from '../../src/domain/judge.ts';
import { parseAmount } from '../../src/domain/money.ts';
import type { Session } from '../../src/domain/session.ts';
import { context, ledgerOf, minute, OPENED_AFTER, pay, session, txHash } from './build.ts';

describe('what is not read yet', () => {
  const through = (readThrough: number) => context({ readThrough });
  const by = (payments: InboxPayment[], ctx: JudgeContext) => {
    const { judged, waiting } = judge(session(), payments, ctx);
    const name = ({ txHash: hash }: { txHash: string }) => Number(`0x${hash}`);
    return {
      judged: Object.fromEntries(judged.map(({ payment, verdict }) => [name(payment), verdict])),
      waiting: waiting.map(name),
    };
  };
  const { ledger } = pay(1, '10');

  test.each<{ read: string; readThrough: number; isJudged: boolean }>`
    read                              | readThrough     | isJudged
    ${'through its ledger'}           | ${ledger}       | ${true}
    ${'through the ledger before'}    | ${ledger - 1}   | ${false}
    ${'not at all since the opening'} | ${OPENED_AFTER} | ${false}
  `('is not credited: read $read', ({ readThrough, isJudged }) => {
    const expected = isJudged
      ? { judged: { 1: 'credited' }, waiting: [] }
      : { judged: {}, waiting: [1] };
    expect(by([pay(1, '10')], through(readThrough))).toEqual(expected);
  });

  test('is no reason to call what comes behind it a duplicate', () => {
    const behind = pay(2, '3', { closedAt: minute(7) });
    expect(by([pay(1, '10'), behind], through(OPENED_AFTER))).toEqual({
      judged: {},
      waiting: [1, 2],
    });
  });

  test('is a duplicate behind what completed the price', () => {
    const behind = pay(2, '3', { closedAt: minute(7) });
    expect(by([pay(1, '10'), behind], through(ledger))).toEqual({
      judged: { 1: 'credited', 2: 'duplicate' },
      waiting: [],
    });
  });

  test('does not hold back what came before the opening: no reading is needed for that', () => {
    const early = pay(1, '10', { closedAt: minute(-5) });
    expect(by([early], context({ readThrough: 0 })).judged).toEqual({ 1: 'credited' });
    expect(by([early], context({ readThrough: 0, openedAfter: 0 })).waiting).toEqual([1]);
  });

  test('does not hold back what is named by the payments row', () => {
    const ctx = context({ readThrough: OPENED_AFTER, paidByTxHash: txHash(1) });
    expect(by([pay(1, '10')], ctx).judged).toEqual({ 1: 'credited' });
  });

  test('does not hold back what is found after the ending', () => {
    const ended = session({ status: 'expired', closedThroughLedger: ledger + 1 });
    const { judged } = judge(ended, [pay(1, '4')], through(OPENED_AFTER));
    expect(judged).toMatchObject([{ verdict: 'credited', placedAfter: ledger + 1 }]);
  });
});

describe('the place of a payment', () => {
  const ledgers = (n: number, at: number, fields: Partial<InboxPayment> = {}) =>
    pay(n, '6', { closedAt: minute(at), ...fields });
  const credited = { verdict: 'credited' } as const;
  const places = (payments: InboxPayment[], fields: Partial<Session> = {}, ctx = context()) =>
    judge(session(fields), payments, ctx).judged.map(({ payment, verdict, placedAfter }) => [
      Number(`0x${payment.txHash}`),
      verdict,
      placedAfter,
    ]);
  const PLACE = ledgerOf(1_000);

  test('is its own while nothing that stands depends on it', () => {
    expect(places([ledgers(1, 3), ledgers(2, 5, credited)])).toEqual([
      [1, 'credited', null],
      [2, 'credited', null],
    ]);
    expect(judge(session(), [ledgers(1, 3), ledgers(2, 5, credited)], context())).toMatchObject({
      completing: { txHash: txHash(2) },
    });
  });

  test('is behind a verdict that it would have changed', () => {
    const found = { ...ledgers(1, 3), amount: parseAmount('10') };
    expect(places([found, ledgers(2, 5, credited)])).toEqual([
      [2, 'credited', null],
      [1, 'credited', PLACE],
    ]);
  });

  test('is behind a confirmation that was made without it', () => {
    const told = [ledgers(2, 5, credited), ledgers(3, 6, credited)];
    const expected = [
      [2, 'credited', null],
      [3, 'credited', null],
      [1, 'duplicate', PLACE],
    ];
    const found = { ...ledgers(1, 3), amount: parseAmount('3') };
    const confirmed = context({ paidByTxHash: txHash(3) });
    expect(places([found, ...told], {}, confirmed)).toEqual(expected);
    // The same where the row is lost: what stands completed the price.
    expect(places([found, ...told])).toEqual(expected);
  });

  test('is behind an ending that was told without it', () => {
    const over = { status: 'expired', closedThroughLedger: PLACE + 7 } as const;
    expect(places([ledgers(1, 3), ledgers(2, 5, credited)], over)).toEqual([
      [2, 'credited', null],
      [1, 'credited', PLACE + 7],
    ]);
  });

  test('is behind what was placed before it', () => {
    const over = { status: 'expired', closedThroughLedger: PLACE } as const;
    const before = ledgers(2, 5, { ...credited, placedAfter: PLACE });
    expect(places([ledgers(1, 3), before], over)).toEqual([
      [2, 'credited', PLACE],
      [1, 'credited', PLACE + 1],
    ]);
  });

  test('is behind what stands in ledgers that are not read any more', () => {
    const told = ledgers(2, 5, { ...credited, amount: parseAmount('10') });
    const forgotten = context({ readThrough: OPENED_AFTER, paidByTxHash: txHash(2) });
    expect(places([ledgers(1, 3), told], {}, forgotten)).toEqual([
      [2, 'credited', null],
      [1, 'duplicate', told.ledger],
    ]);
  });

  test('moves a further payment, which fits in only because the first one moved', () => {
    const all = [
      { ...ledgers(1, 1), amount: parseAmount('10') },
      { ...ledgers(2, 2, credited), amount: parseAmount('3') },
      { ...ledgers(3, 3), amount: parseAmount('8') },
      { ...ledgers(4, 4, credited), amount: parseAmount('3') },
    ];
    expect(places(all)).toEqual([
      [2, 'credited', null],
      [4, 'credited', null],
      [1, 'credited', PLACE],
      [3, 'duplicate', PLACE],
    ]);
  });

  test('is behind the ledger that it is placed after, and before the next', () => {
    const between = ledgers(1, 3, { placedAfter: ledgerOf(5) });
    expect(places([between, ledgers(2, 5), ledgers(3, 6)]).map(([n]) => n)).toEqual([2, 1, 3]);
  });

  test('behind a ledger of before the opening, is before all of after it', () => {
    const early = [ledgers(3, -3), ledgers(2, -1, { placedAfter: ledgerOf(-3) }), ledgers(1, -2)];
    expect(places(early).map(([n]) => n)).toEqual([3, 2, 1]);
  });
});
