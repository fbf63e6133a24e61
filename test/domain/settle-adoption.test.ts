/** What settle makes of rows that others wrote: before our time, after it, and what an operator decided. */
import { describe, expect, test } from '@jest/globals';
import { decide, type SessionFacts } from '../../src/domain/settle.ts';
import { apply, covered, facts, ledgerOf, minute, pay, row, session } from './build.ts';

const kinds = (f: SessionFacts) => decide(f).newAttention.map(({ kind }) => kind);
const OLD = { historyFrom: minute(60 * 24), now: minute(60 * 24 * 30) };
const EXPIRED = session({ status: 'expired' });

describe('what ended before our time', () => {
  test.each(['expired', 'cancelled'] as const)(
    '%s: stands by its row, once and for all',
    (status) => {
      const old = facts({ ...OLD, session: session({ status }), coverage: null });
      const decision = decide(old);
      expect(decision).toMatchObject({
        legacyEnding: true,
        status,
        newEvents: [],
        newAttention: [],
      });
      expect(decide(apply(old, decision))).toMatchObject({ legacyEnding: true, changes: false });
    },
  );

  test('is judged like any other where the ledger was read back to its opening', () => {
    const read = facts({ ...OLD, session: EXPIRED, coverage: covered(0, 60) });
    expect(decide(read)).toMatchObject({
      legacyEnding: false,
      closedThroughLedger: ledgerOf(30) + 1,
    });
  });

  test('is not everything: after the stated horizon, and what is still open, is judged anew', () => {
    const unread = { ...OLD, coverage: null };
    expect(decide(facts({ ...unread, session: EXPIRED })).legacyEnding).toBe(true);
    const young = facts({ ...unread, historyFrom: minute(-1), session: EXPIRED });
    expect(decide(young).legacyEnding).toBe(false);
    expect(decide(facts(unread)).legacyEnding).toBe(false);
    expect(decide(facts({ session: EXPIRED, coverage: null })).legacyEnding).toBe(false);
  });

  test.each([
    ['and the ledger was read', covered(0, 60)],
    ['though nobody will read the ledger for it', null],
  ])('is paid all the same when on-time money turns up, %s', (_, coverage) => {
    const payments = [pay(1, '10')];
    const old = facts({ ...OLD, session: EXPIRED, legacyEnding: true, coverage, payments });
    expect(decide(old)).toMatchObject({ status: 'paid' });
    const unmarked = { ...old, legacyEnding: false };
    expect(decide(unmarked)).toMatchObject({ status: 'paid' });
    expect(decide(apply(unmarked, decide(unmarked)))).toMatchObject({ changes: false });
  });
});

describe('a payments row that somebody else wrote', () => {
  const written = { session: session({ status: 'paid' }), paymentRow: row(1, '10') };

  test('is marked as found, once', () => {
    const found = facts({ ...written, payments: [pay(1, '10')] });
    expect(decide(found)).toMatchObject({ settlesRow: true, changes: true });
    expect(decide(apply(found, decide(found)))).toMatchObject({
      settlesRow: false,
      changes: false,
    });
  });

  test('after we had taken over needs a person, beside being believed', () => {
    const foreign = facts({ ...written, rowForeign: true });
    expect(decide(foreign).status).toBe('paid');
    expect(kinds(foreign)).toEqual(['foreign_payment']);
    expect(decide(apply(foreign, decide(foreign))).goneAttention).toEqual([]);
  });
});

describe('attention', () => {
  const silent = facts({
    session: session({ status: 'paid' }),
    coverage: covered(0, 30),
    now: minute(60),
  });

  test('closes by itself when its cause is gone', () => {
    const asked = apply(silent, decide(silent));
    expect([...asked.openAttention]).toEqual(['paid_without_evidence']);
    const found = decide({ ...asked, payments: [pay(1, '10')] });
    expect(found).toMatchObject({ status: 'paid', goneAttention: ['paid_without_evidence'] });
  });

  test('is not raised before the ledger was read as far as evidence can lie', () => {
    expect(kinds({ ...silent, coverage: null })).toEqual([]);
    expect(kinds({ ...silent, coverage: covered(0, 29) })).toEqual([]);
    const current = (through: number) => {
      const coverage = { ...covered(0, through), endLedger: null, newestLedger: ledgerOf(10) };
      return kinds({ ...silent, coverage });
    };
    expect(current(7.99)).toEqual([]);
    expect(current(8)).toEqual(['paid_without_evidence']);
  });

  test('that a person has answered is not raised again, until something about it changes', () => {
    const [asked] = decide(silent).newAttention;
    const answered = {
      ...apply(silent, decide(silent)),
      openAttention: new Set<string>(),
      answeredAttention: new Set([`${asked?.kind} ${asked?.detail}`]),
    };
    expect(decide(answered)).toMatchObject({ newAttention: [], changes: false });
    expect(kinds({ ...answered, payments: [pay(1, '4')] })).toEqual(['paid_without_evidence']);
  });
});

test('a payment that an operator assigned is judged by the rules, though two sessions have its reference', () => {
  const given = { assigned: true, reference: null };
  const judged = (payment: ReturnType<typeof pay>) =>
    decide(facts({ ambiguous: true, payments: [payment] }));
  expect(judged(pay(1, '10', given)).status).toBe('paid');
  expect(judged(pay(1, '10', { ...given, closedAt: minute(31) }))).toMatchObject({
    status: 'pending',
    verdicts: [{ verdict: 'late' }],
  });
});
