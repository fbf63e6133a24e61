/** Settlement is a function of the ledger: not of the order in which it was discovered, nor of what was restored. */
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { eventId } from '../../src/db/ids.ts';
import { eventBody } from '../../src/domain/event.ts';
import { heldOf } from '../../src/domain/held.ts';
import { ledgerPaymentKey } from '../../src/domain/ledger-payment.ts';
import { isOpen } from '../../src/domain/session.ts';
import { decide, type Decision } from '../../src/domain/settle.ts';
import { apply } from './build.ts';
import {
  factsOf,
  FIRST,
  isBeforeOpening,
  learn,
  opened,
  OPENED_AFTER,
  readWhole,
  say,
  WORLD,
  type Database,
  type World,
} from './ledger-life.ts';

/** One thing that happens. `pick` chooses among what there is. */
const STEP = fc.record({
  does: fc.constantFrom(
    'grow',
    'grow',
    'grow',
    'learn',
    'learn',
    'read',
    'read',
    'read',
    'page',
    'settle',
    'settle',
    'settle',
    'save',
    'restore',
    'decode',
    'cancel',
    'return',
    'backend writes',
    'report',
  ),
  pick: fc.nat({ max: 40 }),
});
type Step = typeof STEP extends fc.Arbitrary<infer T> ? T : never;
const STEPS = fc.array(STEP, { minLength: 5, maxLength: 40 });

/** Every event that a settle made, by id: receivers have it, whatever becomes of the database. */
type Told = Map<string, string>;

function bodies(sessionId: string, { newEvents }: Decision): [string, string][] {
  return newEvents.map((event) => {
    const id = eventId(sessionId, event.type, event.fact);
    return [id, eventBody(id, event)];
  });
}

/** One settle, and what must be true of each. */
function settle(world: World, db: Database, told: Told): Database {
  const read = factsOf(world, db);
  const decision = decide(read);
  const { readThrough } = read.coverage;
  for (const { payment, verdict } of decision.verdicts) {
    const isNamed = payment.txHash === world.paymentRow?.txHash;
    if (verdict !== 'credited' || isNamed) continue;
    expect(payment.ledger).toBeLessThanOrEqual(Math.max(readThrough, OPENED_AFTER));
  }
  for (const [id, body] of bodies(read.session.id, decision)) {
    expect(told.get(id) ?? body).toBe(body);
    told.set(id, body);
  }
  const after = { ...db, facts: apply(read, decision) };
  expect(decide(factsOf(world, after)).changes).toBe(false);
  return after;
}

/** A whole life: what is left of the database, and everything that was told on the way. */
function live(world: World, steps: readonly Step[]): { db: Database; told: Told } {
  const told: Told = new Map();
  let db = opened(world);
  let saves = [db];
  let isRestored = false;
  for (const step of steps) {
    if (step.does === 'settle') db = settle(world, db, told);
    else if (step.does === 'save') saves.push(db);
    else if (step.does === 'restore') {
      isRestored = true;
      db = saves[step.pick % saves.length] ?? db;
    } else if (step.does === 'cancel') {
      // A restore that loses a cancellation loses an input: docs/guarantees.md names it.
      const { status, cancelAt } = db.facts.session;
      const tip = world.ledgers.find(({ sequence }) => sequence === db.tip);
      if (isRestored || !isOpen(status) || cancelAt !== null || tip === undefined) continue;
      const { closedAt } = tip;
      db = { ...db, facts: { ...db.facts, session: { ...db.facts.session, cancelAt: closedAt } } };
      saves = [db];
    } else db = happen(world, db, step);
  }
  return { db, told };
}

function happen(world: World, db: Database, { does, pick }: Step): Database {
  const inChain = world.payments.filter(({ ledger }) => ledger <= db.tip);
  const sequence = OPENED_AFTER + 1 + (pick % Math.max(1, db.tip - OPENED_AFTER));
  const ofLedger = inChain.filter(({ ledger }) => ledger === sequence);
  const isKnown = sequence <= db.tip;
  switch (does) {
    case 'grow':
      return { ...db, tip: Math.min(FIRST + world.ledgers.length, db.tip + 1 + (pick % 3)) };
    case 'learn': {
      const one = inChain[pick % Math.max(1, inChain.length)];
      // One transaction is shown whole.
      return one
        ? learn(
            db,
            inChain.filter(({ txHash }) => txHash === one.txHash),
          )
        : db;
    }
    case 'read':
      return isKnown ? { ...learn(db, ofLedger), proven: new Set([...db.proven, sequence]) } : db;
    case 'page':
      return isKnown ? { ...learn(db, ofLedger), paged: new Set([...db.paged, sequence]) } : db;
    case 'decode':
      return { ...db, isDecoded: true };
    case 'return': {
      const held = heldOf(db.facts.session, decide(factsOf(world, db)).judgement);
      const judged = held.filter(({ payment }) => 'verdict' in payment && payment.verdict !== null);
      const { payment } = judged[pick % Math.max(1, judged.length)] ?? {};
      const payments = db.facts.payments.map((p) => (p === payment ? { ...p, resolved: true } : p));
      return { ...db, facts: { ...db.facts, payments } };
    }
    case 'backend writes': {
      if (!isOpen(db.facts.session.status)) return db;
      const status = pick % 2 === 0 ? 'expired' : 'processing';
      return { ...db, facts: { ...db.facts, session: { ...db.facts.session, status } } };
    }
    default:
      return { ...db, facts: { ...db.facts, reportedAt: db.facts.now, everReported: true } };
  }
}

/** The verdict and the place of every payment, the status and the ending. */
function outcome({ facts: { session: s, payments, paymentRow } }: Database) {
  const verdicts = payments.map((p) => [ledgerPaymentKey(p), p.verdict] as const);
  return {
    // What an older backend calls expired is open until it is proven.
    status: s.status === 'paid' || s.closedThroughLedger !== null ? s.status : 'open',
    end: s.closedThroughLedger,
    row: paymentRow,
    verdicts: Object.fromEntries(verdicts.toSorted(([a], [b]) => a.localeCompare(b))),
    placed: payments.filter(({ placedAfter }) => placedAfter !== null),
  };
}

describe('the same ledger gives one result', () => {
  test('whatever became known first, was read first, crashed or was restored', () => {
    const statuses = new Set<string>();
    fc.assert(
      fc.property(WORLD, STEPS, (world, steps) => {
        const { db, told } = live(world, steps);
        const { cancelAt } = db.facts.session;
        const whole: Told = new Map();
        const truth = settle(world, readWhole(world, opened({ ...world, cancelAt })), whole);
        const said = say(world, { cancelAt }, world.payments);

        const settled = settle(world, readWhole(world, db), told);
        expect(outcome(settled)).toEqual(outcome(truth));
        expect(told).toEqual(whole);
        expect([...settled.facts.openAttention]).not.toContain('told_in_another_order');

        const { status, end, row, verdicts, placed } = outcome(settled);
        statuses.add(status);
        expect({ status, end, verdicts }).toEqual({
          status: said.status,
          end: said.end,
          verdicts: said.verdicts,
        });
        expect(placed).toEqual([]);
        if (world.paymentRow !== null) return expect(row).toBe(world.paymentRow);
        const { key, sum } = said.completing ?? {};
        expect(row?.amount).toBe(sum);
        expect(row?.txHash).toBe(key?.split(':')[0]);
      }),
      { numRuns: 3_000 },
    );
    expect([...statuses].sort()).toEqual(['cancelled', 'expired', 'open', 'paid']);
  });
});

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
      { numRuns: 3_000 },
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
