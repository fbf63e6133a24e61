import { describe, expect, test } from '@jest/globals';
import { heldOf } from '../../src/domain/held.ts';
import { judge, type InboxPayment } from '../../src/domain/judge.ts';
import { formatAmount } from '../../src/domain/money.ts';
import type { Session } from '../../src/domain/session.ts';
import { context, FAKE_USDC, minute, pay, session } from './build.ts';

const OPEN = {};
const PAID = { status: 'paid' } as const;
const EXPIRED = { status: 'expired', closedThroughLedger: 777 } as const;

/** What is held, as text: the transaction's number, the amount, why. */
function held(fields: Partial<Session>, payments: InboxPayment[]): string[] {
  const s = session(fields);
  return heldOf(s, judge(s, payments, context())).map(
    ({ payment, amount, reason }) =>
      `${Number(`0x${payment.txHash}`)}: ${formatAmount(amount)} ${reason}`,
  );
}

describe('held is what is not part of a paid price', () => {
  const late = pay(9, '3', { closedAt: minute(31) });
  test.each<[string, Partial<Session>, InboxPayment[], string[]]>([
    ['part of a price, still open', OPEN, [pay(1, '4')], []],
    [
      'part of a price, over',
      EXPIRED,
      [pay(1, '4'), pay(2, '5')],
      ['1: 4.0000000 underpaid', '2: 5.0000000 underpaid'],
    ],
    ['the price', PAID, [pay(1, '10')], []],
    ['more than the price', PAID, [pay(1, '10.0000001')], ['1: 0.0000001 overpaid']],
    ['two parts, the second too big', PAID, [pay(1, '4'), pay(2, '7')], ['2: 1.0000000 overpaid']],
    ['the price twice', PAID, [pay(1, '10'), pay(2, '10')], ['2: 10.0000000 duplicate']],
    ['late, still open', OPEN, [late], ['9: 3.0000000 late']],
    ['late, beside the price', PAID, [pay(1, '10'), late], ['9: 3.0000000 late']],
    ['other money', OPEN, [pay(1, '10', { asset: FAKE_USDC })], ['1: 10.0000000 wrong_asset']],
    ['paid, but the ledger is short', PAID, [pay(1, '4')], []],
  ])('%s', (_, fields, payments, expected) => {
    expect(held(fields, payments)).toEqual(expected);
  });

  test('less what an operator resolved', () => {
    const resolved = { resolved: true };
    expect(held(OPEN, [{ ...late, ...resolved }])).toEqual([]);
    expect(held(EXPIRED, [pay(1, '4', resolved), pay(2, '5')])).toEqual(['2: 5.0000000 underpaid']);
  });

  test('in the order of the ledger, however it was found', () => {
    const found = [late, pay(2, '10'), pay(1, '10', { verdict: 'duplicate' })];
    expect(held(PAID, found)).toEqual(['1: 10.0000000 duplicate', '9: 3.0000000 late']);
    const ids = [pay(1, '10', { operationId: '10' }), pay(2, '10', { operationId: '9' })];
    expect(held(PAID, ids)).toEqual(['1: 10.0000000 duplicate']);
  });
});
