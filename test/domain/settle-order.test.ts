/** Settling what became known in another order than the ledger's. */
import { describe, expect, test } from '@jest/globals';
import { formatAmount } from '../../src/domain/money.ts';
import { decide, type Decision, type SessionFacts } from '../../src/domain/settle.ts';
import {
  apply,
  covered,
  facts,
  FAKE_USDC,
  ledgerOf,
  minute,
  OPENED_AFTER,
  pay,
  READ,
  txHash,
} from './build.ts';

const events = (decision: Decision) => decision.newEvents.map(({ type }) => type);
const verdicts = (decision: Decision) => decision.verdicts.map(({ verdict }) => verdict);
const attention = (decision: Decision) => decision.newAttention.map(({ kind }) => kind);

/** The facts after a settle, then with something more. */
function then(before: SessionFacts, more: Partial<SessionFacts> = {}): SessionFacts {
  const after = apply(before, decide(before));
  return { ...after, ...more, payments: [...after.payments, ...(more.payments ?? [])] };
}

const SILENT = facts({ coverage: covered(0, 30), now: minute(31) });
const PAID = then(facts({ payments: [pay(1, '10')] }));
const END = ledgerOf(30) + 1;

describe('money that is known before its ledger is read', () => {
  const through = (ledger: number) => ({ coverage: { ...READ, readThrough: ledger } });
  const [first, second] = [pay(1, '6'), pay(2, '6', { closedAt: minute(7) })];

  test('has no meaning yet: it may not be what completes the price', () => {
    const reported = decide(facts({ ...through(second.ledger - 1), payments: [second] }));
    expect(reported).toMatchObject({ status: 'pending', verdicts: [], changes: false });
    expect(reported.judgement.waiting).toEqual([second]);
  });

  test('nor while only a part of its ledger is known', () => {
    const early = pay(1, '10', { closedAt: minute(7) });
    const known = facts({
      ...through(second.ledger - 1),
      payments: [pay(2, '10', { closedAt: minute(7) })],
    });
    const both = then(known, { ...through(second.ledger), payments: [early] });
    expect(then(both).paymentRow?.txHash).toBe(early.txHash);
  });

  test('is announced once, as the ledger has it, though it was reported first', () => {
    const reported = then(facts({ ...through(OPENED_AFTER), payments: [second] }));
    const paid = then(then(reported, { ...through(second.ledger), payments: [first] }));
    expect(paid.existingEvents).toEqual(
      new Set(['payment.confirmed paid', `payment.exception ${txHash(2)}:0:0:overpaid`]),
    );
    expect(decide(paid).changes).toBe(false);
    expect(formatAmount(paid.paymentRow?.amount ?? 0n)).toBe('12.0000000');
  });

  test.each([
    ['late', pay(1, '10', { closedAt: minute(31) })],
    ['wrong_asset', pay(1, '10', { asset: FAKE_USDC })],
    ['nothing', pay(1, '0')],
  ] as const)('is %s at once: nothing unread changes that', (verdict, payment) => {
    const decision = decide(facts({ ...through(OPENED_AFTER), payments: [payment] }));
    expect(verdicts(decision)).toEqual([verdict]);
  });

  test('is a duplicate at once behind what completed the price', () => {
    const decision = decide({
      ...PAID,
      ...through(pay(1, '10').ledger),
      payments: [...PAID.payments, second],
    });
    expect(verdicts(decision)).toEqual(['duplicate']);
  });

  test('waits as long as the session is not in care', () => {
    const decision = decide(facts({ coverage: null, payments: [pay(1, '10')] }));
    expect(decision).toMatchObject({ status: 'pending', changes: false });
    expect(decision.judgement.waiting).toHaveLength(1);
  });
});

describe('what was told keeps its bytes', () => {
  const short = then({ ...SILENT, payments: [pay(1, '4')] });
  const again = (of: SessionFacts) => decide({ ...of, existingEvents: new Set() }).newEvents[0];

  test('an ending, though the money that it held is returned', () => {
    const returned = short.payments.map((p) => ({ ...p, resolved: true }));
    expect(again({ ...short, payments: returned })).toEqual(again(short));
  });

  test('an ending, though more money of before it is found: a person must look', () => {
    const found = { ...short, payments: [...short.payments, pay(2, '5')] };
    expect(attention(decide(found))).toEqual(['told_in_another_order']);
    expect(decide(found).verdicts).toMatchObject([{ verdict: 'credited', placedAfter: END }]);
    expect(again(then(found))).toEqual(again(short));
  });

  test('a confirmation, though an earlier payment is found: it is a duplicate, and a person must look', () => {
    const paid = then(facts({ payments: [pay(2, '6'), pay(3, '6')] }));
    const found = { ...paid, payments: [...paid.payments, pay(1, '10')] };
    const decision = decide(found);
    expect(decision.verdicts).toMatchObject([
      { verdict: 'duplicate', placedAfter: READ.readThrough },
    ]);
    expect(events(decision)).toEqual(['payment.exception']);
    expect(attention(decision)).toEqual(['told_in_another_order']);
    expect(decide(then(found)).changes).toBe(false);
    const lost = { ...then(found), paymentRow: null, existingEvents: new Set<string>() };
    expect(decide(lost)).toMatchObject({ newPayment: paid.paymentRow });
  });
});
