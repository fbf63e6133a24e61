/** The audit finds nothing in what settle wrote. */
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { NATIVE } from '../../src/domain/asset.ts';
import { decide, type SessionFacts } from '../../src/domain/settle.ts';
import { excuses, settled, violations } from './audited.ts';
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
  row,
  session,
} from './build.ts';

const DEADLINE_PASSED = { coverage: covered(0, 30), now: minute(31) };
const UNPAID = settled();
const PAID = settled({ payments: [pay(1, '10')] });
const EXPIRED = settled(DEADLINE_PASSED);
const CANCELLED = settled({
  session: session({ cancelAt: minute(10) }),
  coverage: covered(0, 10, 10),
});

describe('what settle wrote is in order', () => {
  test.each<[string, SessionFacts]>([
    ['an open session', UNPAID],
    ['a paid one', PAID],
    ['one paid in parts', settled({ payments: [pay(1, '4'), pay(2, '6')] })],
    ['one whose last part came beside a double payment', settled({ payments: partBesideDouble() })],
    ['an overpaid one', settled({ payments: [pay(1, '12')] })],
    ['one that is short', settled({ payments: [pay(1, '4')] })],
    ['an expired one', EXPIRED],
    ['an expired one that is short', settled({ ...DEADLINE_PASSED, payments: [pay(1, '4')] })],
    ['a cancelled one', CANCELLED],
    ['one that got all kinds of money', settled({ payments: allKinds() })],
    ['one whose price nothing can pay', settled({ session: strayAsset(), payments: strays() })],
    ['two with one reference', settled({ ambiguous: true, payments: [pay(1, '10')] })],
    ['an ending that is not ours', facts({ session: session({ status: 'expired' }) })],
    ['a paid one whose surplus was returned', returned(settled({ payments: [pay(1, '12')] }))],
    ['a payment that is still to be judged', facts({ payments: [pay(1, '10')] })],
  ])('%s', (_, found) => {
    expect(violations(found)).toEqual([]);
  });

  test.each<[string, SessionFacts, string[]]>([
    ['a late payment that an older row names', settled(lateButNamed()), []],
    ['one that was paid before adoption', legacy(), ['legacy_row', 'legacy_row']],
    ['one that an older backend wrote paid, with a person', withAPerson(), ['with_a_person']],
    ['an ending of before adoption', legacyEnding(), ['legacy_ending']],
  ])('or is excused, and named: %s', (_, found, reasons) => {
    const older = { isOwnRow: false };
    expect(violations(found, older)).toEqual([]);
    expect(excuses(found, older)).toEqual(reasons);
  });

  test('that `processing` comes and goes with time breaks no promise', () => {
    const reported = settled({ reportedAt: minute(6), now: minute(6) });
    expect(reported.session.status).toBe('processing');
    expect(violations(reported)).toEqual([]);
    expect(violations({ ...reported, now: minute(20) })).toEqual([]);
  });

  test('whatever arrives, whenever it is settled', () => {
    const minutes = fc.constantFrom(1, 5, 10, 29, 30, 31, 40);
    const reading = fc.tuple(minutes, fc.integer({ min: 0, max: 2 }));
    const arrivals = fc.array(
      fc.record({
        amount: fc.constantFrom('0.0000000', '0.0000001', '4', '6', '10', '12'),
        minute: fc.constantFrom(-1, 0, 5, 10, 29, 30, 31, 35),
        asset: fc.constantFrom(session().asset, FAKE_USDC, NATIVE),
        sameTransaction: fc.boolean(),
        /** How far the account is read by then, in minutes and ledgers before them; what lies beyond waits. */
        read: reading,
        proven: reading,
      }),
      { maxLength: 6 },
    );
    const through = ([at, short]: [number, number]) => ledgerOf(at) - short;
    fc.assert(
      fc.property(arrivals, fc.option(minutes), (list, cancelled) => {
        const cancelAt = cancelled === null ? null : minute(cancelled);
        let known = facts({ session: session({ cancelAt }) });
        let transaction = { n: 0, at: 0 };
        let [read, proven] = [OPENED_AFTER, OPENED_AFTER];
        const endLedger = ledgerOf(Math.min(cancelled ?? 30, 30)) + 1;
        for (const [i, { amount, asset, minute: at, sameTransaction, ...by }] of list.entries()) {
          proven = Math.max(proven, through(by.proven));
          read = Math.max(read, proven, through(by.read));
          if (i === 0 || !sameTransaction) transaction = { n: i + 1, at };
          const closedAt = minute(transaction.at);
          const payment = pay(transaction.n, amount, { asset, closedAt, opIndex: i });
          const coverage = { ...READ, endLedger, readThrough: read, provenThrough: proven };
          const more = { ...known, coverage, payments: [...known.payments, payment] };
          known = apply(more, decide(more));
          expect(violations(known)).toEqual([]);
        }
        const atEnd = {
          ...known,
          coverage: covered(0, 40, Math.min(cancelled ?? 30, 30)),
          now: minute(41),
        };
        expect(violations(apply(atEnd, decide(atEnd)))).toEqual([]);
      }),
      // Enough of them that each mutant of the judging is seen in every run.
      { numRuns: 1_000 },
    );
  });
});

function allKinds() {
  return [
    pay(1, '10'),
    pay(2, '10'),
    pay(3, '0'),
    pay(4, '10', { asset: FAKE_USDC }),
    pay(5, '10', { asset: NATIVE }),
    pay(6, '10', { closedAt: minute(31) }),
  ];
}

/** Four come first; one transaction brings the missing six and, by its other operation, ten too many. */
function partBesideDouble() {
  return [pay(1, '4'), pay(2, '6'), pay(2, '10', { opIndex: 1 })];
}

/** A session of the older backend: an issued asset without its issuer. */
function strayAsset() {
  return session({ asset: { code: 'USDC', issuer: null } });
}

function strays() {
  return [pay(1, '10'), pay(2, '10', { asset: { code: 'USDC', issuer: null } })];
}

/** The same after an operator has returned all that was to be returned. */
function returned(found: SessionFacts): SessionFacts {
  return { ...found, payments: found.payments.map((p) => ({ ...p, resolved: true })) };
}

/** Paid by the older backend, with its row and without its ledger payment. */
function legacy(): SessionFacts {
  return facts({ session: session({ status: 'paid' }), paymentRow: row(1, '10'), legacy: true });
}

/** Paid by an older backend, without a row and without money on the ledger. */
function withAPerson(): SessionFacts {
  const read = { coverage: covered(0, 31), now: minute(31) };
  const found = facts({ session: session({ status: 'paid' }), ...read });
  expect(violations(found)).toHaveLength(1);
  return apply(found, decide(found));
}

/** Ended by an older backend, before what is read back of the ledger. */
function legacyEnding(): SessionFacts {
  return facts({ session: session({ status: 'expired' }), legacyEnding: true, coverage: null });
}

function lateButNamed(): Partial<SessionFacts> {
  return { paymentRow: row(1, '10'), payments: [pay(1, '10', { closedAt: minute(31) })] };
}
