import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { NATIVE, type Asset } from '../../src/domain/asset.ts';
import {
  judge,
  type InboxPayment,
  type JudgeContext,
  type Verdict,
} from '../../src/domain/judge.ts';
import { formatAmount, parseAmount } from '../../src/domain/money.ts';
import type { Session } from '../../src/domain/session.ts';
import { context, FAKE_USDC, minute, pay, session, txHash, USDC } from './build.ts';

/** What a row of the table says is different from a plain payment of 10 for a price of 10. */
type Situation = {
  session?: Partial<Session>;
  payment?: Partial<InboxPayment>;
  context?: Partial<JudgeContext>;
};

/** docs/guarantees.md, Judging. The order of the rows is their precedence: where two apply, the upper one decides. */
const TABLE: [string, Verdict, Situation][] = [
  ['two sessions have its reference', 'ambiguous', { context: { ambiguous: true } }],
  ['another issuer', 'wrong_asset', { payment: { asset: FAKE_USDC } }],
  ['another asset', 'wrong_asset', { payment: { asset: NATIVE } }],
  [
    'the session names no issuer',
    'wrong_asset',
    {
      session: { asset: { code: 'USDC', issuer: null } },
      payment: { asset: { code: 'USDC', issuer: null } },
    },
  ],
  ['an amount of zero', 'nothing', { payment: { amount: 0n } }],
  ['named by the payments row', 'credited', { context: { paidByTxHash: txHash(1) } }],
  ['closed after the deadline', 'late', { payment: { closedAt: minute(31) } }],
  ['paid by another transaction', 'duplicate', { context: { paidByTxHash: txHash(9) } }],
  [
    'found after the cancellation was told',
    'after_cancellation',
    { session: { status: 'cancelled', cancelAt: minute(10), closedThroughLedger: 700 } },
  ],
  ['the rest', 'credited', {}],
];

function verdictOf(...situations: Situation[]): Verdict | undefined {
  const all = situations.toReversed();
  const { judged } = judge(
    session(Object.assign({}, ...all.map((s) => s.session))),
    [pay(1, '10', Object.assign({}, ...all.map((s) => s.payment)))],
    context(Object.assign({}, ...all.map((s) => s.context))),
  );
  return judged[0]?.verdict;
}

describe('the table', () => {
  test.each(TABLE)('%s → %s', (_, verdict, situation) => {
    expect(verdictOf(situation)).toBe(verdict);
  });

  const pairs = TABLE.flatMap(([upper, verdict, a], i) =>
    TABLE.slice(i + 1).map(([lower, , b]) => [upper, lower, verdict, a, b] as const),
  );
  test.each(pairs)('%s, and %s → %s', (_upper, _lower, verdict, a, b) => {
    expect(verdictOf(a, b)).toBe(verdict);
  });

  test('unmatched is judged again when a session with its reference turns up', () => {
    expect(verdictOf({ payment: { verdict: 'unmatched' } })).toBe('credited');
    expect(verdictOf({ payment: { verdict: 'unmatched', asset: FAKE_USDC } })).toBe('wrong_asset');
  });
});

describe('amounts are compared to the stroop', () => {
  test.each<Record<'paid' | 'price', string> & Record<'reaches', boolean>>`
    paid                      | price                     | reaches
    ${'10'}                   | ${'10'}                   | ${true}
    ${'10.0000001'}           | ${'10'}                   | ${true}
    ${'9.9999999'}            | ${'10'}                   | ${false}
    ${'24.9999999'}           | ${'25'}                   | ${false}
    ${'0.0000001'}            | ${'0.0000001'}            | ${true}
    ${'99.9999999'}           | ${'100'}                  | ${false}
    ${'922337203685.4775806'} | ${'922337203685.4775807'} | ${false}
  `('$paid for a price of $price reaches it: $reaches', ({ paid, price, reaches }) => {
    const result = judge(session({ price: parseAmount(price) }), [pay(1, paid)], context());
    expect(result.judged.map((j) => j.verdict)).toEqual(['credited']);
    expect(result.credited).toBe(parseAmount(paid));
    expect(result.completing !== null).toBe(reaches);
  });
});

describe('assets', () => {
  test.each<{ received: Asset; asked: Asset; verdict: Verdict }>`
    received                                 | asked     | verdict
    ${NATIVE}                                | ${NATIVE} | ${'credited'}
    ${USDC}                                  | ${USDC}   | ${'credited'}
    ${{ code: 'XLM', issuer: USDC.issuer }}  | ${NATIVE} | ${'wrong_asset'}
    ${FAKE_USDC}                             | ${USDC}   | ${'wrong_asset'}
    ${{ code: 'usdc', issuer: USDC.issuer }} | ${USDC}   | ${'wrong_asset'}
    ${{ code: 'SCAM', issuer: USDC.issuer }} | ${NATIVE} | ${'wrong_asset'}
  `('$received for $asked is $verdict', ({ received, asked, verdict }) => {
    expect(verdictOf({ payment: { asset: received }, session: { asset: asked } })).toBe(verdict);
  });
});

describe('time is the close time of the ledger', () => {
  test.each<{ closed: number; cancelAt: number | null; verdict: Verdict }>`
    closed     | cancelAt | verdict
    ${-5}      | ${null}  | ${'credited'}
    ${30}      | ${null}  | ${'credited'}
    ${30.0167} | ${null}  | ${'late'}
    ${10}      | ${10}    | ${'credited'}
    ${10.0167} | ${10}    | ${'late'}
    ${31}      | ${40}    | ${'late'}
  `(
    'closed in minute $closed, cancelled in $cancelAt: $verdict',
    ({ closed, cancelAt, verdict }) => {
      const at = cancelAt === null ? null : minute(cancelAt);
      expect(verdictOf({ payment: { closedAt: minute(closed) }, session: { cancelAt: at } })).toBe(
        verdict,
      );
    },
  );
});

describe('several payments', () => {
  const verdicts = (payments: InboxPayment[], ctx = context()) => {
    const { judged, ...rest } = judge(session(), payments, ctx);
    return {
      ...rest,
      by: Object.fromEntries(
        judged.map((j) => [Number(`0x${j.payment.txHash}`) * 10 + j.payment.opIndex, j.verdict]),
      ),
    };
  };

  test('two parts reach the price; what comes after is a duplicate', () => {
    const result = verdicts([pay(1, '4'), pay(2, '6'), pay(3, '10')]);
    expect(result.by).toEqual({ 10: 'credited', 20: 'credited', 30: 'duplicate' });
    expect(result.completing?.txHash).toBe(txHash(2));
    expect(formatAmount(result.credited)).toBe('10.0000000');
  });

  test('operations of one transaction count apart: a price split over two is paid', () => {
    const result = verdicts([
      pay(1, '5'),
      pay(1, '5', { opIndex: 1 }),
      pay(1, '5', { opIndex: 2 }),
    ]);
    expect(result.by).toEqual({ 10: 'credited', 11: 'credited', 12: 'duplicate' });
  });

  test('what completes is what is credited through it, though an older backend credited more', () => {
    const credited = { verdict: 'credited' } as const;
    const result = verdicts([pay(1, '4', credited), pay(2, '7', credited), pay(3, '5', credited)]);
    expect(result.completing?.txHash).toBe(txHash(2));
    expect(formatAmount(result.completed)).toBe('11.0000000');
    expect(formatAmount(result.credited)).toBe('16.0000000');
  });

  test('the row names its payment by the inner hash of a fee bump, too', () => {
    const bumped = pay(2, '10', { innerTxHash: txHash(9) });
    const result = verdicts([pay(1, '10'), bumped], context({ paidByTxHash: txHash(9) }));
    expect(result.by).toEqual({ 10: 'duplicate', 20: 'credited' });
  });

  test('a further operation of the paying transaction is a duplicate, found together or later', () => {
    const [first, second] = [pay(1, '10'), pay(1, '10', { opIndex: 1 })];
    const later = [{ ...first, verdict: 'credited' as const }, second];
    const expected = { 10: 'credited', 11: 'duplicate' };
    expect(verdicts([first, second]).by).toEqual(expected);
    expect(verdicts(later, context({ paidByTxHash: txHash(1) })).by).toEqual(expected);
  });

  test('resolved money never counts again', () => {
    const returned = pay(1, '6', { verdict: 'credited', resolved: true });
    const result = verdicts([returned, pay(2, '6'), pay(3, '4')]);
    expect(result.completing?.txHash).toBe(txHash(3));
    expect(formatAmount(result.credited)).toBe('10.0000000');
  });
});

describe('always', () => {
  /** Payments in tenths of the price, on time or not, in the right asset or not; n makes them different. */
  const fields = fc.record({
    tenths: fc.integer({ min: 0, max: 12 }),
    closedAt: fc.integer({ min: -2, max: 33 }).map(minute),
    asset: fc.constantFrom(USDC, USDC, USDC, FAKE_USDC, NATIVE),
  });
  const payments = fc
    .array(fields, { maxLength: 8 })
    .map((all) => all.map(({ tenths, ...rest }, n) => pay(n, String(tenths), rest)));
  const some = <T>(value: T) => fc.constantFrom(null, value);

  test('the order in which payments were found does not matter', () => {
    const shuffled = payments.chain((all) =>
      fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length })),
    );
    fc.assert(
      fc.property(shuffled, some(txHash(1)), ([all, mixed], paidByTxHash) => {
        const judged = (found: InboxPayment[]) =>
          judge(session(), found, context({ paidByTxHash }));
        expect(judged(mixed)).toEqual(judged(all));
      }),
    );
  });

  test('the price is reached exactly when the money on time in the right asset reaches it', () => {
    fc.assert(
      fc.property(payments, (all) => {
        const good = all.filter((p) => p.asset === USDC && p.closedAt <= minute(30));
        const enough = good.reduce((total, p) => total + p.amount, 0n) >= session().price;
        const { credited, completing } = judge(session(), all, context());
        expect([completing !== null, credited >= session().price]).toEqual([enough, enough]);
      }),
    );
  });

  test('while it is open, late or on time is judged by the deadline of now', () => {
    const [part, later] = [
      { ...pay(1, '4', { closedAt: minute(5) }), verdict: 'credited' as const },
      { ...pay(2, '6', { closedAt: minute(31) }), verdict: 'late' as const },
    ];
    const verdictsBy = (expiresAt: Date) =>
      judge(session({ expiresAt }), [part, later], context()).judged.map((j) => j.verdict);
    expect(verdictsBy(minute(30))).toEqual(['credited', 'late']);
    expect(verdictsBy(minute(40))).toEqual(['credited', 'credited']);
    expect(verdictsBy(minute(4))).toEqual(['late', 'late']);
  });

  test('once the session is over, a verdict other than unmatched never changes, whatever is edited', () => {
    const known = TABLE.map(([, verdict]) => verdict);
    const verdict = fc.constantFrom<Verdict | null>(null, 'unmatched', ...known);
    const judgedBefore = payments.chain((all) =>
      fc.tuple(...all.map((p) => verdict.map((v) => ({ ...p, verdict: v })))),
    );
    const changed = fc.record({
      ambiguous: fc.boolean(),
      cancelAt: some(minute(2)),
      closedThroughLedger: some(700),
      paidByTxHash: some(txHash(2)),
      asset: fc.constantFrom(USDC, FAKE_USDC),
    });
    fc.assert(
      fc.property(judgedBefore, changed, (all, { ambiguous, paidByTxHash, ...fields }) => {
        const over = session({ ...fields, finalDeadline: minute(30) });
        const { judged } = judge(over, all, context({ ambiguous, paidByTxHash }));
        expect(judged).toHaveLength(all.length);
        for (const { payment, verdict: now } of judged) {
          if (payment.verdict !== null && payment.verdict !== 'unmatched') {
            expect(now).toBe(payment.verdict);
          } else expect(now).not.toBe('unmatched');
        }
      }),
    );
  });
});
