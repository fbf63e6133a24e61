import { describe, expect, test } from '@jest/globals';
import { parseAmount } from '../../src/domain/money.ts';
import { decide, type Decision, type SessionFacts } from '../../src/domain/settle.ts';
import {
  apply,
  covered,
  facts,
  FAKE_USDC,
  ledgerOf,
  minute,
  pay,
  PAYER,
  READ,
  session,
  txHash,
} from './build.ts';

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
  facts({ session: session({ cancelAt: minute(10) }), coverage: covered(0, 10, 10) }),
);

/** The first ledger that closed after the default deadline. */
const END = ledgerOf(30) + 1;

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
    expect(decision).toMatchObject({
      status: 'expired',
      closedThroughLedger: END,
      finalDeadline: minute(30),
    });
    expect(events(decision)).toEqual(['session.expired', 'payment.exception']);
    expect(decision.newEvents[0]?.data).toMatchObject({ received: '4.0000000' });
    expect(decision.newEvents[1]?.data).toMatchObject({ reason: 'underpaid', amount: '4.0000000' });
  });

  test.each<[string, Partial<SessionFacts>]>([
    ['nothing was read', { coverage: null }],
    ['reading began after the opening', { coverage: covered(0.01, 30) }],
    ['one ledger before the end is missing', { coverage: covered(0, 29.99) }],
    [
      'no ledger has closed after the deadline',
      { coverage: { ...covered(0, 60), endLedger: null } },
    ],
    ['it was read by pages, which prove nothing', { coverage: { ...READ, endLedger: END } }],
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
    expect(decide({ ...asked, coverage: covered(0, 9, 10) }).status).toBe('pending');
    const decision = decide({ ...asked, coverage: covered(0, 10, 10) });
    expect(decision).toMatchObject({
      status: 'cancelled',
      closedThroughLedger: ledgerOf(10) + 1,
      finalDeadline: minute(10),
    });
    expect(events(decision)).toEqual(['session.cancelled']);
    expect(decision.newEvents[0]?.occurredAt).toEqual(minute(10));
  });

  test('cancelling is refused by money that was on time', () => {
    const cancelAt = minute(10);
    const asked = facts({ session: session({ cancelAt }), coverage: covered(0, 10, 10) });
    const decision = decide({ ...asked, payments: [pay(1, '10', { closedAt: minute(10) })] });
    expect(decision).toMatchObject({ status: 'paid', closedThroughLedger: null });
  });

  test('a further reading does not move the ledger that proved the ending', () => {
    const later = { ...covered(0, 90), endLedger: END + 5 };
    expect(decide({ ...EXPIRED, coverage: later })).toMatchObject({
      closedThroughLedger: END,
      changes: false,
    });
  });

  test('a deadline that is moved after the ending changes neither it nor what is late', () => {
    const expiresAt = minute(90);
    const moved = {
      ...EXPIRED,
      session: { ...EXPIRED.session, expiresAt },
      coverage: covered(0, 40, 90),
    };
    expect(decide(moved).changes).toBe(false);
    const decision = decide({ ...moved, payments: [pay(1, '10', { closedAt: minute(31) })] });
    expect(decision).toMatchObject({ status: 'expired', finalDeadline: minute(30) });
    expect(verdicts(decision)).toEqual(['late']);
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
    expect(decision).toMatchObject({ status: 'expired', closedThroughLedger: END, changes: true });
    expect(events(decision)).toEqual(['session.expired']);
    const toldBefore = { existingEvents: new Set(['session.expired ended']) };
    expect(
      decide({ ...SILENT, ...toldBefore, session: session({ status: 'expired' }) }).changes,
    ).toBe(true);
  });

  test('cancelled, of which the ledger has not said when: the deadline decides if it comes first', () => {
    const foreign = { session: session({ status: 'cancelled' }) };
    expect(decide({ ...SILENT, ...foreign, coverage: covered(0, 29) })).toMatchObject({
      status: 'cancelled',
      changes: false,
    });
    const decision = decide({ ...SILENT, ...foreign });
    expect(decision).toMatchObject({ status: 'expired', closedThroughLedger: END });
    expect(events(decision)).toEqual(['session.expired']);
  });

  test('cancelled is told once the ledger is covered to the instant that it got', () => {
    const seen = facts({ session: session({ status: 'cancelled', cancelAt: minute(6) }) });
    const before = decide({ ...seen, coverage: covered(0, 5, 6) });
    expect(before).toMatchObject({ status: 'cancelled', closedThroughLedger: null, newEvents: [] });
    const decision = decide({ ...seen, coverage: covered(0, 6, 6) });
    expect(decision).toMatchObject({
      status: 'cancelled',
      closedThroughLedger: ledgerOf(6) + 1,
      finalDeadline: minute(6),
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
