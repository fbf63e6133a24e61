/** What settle makes of states that a crash, an older backend or an operator left, and what shows while it waits. */
import { describe, expect, test } from '@jest/globals';
import { parseAmount } from '../../src/domain/money.ts';
import { decide, PROCESSING_SHOWN_MS, type SessionFacts } from '../../src/domain/settle.ts';
import { apply, covered, facts, FAKE_USDC, minute, pay, row, session, txHash } from './build.ts';

const kinds = (f: SessionFacts) => decide(f).newAttention.map(({ kind }) => kind);
const shown = (f: SessionFacts) => decide(f).status;
const PAID = session({ status: 'paid' });

describe('paid without a row', () => {
  test('is completed when the ledger has the money', () => {
    const decision = decide(facts({ session: PAID, payments: [pay(1, '10')] }));
    expect(decision.newPayment?.txHash).toBe(txHash(1));
    expect(decision.newEvents.map(({ type }) => type)).toEqual(['payment.confirmed']);
    expect(decision.newAttention).toEqual([]);
  });

  test.each([
    ['nothing', []],
    ['too little', [pay(1, '9.9999999')]],
    ['other money', [pay(1, '10', { asset: FAKE_USDC })]],
  ])('is never un-paid: where the ledger has %s, a person must look', (_, payments) => {
    const silent = facts({ session: PAID, payments, coverage: covered(0, 30), now: minute(60) });
    expect(decide(silent)).toMatchObject({
      status: 'paid',
      newPayment: null,
      closedThroughLedger: null,
    });
    expect(kinds(silent)).toEqual(['paid_without_evidence']);
  });
});

test('a row is of what is credited through the completing payment, though an older backend credited more', () => {
  const credited = { verdict: 'credited' } as const;
  const payments = [pay(1, '4', credited), pay(2, '7', credited), pay(3, '5', credited)];
  const { newPayment } = decide(facts({ session: PAID, payments }));
  expect(newPayment).toMatchObject({ txHash: txHash(2), amount: parseAmount('11') });
});

describe('a row without paid', () => {
  test.each(['pending', 'processing', 'expired', 'cancelled'] as const)(
    '%s becomes paid',
    (status) => {
      const found = facts({
        session: session({ status }),
        paymentRow: row(1, '10'),
        payments: [pay(1, '10')],
      });
      const decision = decide(found);
      expect(decision).toMatchObject({ status: 'paid', newPayment: null });
      expect(decision.verdicts.map(({ verdict }) => verdict)).toEqual(['credited']);
      expect(decision.newEvents.map(({ type }) => type)).toEqual(['payment.confirmed']);
    },
  );

  test('is believed, though its transaction was late or is not in the inbox', () => {
    const late = pay(1, '10', { closedAt: minute(31) });
    const covers = { coverage: covered(0, 60), paymentRow: row(1, '10') };
    expect(decide(facts({ ...covers, payments: [late] }))).toMatchObject({
      status: 'paid',
      newAttention: [],
    });
    expect(decide(facts(covers))).toMatchObject({ status: 'paid', newAttention: [] });
  });

  test('of too little is believed, and a person must look', () => {
    const short = facts({ paymentRow: row(1, '9.9999999'), payments: [pay(1, '9.9999999')] });
    expect(shown(short)).toBe('paid');
    expect(kinds(short)).toEqual(['paid_but_short']);
  });
});

describe('processing', () => {
  const seconds = (n: number) => new Date(minute(6).getTime() + n * 1000);
  const reported = facts({ reportedAt: minute(6), everReported: true, now: minute(6) });

  test('shows from an unanswered report on, for two minutes', () => {
    expect(PROCESSING_SHOWN_MS).toBe(120_000);
    const decision = decide(reported);
    expect(decision).toMatchObject({ status: 'processing', processingSince: minute(6) });
    const since = apply(reported, decision);
    expect(shown({ ...since, now: seconds(119.999) })).toBe('processing');
    expect(decide({ ...since, now: seconds(120) })).toMatchObject({
      status: 'pending',
      processingSince: null,
    });
  });

  test('does not come back for a report that stays unanswered', () => {
    const old = { ...reported, now: seconds(120) };
    expect(decide(old)).toMatchObject({ status: 'pending', changes: false });
    expect(shown({ ...old, session: session({ status: 'processing' }) })).toBe('pending');
  });

  test('goes on showing since when, though another report comes', () => {
    const since = session({ status: 'processing', processingSince: minute(5) });
    expect(decide({ ...reported, session: since })).toMatchObject({ processingSince: minute(5) });
  });

  test('ends with the answer to the report', () => {
    const since = apply(reported, decide(reported));
    expect(shown({ ...since, reportedAt: null, now: seconds(1) })).toBe('pending');
  });

  test('stuck without a report goes back to pending, two minutes after it was first seen', () => {
    const stuck = facts({ session: session({ status: 'processing' }) });
    const decision = decide(stuck);
    expect(decision).toMatchObject({ status: 'processing', processingSince: minute(6) });
    const seen = apply(stuck, decision);
    expect(shown({ ...seen, now: seconds(119) })).toBe('processing');
    expect(shown({ ...seen, now: seconds(120) })).toBe('pending');
  });

  test('stuck is paid when the ledger has the money', () => {
    const stuck = session({ status: 'processing', processingSince: minute(1) });
    const decision = decide(facts({ session: stuck, payments: [pay(1, '10')] }));
    expect(decision).toMatchObject({ status: 'paid', processingSince: null });
  });

  test('a report does not delay the ending', () => {
    const due = facts({ reportedAt: minute(30), now: minute(30), coverage: covered(0, 30) });
    expect(decide(due)).toMatchObject({ status: 'expired', processingSince: null });
  });
});

describe('attention', () => {
  test('a reference of two sessions: the money is held, untold, and a person must look', () => {
    const doubled = facts({ ambiguous: true, payments: [pay(1, '10')] });
    expect(decide(doubled)).toMatchObject({ status: 'pending', newPayment: null, newEvents: [] });
    expect(kinds(doubled)).toEqual(['ambiguous_reference']);
    expect(decide(doubled).newAttention[0]?.detail).toContain(txHash(1));
  });

  test('a reference of two sessions that nobody paid needs nobody', () => {
    expect(kinds(facts({ ambiguous: true }))).toEqual([]);
  });

  test('is not asked for twice while it is open', () => {
    const asked = facts({ session: PAID, coverage: covered(0, 30), now: minute(60) });
    expect(kinds(asked)).toEqual(['paid_without_evidence']);
    expect(decide(apply(asked, decide(asked)))).toMatchObject({ newAttention: [], changes: false });
  });

  test('money that an operator dealt with needs nobody', () => {
    const resolved = { resolved: true };
    const cancelled = {
      status: 'cancelled',
      cancelAt: minute(10),
      closedThroughLedger: 700,
    } as const;
    expect(kinds(facts({ ambiguous: true, payments: [pay(1, '10', resolved)] }))).toEqual([]);
    expect(
      kinds(facts({ session: session(cancelled), payments: [pay(1, '10', resolved)] })),
    ).toEqual([]);
  });

  test('a surplus that an operator returned does not make a paid session short', () => {
    const paid = facts({
      session: PAID,
      paymentRow: row(2, '12'),
      payments: [
        pay(1, '6', { verdict: 'credited' }),
        pay(2, '6', { verdict: 'credited', resolved: true }),
      ],
    });
    expect(kinds(paid)).toEqual([]);
  });
});

describe('events', () => {
  const life: [string, SessionFacts][] = [
    ['paid too much', facts({ payments: [pay(1, '12')] })],
    ['expired short', facts({ payments: [pay(1, '4')], coverage: covered(0, 30) })],
    [
      'cancelled',
      facts({ session: session({ cancelAt: minute(3) }), coverage: covered(0, 30, 3) }),
    ],
    ['paid by an older backend', facts({ session: PAID, paymentRow: row(1, '10') })],
  ];

  test.each(life)('%s: told once', (_, found) => {
    const told = decide(found);
    expect(told.newEvents).not.toEqual([]);
    expect(decide(apply(found, told))).toMatchObject({ newEvents: [], changes: false });
  });

  test.each(life)('%s: an event that was lost is made again, the same', (_, found) => {
    const told = decide(found);
    const lost = { ...apply(found, told), existingEvents: new Set<string>(), now: minute(500) };
    expect(decide(lost).newEvents).toEqual(told.newEvents);
  });
});
