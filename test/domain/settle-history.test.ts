/** Properties of settle over whole lives of sessions: whatever happens, in whatever order. */
import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { heldOf } from '../../src/domain/held.ts';
import type { EventFact, EventType } from '../../src/domain/event.ts';
import type { InboxPayment } from '../../src/domain/judge.ts';
import { ledgerPaymentKey } from '../../src/domain/ledger-payment.ts';
import { parseAmount } from '../../src/domain/money.ts';
import type { SessionStatus } from '../../src/domain/session.ts';
import { decide, type Decision, type SessionFacts } from '../../src/domain/settle.ts';
import { apply, covered, facts, FAKE_USDC, minute, pay, row, session, USDC } from './build.ts';

const MOVEMENT = fc.record({
  units: fc.integer({ min: 0, max: 11 }),
  closed: fc.integer({ min: -1, max: 34 }),
  asset: fc.constantFrom(USDC, USDC, USDC, USDC, FAKE_USDC),
  operations: fc.constantFrom(1, 1, 2),
});

/** What the ledger holds for a session: up to six transactions of one or two operations, in ledger order. */
const LEDGER = fc
  .array(MOVEMENT, { minLength: 1, maxLength: 6 })
  .map((all) =>
    all
      .toSorted((a, b) => a.closed - b.closed)
      .flatMap(({ units, closed, asset, operations }, n) =>
        Array.from({ length: operations }, (_, opIndex) =>
          pay(n, String(units), { opIndex, asset, closedAt: minute(closed) }),
        ),
      ),
  );

/** One thing that happens to a session. `pick` chooses among what there is. */
const STEP = fc.record({
  what: fc.constantFrom(
    'find',
    'find',
    'find',
    'cover',
    'cancel',
    'report',
    'answer',
    'park',
    'unpark',
    'foreign status',
    'foreign row',
    'row lost',
    'events lost',
    'resolve',
    'wait',
  ),
  pick: fc.nat({ max: 40 }),
});
type Step = typeof STEP extends fc.Arbitrary<infer T> ? T : never;

const STATUSES: SessionStatus[] = ['pending', 'processing', 'paid', 'expired', 'cancelled'];

/** The facts after the step, before anybody settles. */
function happen(
  now: SessionFacts,
  ledger: readonly InboxPayment[],
  { what, pick }: Step,
): SessionFacts {
  const set = (fields: Partial<SessionFacts['session']>) => ({
    ...now,
    session: { ...now.session, ...fields },
  });
  const known = new Set(now.payments.map(ledgerPaymentKey));
  switch (what) {
    case 'find': {
      const missing = ledger.filter((p) => !known.has(ledgerPaymentKey(p)));
      const found = missing[pick % (missing.length || 1)];
      return found ? { ...now, payments: [...now.payments, found] } : now;
    }
    case 'cover':
      return { ...now, coverage: covered(0, pick) };
    case 'cancel': {
      const { status, cancelAt, closedThroughLedger } = now.session;
      const refused = status === 'paid' || cancelAt !== null || closedThroughLedger !== null;
      return refused ? now : set({ cancelAt: minute(pick) });
    }
    case 'report':
      return { ...now, reportedAt: now.now, everReported: true };
    case 'answer':
      return { ...now, reportedAt: null };
    case 'park':
    case 'unpark':
      return { ...now, undecoded: what === 'park' };
    case 'foreign status':
      return set({ status: STATUSES[pick % STATUSES.length] ?? 'pending' });
    case 'foreign row':
      return now.paymentRow ? now : { ...now, paymentRow: row(pick % 8, '10') };
    case 'row lost':
      return { ...now, paymentRow: null };
    case 'events lost':
      return { ...now, existingEvents: new Set() };
    case 'resolve':
      return {
        ...now,
        payments: now.payments.map((p, i) => ({
          ...p,
          resolved: p.resolved || i === pick % now.payments.length,
        })),
      };
    default:
      return { ...now, now: new Date(now.now.getTime() + pick * 10_000) };
  }
}

/** Every settle of a life: the facts it read and what it decided. */
function live(ledger: readonly InboxPayment[], steps: readonly Step[]) {
  const settles: { read: SessionFacts; decision: Decision }[] = [];
  let now = facts();
  for (const step of steps) {
    const read = happen(now, ledger, step);
    const decision = decide(read);
    settles.push({ read, decision });
    now = apply(read, decision);
  }
  return settles;
}

const always = (check: (read: SessionFacts, decision: Decision) => void) =>
  fc.assert(
    fc.property(LEDGER, fc.array(STEP, { minLength: 1, maxLength: 14 }), (ledger, steps) => {
      for (const { read, decision } of live(ledger, steps)) check(read, decision);
    }),
    { numRuns: 500 },
  );

const sum = (amounts: bigint[]) => amounts.reduce((total, amount) => total + amount, 0n);

test('settling again what was settled changes nothing', () => {
  always((read, decision) => {
    const { changes, newEvents, verdicts, newAttention } = decide(apply(read, decision));
    expect({ changes, newEvents, verdicts, newAttention }).toEqual({
      changes: false,
      newEvents: [],
      verdicts: [],
      newAttention: [],
    });
  });
});

test('says that nothing changes only when nothing does', () => {
  always((read, decision) => {
    if (!decision.changes) expect(apply(read, decision)).toEqual(read);
  });
});

test('paid exactly when there is a row, or the credited sum reaches the price, or it was paid before', () => {
  always((read, decision) => {
    const enough = decision.judgement.credited >= read.session.price;
    const row = read.paymentRow !== null;
    expect(decision.status === 'paid').toBe(row || enough || read.session.status === 'paid');
    expect(decision.newPayment !== null).toBe(enough && !row);
    if (decision.newPayment) expect(decision.newPayment.amount).toBe(decision.judgement.credited);
  });
});

test('no money is lost or counted twice: held, part of a paid price, or waiting for the rest', () => {
  always((read, decision) => {
    const { status, closedThroughLedger, judgement } = decision;
    const { price } = read.session;
    const received = sum(read.payments.filter((p) => !p.resolved).map((p) => p.amount));
    const held = sum(
      heldOf({ status, closedThroughLedger, price }, judgement).map((h) => h.amount),
    );
    const { credited } = judgement;
    const over = closedThroughLedger !== null;
    const counted =
      status === 'paid' ? (credited < price ? credited : price) : over ? 0n : credited;
    expect(held + counted).toBe(received);
  });
});

test('an ending is written only with proof, and proof is never taken back', () => {
  always((read, decision) => {
    const before = read.session.closedThroughLedger;
    if (before !== null) expect(decision.closedThroughLedger).toBe(before);
    else if (decision.closedThroughLedger !== null) {
      const deadline = Math.min(minute(30).getTime(), decision.cancelAt?.getTime() ?? Infinity);
      expect(read.coverage?.throughTime.getTime()).toBeGreaterThanOrEqual(deadline);
      expect(read.undecoded).toBe(false);
      expect(decision.judgement.credited < read.session.price).toBe(true);
    }
  });
});

test('a reader that misses nothing ends every session rightly, whatever reports overtake it', () => {
  const overtaking = LEDGER.chain((ledger) =>
    fc.tuple(fc.constant(ledger), fc.shuffledSubarray(ledger)),
  );
  fc.assert(
    fc.property(overtaking, fc.boolean(), ([ledger, reported], together) => {
      const good = ledger.filter((p) => p.asset === USDC && p.closedAt <= minute(30));
      const enough = sum(good.map((p) => p.amount)) >= session().price;
      let now = facts();
      const told: EventFact[] = [];
      const settle = (found: readonly InboxPayment[], through: number) => {
        const known = new Set(now.payments.map(ledgerPaymentKey));
        const fresh = found.filter((p) => !known.has(ledgerPaymentKey(p)));
        const read = {
          ...now,
          payments: [...now.payments, ...fresh],
          coverage: covered(0, through),
        };
        const decision = decide(read);
        told.push(...decision.newEvents);
        now = apply(read, decision);
      };
      if (together) settle(reported, 0);
      else for (const payment of reported) settle([payment], 0);
      for (let m = -1; m <= 35; m++)
        settle(
          ledger.filter((p) => p.closedAt <= minute(m)),
          m,
        );
      expect(now.session.status).toBe(enough ? 'paid' : 'expired');
      const count = (type: EventType) => told.filter((event) => event.type === type).length;
      expect(count('payment.confirmed')).toBe(enough ? 1 : 0);
      expect(count('session.expired')).toBe(enough ? 0 : 1);
      const overpaid = told.filter(({ data }) => data['reason'] === 'overpaid');
      expect(sum(overpaid.map(({ data }) => parseAmount(String(data['amount']))))).toBe(
        now.paymentRow === null ? 0n : now.paymentRow.amount - session().price,
      );
    }),
    { numRuns: 300 },
  );
});
