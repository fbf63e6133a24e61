/**
 * Paying, cancelling and expiring, raced: a simulation of everything that can come between one settle and the next.
 * Whatever the order, there is one answer, it is the one that the ledger gives, and everyone is told the same.
 */
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import type { EventType } from '../../src/domain/event.ts';
import type { InboxPayment } from '../../src/domain/judge.ts';
import { parseAmount } from '../../src/domain/money.ts';
import { effectiveDeadline, type SessionStatus } from '../../src/domain/session.ts';
import { decide } from '../../src/domain/settle.ts';
import { USDC } from './build.ts';
import { DEADLINE, newWorld, take, type Step, type World } from './race.ts';

/** Minutes after which everything is over. */
const END = 20;

/** Everything is read past every deadline and settled; then what Horizon had left out is found, and settled, too. */
function finish(world: World): void {
  const last: Step[] = [
    { does: 'close', minutes: END },
    { does: 'date cancel' },
    { does: 'read' },
    { does: 'settle' },
    { does: 'fill gap' },
    { does: 'settle' },
  ];
  for (const step of last) take(world, step);
}

const FINAL: Partial<Record<EventType, SessionStatus>> = {
  'payment.confirmed': 'paid',
  'session.expired': 'expired',
  'session.cancelled': 'cancelled',
};

/** What must be true at the end of every race. */
function expectOneAnswer(world: World): void {
  const { session: ended, payments } = world.facts;
  const answers = world.told.flatMap((type) => FINAL[type] ?? []);
  const onTime = world.ledger.filter(
    (p) => p.asset.issuer === USDC.issuer && p.closedAt <= effectiveDeadline(ended),
  );
  const sum = (all: readonly InboxPayment[]) => all.reduce((total, p) => total + p.amount, 0n);
  const gap = world.ledger.some(({ hidden }) => hidden);
  const reached = sum(onTime) >= ended.price;
  const reachedWithoutGap = sum(onTime.filter(({ hidden }) => !hidden)) >= ended.price;

  // One answer; found later than an expiry, on-time money is honoured, and nothing else is ever said twice.
  expect(new Set(answers).size).toBe(answers.length);
  expect(answers.at(-1)).toBe(ended.status);
  if (answers.length > 1) {
    expect(answers).toEqual(['expired', 'paid']);
    expect({ gap, reachedWithoutGap }).toEqual({ gap: true, reachedWithoutGap: false });
  }
  // Whoever asked in between was told what everybody was told.
  expect(world.seen.filter((status, i) => status !== world.seen[i - 1])).toEqual(answers);

  // It is the ledger's answer.
  const cancelled = ended.status === 'cancelled';
  if (cancelled) expect(reachedWithoutGap).toBe(false);
  else expect(ended.status === 'paid').toBe(reached);

  // Every movement has its one meaning, and a price that was reached is made of what is credited.
  expect(payments).toHaveLength(world.ledger.length);
  for (const { asset, closedAt, verdict } of payments) {
    const right = asset.issuer === USDC.issuer;
    const late = closedAt > effectiveDeadline(ended);
    const onTimeVerdicts = cancelled
      ? ['credited', 'after_cancellation']
      : ['credited', ...(ended.status === 'paid' ? ['duplicate'] : [])];
    expect(right ? (late ? ['late'] : onTimeVerdicts) : ['wrong_asset']).toContain(verdict);
  }
  const credited = sum(payments.filter(({ verdict }) => verdict === 'credited'));
  expect(credited >= ended.price).toBe(ended.status === 'paid');
  if (world.facts.paymentRow !== null) expect(world.facts.paymentRow.amount).toBe(credited);
  const { changes } = decide(world.facts);
  expect(changes).toBe(false);
}

/** All ways to interleave the programs, each kept in its own order. */
function* interleavings<T>(programs: readonly (readonly T[])[]): Generator<T[]> {
  if (programs.every(({ length }) => length === 0)) yield [];
  for (const [i, [first, ...rest]] of programs.entries()) {
    if (first === undefined) continue;
    for (const after of interleavings(programs.with(i, rest))) yield [first, ...after];
  }
}

describe('cancel against pay against expire', () => {
  const payer: Step[] = [
    { does: 'pay', amount: '10' },
    { does: 'find', pick: 0 },
    { does: 'settle' },
  ];
  const watcher: Step[] = [{ does: 'read' }, { does: 'settle' }];
  const clock: Step[] = [{ does: 'close', minutes: DEADLINE }];
  const cancellers: Record<string, Step[]> = {
    'our own request': [{ does: 'cancel' }, { does: 'date cancel' }, { does: 'settle' }],
    'an older backend that writes the status': [
      { does: 'write cancelled' },
      { does: 'date cancel' },
    ],
    'an older backend that expires it': [{ does: 'write expired' }, { does: 'settle' }],
  };
  test.each(Object.entries(cancellers))('in every order, with %s', (_, canceller) => {
    const answers = new Map<string, number>();
    for (const steps of interleavings([payer, watcher, clock, canceller])) {
      const world = newWorld();
      for (const step of steps) take(world, step);
      finish(world);
      expectOneAnswer(world);
      const { status } = world.facts.session;
      answers.set(status, (answers.get(status) ?? 0) + 1);
    }
    const endings = canceller[0]?.does === 'write expired' ? ['expired'] : ['cancelled'];
    expect([...answers.keys()].sort()).toEqual(expect.arrayContaining([...endings, 'paid']));
    expect([...answers.values()].reduce((a, b) => a + b)).toBe(
      canceller.length === 3 ? 5_040 : 1_680,
    );
  });

  test('10,000 races of everybody with everybody, with part payments and gaps of Horizon', () => {
    const always = (step: Step) => fc.constant(step);
    const step: fc.Arbitrary<Step> = fc.oneof(
      { weight: 4, arbitrary: always({ does: 'settle' }) },
      { weight: 3, arbitrary: always({ does: 'read' }) },
      {
        weight: 4,
        arbitrary: fc.record({
          does: fc.constant('pay' as const),
          amount: fc.constantFrom('10', '6', '4', '3', '11'),
          wrong: fc.constantFrom(false, false, false, true),
          hidden: fc.constantFrom(false, false, true),
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({ does: fc.constant('find' as const), pick: fc.nat({ max: 5 }) }),
      },
      {
        weight: 3,
        arbitrary: fc.record({
          does: fc.constant('close' as const),
          minutes: fc.constantFrom(0.5, 1, 3),
        }),
      },
      {
        weight: 2,
        arbitrary: fc.constantFrom<Step>({ does: 'cancel' }, { does: 'date cancel' }),
      },
      always({ does: 'write cancelled' }),
      always({ does: 'write expired' }),
      always({ does: 'report' }),
      always({ does: 'answer' }),
      always({ does: 'fill gap' }),
    );
    const answers = new Set<string>();
    fc.assert(
      fc.property(fc.array(step, { minLength: 4, maxLength: 24 }), (steps) => {
        const world = newWorld();
        for (const one of steps) take(world, one);
        finish(world);
        expectOneAnswer(world);
        answers.add(world.told.filter((type) => type in FINAL).join(' '));
      }),
      { numRuns: 10_000 },
    );
    // The races reach every answer, and the one pair of answers that may follow each other.
    expect([...answers].sort()).toEqual([
      'payment.confirmed',
      'session.cancelled',
      'session.expired',
      'session.expired payment.confirmed',
    ]);
  });
});

test('a price is reached by what the ledger shows in time, to the stroop', () => {
  const world = newWorld();
  const steps: Step[] = [
    { does: 'pay', amount: '9.9999999' },
    { does: 'read' },
    { does: 'settle' },
  ];
  for (const step of steps) take(world, step);
  expect(world.facts.session.status).toBe('pending');
  expect(decide(world.facts).judgement.credited).toBe(parseAmount('9.9999999'));
  take(world, { does: 'pay', amount: '0.0000001' });
  finish(world);
  expect(world.facts.session.status).toBe('paid');
});
