/** The audit finds each thing that somebody broke. That it finds nothing else: audit-clean.test.ts. */
import { describe, expect, test } from '@jest/globals';
import { NATIVE } from '../../src/domain/asset.ts';
import type { PromiseId } from '../../src/domain/audit.ts';
import type { LedgerEvidence } from '../../src/domain/audit-evidence.ts';
import type { Verdict } from '../../src/domain/judge.ts';
import { parseAmount } from '../../src/domain/money.ts';
import type { SessionFacts } from '../../src/domain/settle.ts';
import { closeTime, excuses, settled, violations, type More } from './audited.ts';
import {
  covered,
  facts,
  FAKE_USDC,
  ledgerOf,
  minute,
  OPENED_AFTER,
  pay,
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

/** The promises that are broken. */
const broken = (found: SessionFacts): PromiseId[] => [
  ...new Set(violations(found).map(({ promise }) => promise)),
];
const problems = (found: SessionFacts, more: More = {}) =>
  violations(found, more).map(({ problem }) => problem);

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
    [judged('ambiguous'), /ambiguous, though no other session has its reference/],
    [judged('after_cancellation'), /after a cancellation, but the session was not cancelled/],
  ])('case %#', (found, problem) => {
    expect(broken(found)).toContain('P1');
    expect(problems(found)).toContainEqual(expect.stringMatching(problem));
  });

  test('lumens that are held as another asset, though the price is in lumens', () => {
    const found = facts({
      session: session({ asset: NATIVE }),
      payments: [pay(1, '4', { asset: NATIVE, verdict: 'wrong_asset' })],
    });
    expect(problems(found)).toContainEqual(expect.stringMatching(/it is the right one/));
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

test('P2, P3: an ending of another backend that is proven since is written, and told', () => {
  const found = { ...facts(DEADLINE_PASSED), session: session({ status: 'cancelled' }) };
  expect(problems(found)).toEqual([
    expect.stringMatching(/session\.expired \(ended\) is missing/),
    'The session is cancelled, but the facts say expired.',
  ]);
  expect(problems({ ...found, coverage: covered(0, 29) })).toEqual([]);
});

describe('P1: a payment counts in its place', () => {
  const twice = settled({ payments: [pay(1, '10'), pay(2, '10')] });
  const verdicts = (...list: Verdict[]): SessionFacts => ({
    ...twice,
    payments: twice.payments.map((p, i) => ({ ...p, verdict: list[i] ?? p.verdict })),
  });

  test('so the first one that reaches the price is credited, and not the one behind it', () => {
    expect(problems(twice)).toEqual([]);
    expect(problems(verdicts('duplicate', 'credited'))).toEqual([
      expect.stringMatching(
        /1:0:0 is held as a duplicate, but the price was not reached before it/,
      ),
      expect.stringMatching(/reached with 10\.0000000 by 0{63}2/),
      expect.stringMatching(/1:0:0:duplicate\) is missing/),
    ]);
    expect(problems(verdicts('credited', 'credited'))).toEqual([
      expect.stringMatching(/2:0:0 is credited, but the price was reached before it/),
      expect.stringMatching(/2:0:0:overpaid\) is missing/),
    ]);
  });

  test('what an earlier version credited in another order is excused, and named', () => {
    const earlier = { isTaken: false };
    expect(problems(verdicts('credited', 'credited'), earlier)).toEqual([
      expect.stringMatching(/2:0:0:overpaid\) is missing/),
    ]);
    expect(excuses(verdicts('credited', 'credited'), earlier)).toContain('earlier_version');
  });

  test('unless it was found late and is placed behind what stood: that is named', () => {
    const [first, second] = twice.payments;
    if (!first || !second) throw new Error('There are two.');
    const late = { ...first, verdict: 'duplicate' as const, placedAfter: second.ledger };
    const row = twice.paymentRow && { ...twice.paymentRow, txHash: second.txHash };
    const found = {
      ...twice,
      paymentRow: row,
      payments: [late, { ...second, verdict: 'credited' as const }],
      existingEvents: new Set([
        'payment.confirmed paid',
        `payment.exception ${first.txHash}:0:0:duplicate`,
      ]),
    };
    expect(problems(found)).toEqual([]);
    expect(excuses(found)).toEqual(['placed']);
    // It cannot count before its own ledger has closed.
    const before = { ...late, placedAfter: late.ledger - 1 };
    expect(problems({ ...found, payments: [before, ...found.payments.slice(1)] })).toContainEqual(
      expect.stringMatching(/counts behind ledger \d+ instead of in its own ledger/),
    );
  });
});

describe('P1: nothing is credited before everything up to it is read', () => {
  const { ledger } = pay(1, '10');
  const all = { from: OPENED_AFTER + 1, through: ledger };
  const without = (n: number) => [
    { from: all.from, through: n - 1 },
    { from: n + 1, through: ledger },
  ];

  test.each<[string, Partial<LedgerEvidence>, number]>([
    ['up to the ledger before it', { read: [{ ...all, through: ledger - 1 }] }, ledger],
    ['from behind the opening', { read: [{ ...all, from: all.from + 1 }] }, all.from],
    ['but for a ledger', { read: without(all.from + 7) }, all.from + 7],
    ['not at all', { read: [] }, all.from],
  ])('%s', (_, evidence, missing) => {
    expect(violations(PAID, evidence)).toEqual([
      {
        promise: 'P1',
        check: 'unread',
        problem: expect.stringContaining(
          `is credited, but ledger ${missing} of its account is not`,
        ),
      },
    ]);
  });

  test.each<[string, SessionFacts, Partial<LedgerEvidence>]>([
    [
      'hole',
      PAID,
      { read: without(all.from + 7), holes: [{ from: all.from + 7, through: all.from + 7 }] },
    ],
    [
      'assigned',
      { ...PAID, payments: PAID.payments.map((p) => ({ ...p, assigned: true })) },
      { read: [] },
    ],
    ['older_row', PAID, { read: [], isOwnRow: false }],
    ['earlier_version', PAID, { read: [], isTaken: false }],
    ['before_reset', PAID, { read: [], resetAt: minute(90) }],
    ['forgotten', PAID, { read: [{ ...all, from: all.from + 7 }], keptFrom: all.from + 7 }],
  ])('unless there is a reason, which is named: %s', (reason, found, evidence) => {
    expect(violations(found, evidence)).toEqual([]);
    expect(excuses(found, evidence)).toEqual([reason]);
  });

  test('that coverage is forgotten excuses no session that still needs it', () => {
    const open = settled({ payments: [pay(1, '4')] });
    const evidence = { read: [{ ...all, from: all.from + 7 }], keptFrom: all.from + 7 };
    expect(violations(open, evidence)).toMatchObject([{ check: 'unread' }]);
  });
});

describe('P2: the row names the payment that completes the price, and the sum through it', () => {
  const parts = settled({ payments: [pay(1, '4'), pay(2, '7')] });

  test.each<[string, SessionFacts]>([
    [
      'another payment',
      {
        ...parts,
        paymentRow: parts.paymentRow && { ...parts.paymentRow, txHash: pay(1, '4').txHash },
      },
    ],
    [
      'another sum',
      {
        ...parts,
        paymentRow: parts.paymentRow && { ...parts.paymentRow, amount: parseAmount('10') },
      },
    ],
  ])('not %s', (_, found) => {
    expect(problems(parts)).toEqual([]);
    expect(problems(found)).toContainEqual(
      expect.stringMatching(/but the price was reached with 11\.0000000 by 0{63}2/),
    );
  });

  test('what was returned since is excused, and named', () => {
    const [first, ...rest] = parts.payments;
    if (!first) throw new Error('There is one.');
    const returned = {
      ...parts,
      paymentRow: parts.paymentRow && { ...parts.paymentRow, amount: parseAmount('10') },
      payments: [{ ...first, resolved: true }, ...rest],
    };
    expect(excuses(returned)).toEqual(['returned']);
  });
});

describe('P4: an ending is proven', () => {
  const ends: [string, SessionFacts, number][] = [
    ['expired', EXPIRED, ledgerOf(30) + 1],
    ['cancelled', CANCELLED, ledgerOf(10) + 1],
  ];

  test.each(ends)('%s: settle named the first ledger after the deadline', (_, found, end) => {
    expect(found.session.closedThroughLedger).toBe(end);
    expect(problems(found)).toEqual([]);
    expect(excuses(found)).toEqual([]);
  });

  test.each<[string, (end: number) => Partial<LedgerEvidence>, RegExp]>([
    ['of nothing', () => ({ proven: [] }), /ledger 10000 of its account is not proven/],
    [
      'of all but the last ledger',
      (end) => ({ proven: [{ from: OPENED_AFTER + 1, through: end - 2 }] }),
      /but ledger (10119|10360|10120) of its account is not proven/,
    ],
    [
      'of all but the first ledger',
      (end) => ({ proven: [{ from: OPENED_AFTER + 2, through: end }] }),
      /ledger 10000 of its account is not proven/,
    ],
    [
      'of all but one ledger, though pages have read it',
      (end) => ({
        proven: [
          { from: OPENED_AFTER + 1, through: 10_050 },
          { from: 10_052, through: end },
        ],
        read: [{ from: OPENED_AFTER + 1, through: end }],
      }),
      /ledger 10051 of its account is not proven/,
    ],
    [
      'of a ledger that closed in the second of the deadline',
      (end) => ({ endClosedAt: closeTime(end - 1) }),
      /not after its deadline/,
    ],
    [
      'of the second ledger after the deadline',
      (end) => ({ beforeEndClosedAt: closeTime(end), firstAfterDeadline: end - 1 }),
      /the one before it closed at .*, after its deadline .* already/,
    ],
    ['of a ledger that the chain lacks', () => ({ endClosedAt: null }), /which the chain lacks/],
  ])('not by the proof %s', (_, evidence, problem) => {
    for (const [, found, end] of ends) {
      expect(violations(found, evidence(end))).toEqual([
        { promise: 'P4', check: 'ending', problem: expect.stringMatching(problem) },
      ]);
    }
  });

  test('not while its price had arrived on time, and was in the inbox', () => {
    const found = {
      ...EXPIRED,
      payments: [pay(1, '10', { verdict: 'duplicate', placedAfter: ledgerOf(40) })],
    };
    const key = `${pay(1, '10').txHash}:0:0`;
    const seen = (at: Date) => ({ seenAt: new Map([[key, at]]), endedAt: minute(31) });
    const ending = /but 10\.0000000 of its 10\.0000000 had arrived on time/;
    expect(problems(found, seen(minute(6)))).toContainEqual(expect.stringMatching(ending));
    expect(problems(found, seen(minute(40)))).not.toContainEqual(expect.stringMatching(ending));
    expect(excuses(found, seen(minute(40)))).toContain('found_after_ending');
  });

  test('not without the deadline by which it was decided', () => {
    const session = { ...EXPIRED.session, finalDeadline: null };
    expect(problems({ ...EXPIRED, session })).toEqual([
      expect.stringMatching(/its final deadline is not written down/),
    ]);
  });

  test('an edit of the deadline after the end changes nothing', () => {
    for (const expiresAt of [minute(1), minute(90)]) {
      const edited = { ...EXPIRED.session, expiresAt };
      expect(problems({ ...EXPIRED, session: edited })).toEqual([]);
    }
  });

  test.each<[string, (end: number) => Partial<LedgerEvidence>]>([
    ['earlier_version', () => ({ isTaken: false, proven: [], endClosedAt: null })],
    ['earlier_version', () => ({ openedAfter: null, proven: [], endClosedAt: null })],
    ['before_reset', () => ({ resetAt: minute(90), proven: [], endClosedAt: null })],
    ['forgotten', (end) => ({ chainFrom: end + 1, endClosedAt: null })],
    ['forgotten', (end) => ({ keptFrom: end - 1, proven: [{ from: end - 1, through: end }] })],
    [
      'later_end',
      (end) => ({ beforeEndClosedAt: closeTime(end + 100), firstAfterDeadline: end - 100 }),
    ],
  ])('unless there is a reason, which is named: %s', (reason, evidence) => {
    for (const [, found, end] of ends) {
      expect(violations(found, evidence(end))).toEqual([]);
      expect(excuses(found, evidence(end))).toEqual([reason]);
    }
  });
});
