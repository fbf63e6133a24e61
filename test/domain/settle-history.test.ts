/** Properties of settle over whole lives of sessions: whatever happens, in whatever order. */
import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { heldOf } from '../../src/domain/held.ts';
import type { EventFact, EventType } from '../../src/domain/event.ts';
import type { InboxPayment } from '../../src/domain/judge.ts';
import { ledgerPaymentKey } from '../../src/domain/ledger-payment.ts';
import { parseAmount } from '../../src/domain/money.ts';
import { decide, type Decision, type SessionFacts } from '../../src/domain/settle.ts';
import {
  apply,
  covered,
  facts,
  ledgerOf,
  minute,
  OPENED_AFTER,
  READ,
  session,
  USDC,
} from './build.ts';
import { happen, LEDGER, minutesOf, reached, STEP, withEnd, type Step } from './history.ts';

/** Every settle of a life: the facts it read and what it decided. */
function live(ledger: readonly InboxPayment[], steps: readonly Step[]) {
  const settles: { read: SessionFacts; decision: Decision }[] = [];
  let now = facts({ coverage: { ...READ, ...reached(OPENED_AFTER) } });
  for (const step of steps) {
    const read = withEnd(happen(now, ledger, step));
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
    const { judged } = decision.judgement;
    const counted = judged.filter((j) => j.verdict === 'credited' && !j.payment.resolved);
    const sums = counted.map((_, i) => sum(counted.slice(0, i + 1).map((j) => j.payment.amount)));
    const reachedBy = sums.find((total) => total >= read.session.price);
    const enough = reachedBy !== undefined;
    const row = read.paymentRow !== null;
    expect(decision.status === 'paid').toBe(row || enough || read.session.status === 'paid');
    expect(decision.newPayment !== null).toBe(enough && !row);
    if (decision.newPayment) expect(decision.newPayment.amount).toBe(reachedBy);
  });
});

test('no money is lost or counted twice: held, part of a paid price, or waiting for the rest or for reading', () => {
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
    const unread = judgement.waiting.filter((p) => !p.resolved).map((p) => p.amount);
    expect(held + counted + sum(unread)).toBe(received);
  });
});

test('what was decided stands, in its place', () => {
  always((read, decision) => {
    const after = apply(read, decision).payments;
    const { status, finalDeadline, closedThroughLedger } = read.session;
    const isOver =
      status === 'paid' ||
      [finalDeadline, closedThroughLedger, read.paymentRow].some((x) => x !== null);
    for (const [i, { verdict, placedAfter }] of read.payments.entries()) {
      // While nothing is decided of the session, an edited deadline says what is late.
      const mayMove = !isOver && (verdict === 'credited' || verdict === 'late');
      if (verdict !== null && !mayMove) expect(after[i]).toMatchObject({ verdict, placedAfter });
    }
  });
});

test('nothing is credited beyond what is read, but what a payments row names or comes after an ending', () => {
  always((read, { verdicts }) => {
    if (read.session.closedThroughLedger !== null) return;
    for (const { payment, verdict } of verdicts) {
      if (verdict !== 'credited' || payment.txHash === read.paymentRow?.txHash) continue;
      expect(payment.ledger).toBeLessThanOrEqual(read.coverage?.readThrough ?? 0);
    }
  });
});

test('an ending is written only with proof, and proof is never taken back', () => {
  always((read, decision) => {
    const before = read.session.closedThroughLedger;
    if (before !== null) expect(decision.closedThroughLedger).toBe(before);
    else if (decision.closedThroughLedger !== null) {
      const { cancelAt } = read.session;
      const deadline = Math.min(30, cancelAt === null ? 30 : minutesOf(cancelAt));
      expect(decision.closedThroughLedger).toBe(ledgerOf(deadline) + 1);
      expect(decision.finalDeadline).toEqual(minute(deadline));
      expect(read.coverage?.provenThrough).toBeGreaterThanOrEqual(ledgerOf(deadline));
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
      // What came before the opening needs no reading, so it is there from the start.
      settle(
        ledger.filter((p) => p.ledger <= OPENED_AFTER),
        -1,
      );
      if (together) settle(reported, -1);
      else for (const payment of reported) settle([payment], -1);
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
