/** The audit finds each thing that somebody broke. That it finds nothing else: audit-clean.test.ts. */
import { describe, expect, test } from '@jest/globals';
import { NATIVE } from '../../src/domain/asset.ts';
import { auditSession, type PromiseId } from '../../src/domain/audit.ts';
import type { Verdict } from '../../src/domain/judge.ts';
import { parseAmount } from '../../src/domain/money.ts';
import { decide, type SessionFacts } from '../../src/domain/settle.ts';
import { apply, covered, facts, FAKE_USDC, minute, pay, session } from './build.ts';

/** The facts as settle leaves them. */
const settled = (fields: Partial<SessionFacts> = {}): SessionFacts => {
  const before = facts(fields);
  return apply(before, decide(before));
};

const DEADLINE_PASSED = { coverage: covered(0, 30), now: minute(31) };
const UNPAID = settled();
const PAID = settled({ payments: [pay(1, '10')] });
const EXPIRED = settled(DEADLINE_PASSED);
const CANCELLED = settled({
  session: session({ cancelAt: minute(10) }),
  coverage: covered(0, 10),
});

/** The promises that are broken. */
const broken = (found: SessionFacts): PromiseId[] => [
  ...new Set(auditSession(found).map(({ promise }) => promise)),
];
const problems = (found: SessionFacts) => auditSession(found).map(({ problem }) => problem);

describe('P1: a ledger payment has the meaning that its facts allow', () => {
  const judged = (verdict: Verdict, fields: Parameters<typeof pay>[2] = {}, amount = '4') =>
    facts({ payments: [pay(1, amount, { ...fields, verdict })] });

  test.each<[SessionFacts, RegExp]>([
    [judged('unmatched'), /unmatched, though its reference names this session/],
    [judged('credited', { asset: FAKE_USDC }), /credited, but is another asset/],
    [judged('credited', { asset: NATIVE }), /credited, but is another asset/],
    [judged('credited', {}, '0'), /credited, but is nothing/],
    [judged('credited', { closedAt: minute(31) }), /credited, but closed after the deadline/],
    [judged('wrong_asset'), /another asset, but it is the right one/],
    [judged('late'), /late, but closed in time/],
    [judged('late', { closedAt: minute(30) }), /late, but closed in time/],
    [judged('duplicate'), /duplicate, but the session is not paid/],
    [judged('nothing'), /nothing, but has an amount/],
    [judged('ambiguous'), /4\.0000000 would be credited if it were judged now/],
  ])('case %#', (found, problem) => {
    expect(broken(found)).toContain('P1');
    expect(problems(found)).toContainEqual(expect.stringMatching(problem));
  });

  test('lumens that are held as another asset, though the price is in lumens', () => {
    const inLumens = session({ asset: NATIVE, status: 'expired', closedThroughLedger: 777 });
    const found = settled({
      session: inLumens,
      coverage: covered(0, 30),
      payments: [pay(1, '4', { asset: NATIVE, verdict: 'wrong_asset' })],
    });
    expect(problems(found)).toEqual([expect.stringMatching(/it is the right one/)]);
  });

  test('the payment is named, with its amount', () => {
    const [problem] = problems(judged('late'));
    expect(problem).toMatch(/^4\.0000000 in 0{63}1:0:0 /);
  });
});

describe('P2: paid if and only if one row exists and the price is credited', () => {
  const { paymentRow } = PAID;

  test.each<[string, SessionFacts, RegExp]>([
    ['paid, no row', { ...PAID, paymentRow: null }, /paid without a payments row/],
    [
      'a row, not paid',
      { ...PAID, session: session(), existingEvents: new Set() },
      /has a payments row, but is pending/,
    ],
    [
      'a row, and nothing credited',
      { ...PAID, payments: [] },
      /only 0\.0000000 of 10\.0000000 is credited/,
    ],
    [
      'a row, and a stroop too little credited',
      { ...PAID, payments: PAID.payments.map((p) => ({ ...p, amount: p.amount - 1n })) },
      /only 9\.9999999 of 10\.0000000/,
    ],
    [
      'a row of more than was credited',
      { ...PAID, paymentRow: paymentRow && { ...paymentRow, amount: parseAmount('11') } },
      /row of 11\.0000000, but 10\.0000000 is credited/,
    ],
    [
      'the price credited, not paid',
      facts({ payments: [pay(1, '10', { verdict: 'credited' })] }),
      /has its price credited, but is not paid/,
    ],
    [
      'a covered deadline, and still open',
      facts(DEADLINE_PASSED),
      /is pending, but the facts say expired/,
    ],
  ])('%s', (_, found, problem) => {
    expect(broken(found)).toContain('P2');
    expect(problems(found)).toContainEqual(expect.stringMatching(problem));
  });
});

describe('P3: what was told is so, and what is so was told', () => {
  test.each<[string, SessionFacts, RegExp]>([
    [
      'paid, and nobody was told',
      { ...PAID, existingEvents: new Set() },
      /payment\.confirmed \(paid\) is missing/,
    ],
    [
      'expired, and nobody was told',
      { ...EXPIRED, existingEvents: new Set() },
      /session\.expired \(ended\) is missing/,
    ],
    [
      'an ending that is not ours, proven since, and nobody was told',
      { ...facts(DEADLINE_PASSED), session: session({ status: 'cancelled' }) },
      /session\.cancelled \(ended\) is missing/,
    ],
    [
      'held money of which nobody was told',
      {
        ...settled({ payments: [pay(1, '12')] }),
        existingEvents: new Set(['payment.confirmed paid']),
      },
      /payment\.exception \(.*overpaid\) is missing/,
    ],
    [
      'a confirmation, but not paid',
      { ...UNPAID, existingEvents: new Set(['payment.confirmed paid']) },
      /payment\.confirmed was told, but the session is pending/,
    ],
    [
      'an ending that no coverage proves',
      { ...UNPAID, existingEvents: new Set(['session.expired ended']) },
      /An ending was told that no coverage proves/,
    ],
    [
      'a cancellation that no coverage proves',
      { ...UNPAID, existingEvents: new Set(['session.cancelled ended']) },
      /An ending was told that no coverage proves/,
    ],
  ])('%s', (_, found, problem) => {
    expect(broken(found)).toEqual(['P3']);
    expect(problems(found)).toEqual([expect.stringMatching(problem)]);
  });
});

describe('P4: an ending lies within the coverage', () => {
  test.each<[string, SessionFacts['coverage'], RegExp]>([
    ['of nothing', null, /closed through ledger 777, but .* only through nothing/],
    [
      'that ends before it',
      { ...covered(0, 30), throughLedger: 776 },
      /closed through ledger 777, but .* only through ledger 776/,
    ],
    ['that ends before the deadline', covered(0, 9), /closed by its deadline .* only through /],
    ['that begins after the opening', covered(1, 30), /covered only from .* after its opening at /],
  ])('and not in a coverage %s', (_, coverage, problem) => {
    for (const ended of [EXPIRED, CANCELLED]) {
      expect(auditSession({ ...ended, coverage })).toEqual([
        { promise: 'P4', check: 'ending', problem: expect.stringMatching(problem) },
      ]);
    }
  });
});
