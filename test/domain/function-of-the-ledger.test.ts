/** Settlement is a function of the ledger: not of the order in which it was discovered, nor of what was restored. */
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { heldOf } from '../../src/domain/held.ts';
import { ledgerPaymentKey } from '../../src/domain/ledger-payment.ts';
import { isOpen } from '../../src/domain/session.ts';
import { decide } from '../../src/domain/settle.ts';
import {
  factsOf,
  FIRST,
  learn,
  opened,
  OPENED_AFTER,
  readWhole,
  say,
  WORLD,
  type Database,
  type World,
} from './ledger-life.ts';
import { settle, type Told } from './told.ts';

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
    default: {
      // A report, by a clock that is up to an hour off.
      const now = new Date(db.facts.now.getTime() + (pick - 20) * 180_000);
      return { ...db, facts: { ...db.facts, now, reportedAt: now, everReported: true } };
    }
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
      { numRuns: 1_000 },
    );
    expect([...statuses].sort()).toEqual(['cancelled', 'expired', 'open', 'paid']);
  });
});
