/** What the ledger shows after it was read: a node filled a gap, a record could be decoded, money of before the opening. */
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { heldOf } from '../../src/domain/held.ts';
import { ledgerPaymentKey } from '../../src/domain/ledger-payment.ts';
import { decide } from '../../src/domain/settle.ts';
import {
  factsOf,
  FIRST,
  isBeforeOpening,
  learn,
  opened,
  OPENED_AFTER,
  say,
  WORLD,
  type Database,
  type World,
} from './ledger-life.ts';
import { settle, type Told } from './told.ts';

describe('history that is found later', () => {
  /** Payments that a first reading does not show, and the order in which they turn up. */
  const found = WORLD.chain((world) =>
    fc.record({
      world: fc.constant({ ...world, paymentRow: null, ambiguous: false }),
      hidden: fc.shuffledSubarray([...world.payments]),
      stops: fc.array(fc.nat({ max: 14 }), { maxLength: 4 }),
    }),
  );

  test('changes nothing that was told, is placed behind it, asks a person, and no money is lost', () => {
    const seen = { placed: 0, corrected: 0, held: 0 };
    fc.assert(
      fc.property(found, ({ world, hidden, stops }) => {
        const late = new Set(hidden);
        const told: Told = new Map();
        const shown = world.payments.filter((p) => !late.has(p));
        let db = opened(world, shown.filter(isBeforeOpening));
        const settleOnce = () => {
          const before = db.facts;
          db = settle(world, db, told);
          checkStep(before.payments, db);
          checkMoney(world, db);
        };
        const last = FIRST + world.ledgers.length;
        const readThrough = (to: number) => {
          const rows = shown.filter(({ ledger }) => ledger <= to);
          const read = world.ledgers.map(({ sequence }) => sequence).filter((n) => n <= to);
          db = { ...learn(db, rows), tip: to, proven: new Set(read), isDecoded: true };
          settleOnce();
        };
        const turnUp = () => {
          const one = hidden.find((p) => p.ledger <= db.tip && !isIn(db, p));
          if (one === undefined) return;
          db = learn(db, [one]);
          settleOnce();
        };
        for (const stop of [...stops, 14].toSorted((a, b) => a - b)) {
          readThrough(Math.min(last, OPENED_AFTER + stop));
          turnUp();
        }
        readThrough(last);
        while (hidden.some((p) => !isIn(db, p))) turnUp();

        expect(db.facts.payments).toHaveLength(world.payments.length);
        checkPlaces(world, db);
        const { status, closedThroughLedger } = db.facts.session;
        seen.placed += db.facts.payments.filter((p) => p.placedAfter !== null).length;
        seen.corrected += Number(status === 'paid' && closedThroughLedger !== null);
        seen.held += db.facts.payments.filter((p) => p.verdict === 'after_cancellation').length;
      }),
      { numRuns: 1_000 },
    );
    // Each of the cases was met.
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(10);
  });

  const isIn = (db: Database, p: World['payments'][number]) =>
    db.facts.payments.some((q) => ledgerPaymentKey(q) === ledgerPaymentKey(p));

  /** What stood stands, in its place; what is placed anew opens a person's question. */
  function checkStep(before: Database['facts']['payments'], { facts: after }: Database): void {
    const known = new Map(after.payments.map((p) => [ledgerPaymentKey(p), p]));
    for (const { verdict, placedAfter, ...p } of before) {
      if (verdict === null) continue;
      expect(known.get(ledgerPaymentKey(p))).toMatchObject({ verdict, placedAfter });
    }
    const stood = new Set(before.filter((p) => p.verdict !== null).map(ledgerPaymentKey));
    const placed = after.payments.filter(
      (p) => p.placedAfter !== null && !stood.has(ledgerPaymentKey(p)),
    );
    if (placed.length > 0) expect([...after.openAttention]).toContain('told_in_another_order');
  }

  /** Every stroop is part of a paid price, held, counted so far or not judged yet. */
  function checkMoney(world: World, db: Database): void {
    const { session: s, payments } = db.facts;
    const { judgement } = decide(factsOf(world, db));
    const sum = (all: readonly { amount: bigint }[]) => all.reduce((n, p) => n + p.amount, 0n);
    const counted =
      s.status === 'paid' ? s.price : s.closedThroughLedger === null ? judgement.credited : 0n;
    expect(sum(heldOf(s, judgement)) + counted + sum(judgement.waiting)).toBe(sum(payments));
    expect(judgement.completing !== null).toBe(s.status === 'paid');
  }

  /** A fold by the places that are stored gives the verdicts that are stored, and the row. */
  function checkPlaces(world: World, { facts: f }: Database): void {
    const { cancelAt, closedThroughLedger } = f.session;
    const place = (p: World['payments'][number]) =>
      (p.placedAfter ?? p.ledger) + (p.placedAfter === null ? 0 : 0.5);
    const held = f.payments.filter((p) => p.verdict === 'after_cancellation');
    const inOrder = f.payments
      .filter((p) => !held.includes(p))
      .toSorted((a, b) => place(a) - place(b) || Number(a.operationId) - Number(b.operationId));
    const said = say(world, { cancelAt }, inOrder);
    for (const p of inOrder) {
      expect([p.txHash, p.verdict]).toEqual([p.txHash, said.verdicts[ledgerPaymentKey(p)]]);
    }
    expect(f.paymentRow?.amount).toBe(said.completing?.sum);
    if (said.completing === null) expect(closedThroughLedger).toBe(said.end);
    if (held.length > 0) expect(f.session.status).toBe('cancelled');
  }
});
