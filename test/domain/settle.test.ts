import { describe, expect, test } from '@jest/globals';
import { formatAmount, parseAmount } from '../../src/domain/money.ts';
import { decide, type Decision, type SessionFacts } from '../../src/domain/settle.ts';
import { apply, covered, facts, FAKE_USDC, minute, pay, PAYER, session, txHash } from './build.ts';

const events = (decision: Decision) => decision.newEvents.map(({ type }) => type);
const verdicts = (decision: Decision) => decision.verdicts.map(({ verdict }) => verdict);
const attention = (decision: Decision) => decision.newAttention.map(({ kind }) => kind);

/** The facts after a settle, then with something more: how a session's life goes on. */
function then(before: SessionFacts, more: Partial<SessionFacts> = {}): SessionFacts {
  const after = apply(before, decide(before));
  return { ...after, ...more, payments: [...after.payments, ...(more.payments ?? [])] };
}

/** Everything that a covered session's ending needs. */
const SILENT = facts({ coverage: covered(0, 30), now: minute(31) });
const PAID = then(facts({ payments: [pay(1, '10')] }));
const EXPIRED = then(SILENT);
const CANCELLED = then(
  facts({ session: session({ cancelAt: minute(10) }), coverage: covered(0, 10) }),
);

describe('payments', () => {
  test('the ordinary one: paid, one row, one event', () => {
    const decision = decide(facts({ payments: [pay(1, '10')] }));
    expect(decision.status).toBe('paid');
    expect(decision.newPayment).toEqual({
      txHash: txHash(1),
      amount: parseAmount('10'),
      sender: PAYER,
      confirmedAt: minute(5),
    });
    expect(events(decision)).toEqual(['payment.confirmed']);
    expect(verdicts(decision)).toEqual(['credited']);
    expect(attention(decision)).toEqual([]);
  });

  test('two parts: open after the first; after the second one row, of the sum, named by the second', () => {
    const first = facts({ payments: [pay(1, '4')] });
    expect(decide(first)).toMatchObject({ status: 'pending', newPayment: null, newEvents: [] });
    const second = decide(then(first, { payments: [pay(2, '6', { closedAt: minute(7) })] }));
    expect(second.status).toBe('paid');
    expect(second.newPayment).toMatchObject({
      txHash: txHash(2),
      amount: parseAmount('10'),
      confirmedAt: minute(7),
    });
    expect(events(second)).toEqual(['payment.confirmed']);
  });

  test('too much: the row has all of it, the rest is announced', () => {
    const decision = decide(facts({ payments: [pay(1, '12')] }));
    expect(decision.newPayment?.amount).toBe(parseAmount('12'));
    expect(events(decision)).toEqual(['payment.confirmed', 'payment.exception']);
    expect(decision.newEvents[1]?.data).toMatchObject({ reason: 'overpaid', amount: '2.0000000' });
  });

  test('a duplicate changes neither status nor row, and confirms nothing again', () => {
    const decision = decide({ ...then(PAID, { payments: [pay(2, '10')] }) });
    expect(decision).toMatchObject({ status: 'paid', newPayment: null });
    expect(verdicts(decision)).toEqual(['duplicate']);
    expect(events(decision)).toEqual(['payment.exception']);
  });

  test.each([
    ['late', pay(1, '10', { closedAt: minute(31) })],
    ['wrong_asset', pay(1, '10', { asset: FAKE_USDC })],
    ['nothing', pay(1, '0')],
  ] as const)('one that is %s is held, and the session stays open', (verdict, payment) => {
    const decision = decide(facts({ payments: [payment] }));
    expect(decision).toMatchObject({ status: 'pending', newPayment: null });
    expect(verdicts(decision)).toEqual([verdict]);
    expect(decision.newEvents.map(({ data }) => data['reason'])).toEqual([verdict]);
  });

  test('coverage past the deadline does not matter to money that was on time', () => {
    const decision = decide({ ...SILENT, payments: [pay(1, '10', { closedAt: minute(30) })] });
    expect(decision).toMatchObject({ status: 'paid', closedThroughLedger: null });
  });
});

describe('the ending', () => {
  test('covered from opening through deadline, and short: expired, with the ledger that proves it', () => {
    const decision = decide({ ...SILENT, payments: [pay(1, '4')] });
    expect(decision).toMatchObject({ status: 'expired', closedThroughLedger: 777 });
    expect(events(decision)).toEqual(['session.expired', 'payment.exception']);
    expect(decision.newEvents[0]?.data).toMatchObject({ received: '4.0000000' });
    expect(decision.newEvents[1]?.data).toMatchObject({ reason: 'underpaid', amount: '4.0000000' });
  });

  test.each<[string, Partial<SessionFacts>]>([
    ['nothing was read', { coverage: null }],
    ['reading began after the opening', { coverage: covered(0.01, 30) }],
    ['reading stopped before the deadline', { coverage: covered(0, 29.99) }],
    ['a record could not be decoded', { undecoded: true }],
  ])('not proven: %s', (_, missing) => {
    const decision = decide({ ...SILENT, ...missing, now: minute(100_000) });
    expect(decision).toMatchObject({ status: 'pending', closedThroughLedger: null, newEvents: [] });
  });

  test('an undecoded record holds back the ending only, not the payment', () => {
    expect(decide({ ...SILENT, undecoded: true, payments: [pay(1, '10')] }).status).toBe('paid');
  });

  test('cancelled before it expires: over when the ledger is covered to the cancellation', () => {
    const asked = facts({ session: session({ cancelAt: minute(10) }), now: minute(12) });
    expect(decide({ ...asked, coverage: covered(0, 9) }).status).toBe('pending');
    const decision = decide({ ...asked, coverage: covered(0, 10) });
    expect(decision).toMatchObject({ status: 'cancelled', closedThroughLedger: 777 });
    expect(events(decision)).toEqual(['session.cancelled']);
    expect(decision.newEvents[0]?.occurredAt).toEqual(minute(10));
  });

  test('cancelling is refused by money that was on time', () => {
    const asked = facts({ session: session({ cancelAt: minute(10) }), coverage: covered(0, 10) });
    const decision = decide({ ...asked, payments: [pay(1, '10', { closedAt: minute(10) })] });
    expect(decision).toMatchObject({ status: 'paid', closedThroughLedger: null });
  });

  test('a further reading does not move the ledger that proved the ending', () => {
    const later = { ...covered(0, 90), throughLedger: 999 };
    expect(decide({ ...EXPIRED, coverage: later })).toMatchObject({
      closedThroughLedger: 777,
      changes: false,
    });
  });
});

describe('an ending that we did not write', () => {
  test.each(['expired', 'cancelled'] as const)(
    '%s counts as open: money on time pays it',
    (status) => {
      const decision = decide(facts({ session: session({ status }), payments: [pay(1, '10')] }));
      expect(decision).toMatchObject({ status: 'paid', closedThroughLedger: null });
      expect(events(decision)).toEqual(['payment.confirmed']);
    },
  );

  test.each(['expired', 'cancelled'] as const)(
    '%s stays as it is, untold, until it is proven',
    (status) => {
      const decision = decide(facts({ session: session({ status }), coverage: covered(0, 5) }));
      expect(decision).toMatchObject({ status, closedThroughLedger: null });
      expect(events(decision)).toEqual([]);
    },
  );

  test('expired is proven by coverage through the deadline, like ours', () => {
    const decision = decide({ ...SILENT, session: session({ status: 'expired' }) });
    expect(decision).toMatchObject({ status: 'expired', closedThroughLedger: 777, changes: true });
    expect(events(decision)).toEqual(['session.expired']);
    const toldBefore = { existingEvents: new Set(['session.expired ended']) };
    expect(
      decide({ ...SILENT, ...toldBefore, session: session({ status: 'expired' }) }).changes,
    ).toBe(true);
  });

  test('cancelled is a request as of the latest moment that anybody can have seen', () => {
    const foreign = facts({ session: session({ status: 'cancelled' }), now: minute(6) });
    const cancelAt = (more: Partial<SessionFacts>) => decide({ ...foreign, ...more }).cancelAt;
    expect(cancelAt({})).toEqual(minute(6));
    expect(cancelAt({ coverage: covered(0, 7) })).toEqual(minute(7));
    expect(cancelAt({ payments: [pay(1, '4', { closedAt: minute(8) })] })).toEqual(minute(8));
  });

  test('cancelled keeps its moment, and is told once the ledger is covered to there', () => {
    const seen = then(facts({ session: session({ status: 'cancelled' }), now: minute(6) }));
    const decision = decide({ ...seen, now: minute(9), coverage: covered(0, 6) });
    expect(decision).toMatchObject({
      status: 'cancelled',
      cancelAt: minute(6),
      closedThroughLedger: 777,
    });
    expect(events(decision)).toEqual(['session.cancelled']);
  });
});

describe('money found after our ending', () => {
  test('on time, after expired: honoured', () => {
    const decision = decide({ ...EXPIRED, payments: [pay(1, '10')] });
    expect(decision).toMatchObject({
      status: 'paid',
      cause: 'on-time money found after the ending',
    });
    expect(decision.newPayment?.txHash).toBe(txHash(1));
    expect(events(decision)).toEqual(['payment.confirmed']);
  });

  test('on time, after cancelled: held, with attention', () => {
    const decision = decide({ ...CANCELLED, payments: [pay(1, '10')] });
    expect(decision).toMatchObject({ status: 'cancelled', newPayment: null });
    expect(verdicts(decision)).toEqual(['after_cancellation']);
    expect(attention(decision)).toEqual(['paid_after_cancellation']);
    expect(events(decision)).toEqual(['payment.exception']);
  });

  test('late: held, without attention', () => {
    const decision = decide({ ...EXPIRED, payments: [pay(1, '10', { closedAt: minute(31) })] });
    expect(decision.status).toBe('expired');
    expect(attention(decision)).toEqual([]);
  });
});

test('a session in parts is announced once, though a report overtook the reader', () => {
  const reported = then(facts({ payments: [pay(2, '6')] }));
  const paid = then(then(reported, { payments: [pay(1, '6')] }));
  expect(paid.existingEvents).toEqual(
    new Set(['payment.confirmed paid', `payment.exception ${txHash(2)}:0:0:overpaid`]),
  );
  expect(decide(paid).changes).toBe(false);
  expect(formatAmount(paid.paymentRow?.amount ?? 0n)).toBe('12.0000000');
});
