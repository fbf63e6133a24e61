/**
 * Paying, cancelling and expiring, raced on a real PostgreSQL: two watchers with a settle queue each, somebody who
 * reports the payment, somebody who cancels, and an older backend, all at the same session at the same moment.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { audit } from '../../src/db/audit.ts';
import { connect, type Database } from '../../src/db/connection.ts';
import { storeFindings, storePage } from '../../src/db/inbox.ts';
import { requestCancel } from '../../src/db/sessions.ts';
import type { Settled } from '../../src/db/settle.ts';
import { createSettleQueue, type SettleQueue } from '../../src/db/settle-queue.ts';
import { createTestDatabase, insertMerchant, type TestDatabase } from '../support/database.ts';
import { minute } from '../domain/build.ts';
import { insertSession, ledgerAt, paymentFor, stateOf, type StoredSession } from './build.ts';

const RACES = 200;
/** What is the ledger's last minute that anybody has read. */
const END = 40;

let database: TestDatabase;
let merchantId: string;
let processes: [Process, Process];
type Process = { readonly database: Database; readonly queue: SettleQueue };

beforeAll(async () => {
  database = await createTestDatabase();
  merchantId = await insertMerchant(database);
  const start = (): Process => {
    const own = connect(database.url, { max: 4 });
    return { database: own, queue: createSettleQueue(own) };
  };
  processes = [start(), start()];
});
afterAll(async () => {
  for (const process of processes) await process.database.close();
  await database.close();
});

/** Who takes part: each does its own things in order, at the same time as all others. */
const RACE = fc.record({
  /** When the payment that reaches the price closes. */
  paidAt: fc.constantFrom(8, 15, 29, 30, 31),
  /** Amounts that add up to the price; those before the last close a minute earlier each. */
  parts: fc.constantFrom(['10'], ['6', '4']),
  /** What the clock of whoever cancels says. */
  cancelAt: fc.constantFrom(7, 15, 29, 35),
  backend: fc.constantFrom('leaves it', 'leaves it', 'cancels', 'expires'),
  reporter: fc.boolean(),
  /** How many milliseconds each waits before it begins: any of them can come between any two steps of another. */
  pauses: fc.tuple(...Array.from({ length: 5 }, () => fc.nat({ max: 24 }))),
  order: fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: 5 }),
});
type Race = typeof RACE extends fc.Arbitrary<infer T> ? T : never;

/** The payments of a race, in ledger order. */
const paymentsOf = (session: StoredSession, { parts, paidAt }: Race) =>
  parts.map((amount, i) => {
    const at = paidAt - (parts.length - 1 - i);
    return paymentFor(session, amount, { closedAt: minute(at), ledger: ledgerAt(at) });
  });

/** Runs one race. Returns everything final that anybody was told. */
async function run(
  session: StoredSession,
  payments: ReturnType<typeof paymentsOf>,
  race: Race,
): Promise<Settled[]> {
  const [left, right] = processes;
  const told: Settled[] = [];
  const settle = async ({ queue }: Process) => {
    const settled = await queue.settle(session.id);
    if (settled?.status === 'paid' || (settled?.closedThroughLedger ?? null) !== null) {
      told.push(settled as Settled);
    }
  };
  const read = async (by: Process) => {
    const pages = [
      ...payments.map((payment, i) => ({
        payments: [payment],
        covers: { throughLedger: payment.ledger, throughTime: payment.closedAt },
        cursor: i === 0 ? 'cursor' : String(i),
        nextCursor: String(i + 1),
      })),
      {
        payments: [],
        covers: { throughLedger: ledgerAt(END), throughTime: minute(END) },
        cursor: String(payments.length),
        nextCursor: 'end',
      },
    ];
    for (const one of pages) {
      await storePage(by.database.pool, { account: session.account, undecoded: [], ...one });
      await settle(by);
    }
  };
  const programs = [
    () => read(left),
    () => read(right),
    async () => {
      await requestCancel(left.database.pool, session.id, minute(race.cancelAt));
      await settle(left);
    },
    async () => {
      if (!race.reporter) return;
      await storeFindings(right.database.pool, { payments: payments.slice(-1), undecoded: [] });
      await settle(right);
    },
    async () => {
      if (race.backend === 'leaves it') return;
      await database.rows(
        `UPDATE checkout_sessions SET status = $2 WHERE id = $1 AND status IN ('pending', 'processing')`,
        [session.id, race.backend === 'cancels' ? 'cancelled' : 'expired'],
      );
    },
  ];
  await Promise.all(
    race.order.map(async (who) => {
      await sleep(race.pauses[who]);
      await programs[who]?.();
    }),
  );
  await settle(left);
  await settle(right);
  return told;
}

const TOLD = {
  paid: 'payment.confirmed',
  expired: 'session.expired',
  cancelled: 'session.cancelled',
};

test(`${RACES} races of two watchers, a report, a cancellation and a backend: one answer each, and the audit is green`, async () => {
  const answers = new Set<string>();
  const race = fc.asyncProperty(RACE, async (chosen) => {
    const session = await insertSession(database, { merchantId });
    const payments = paymentsOf(session, chosen);
    const told = await run(session, payments, chosen);
    const state = await stateOf(database, session.id);
    const [{ deadline } = { deadline: new Date(0) }] = await database.rows<{ deadline: Date }>(
      'SELECT least(expires_at, cancel_at) AS deadline FROM checkout_sessions WHERE id = $1',
      [session.id],
    );
    const late = payments.filter(({ closedAt }) => closedAt > deadline);
    const paid = late.length === 0;

    // The ledger decides; nobody was told anything else at any time, and each was told it once.
    expect(new Set(told.map(({ status }) => status))).toEqual(new Set([state.status]));
    expect(state.status === 'paid').toBe(paid);
    expect(state.verdicts).toEqual(
      payments.map((payment) => (late.includes(payment) ? 'late' : 'credited')),
    );
    expect(state.payments.map(({ amount }) => amount)).toEqual(paid ? ['10.0000000'] : []);
    const final = TOLD[state.status as keyof typeof TOLD];
    expect(state.events.filter((type) => type !== 'payment.exception')).toEqual([final]);
    expect(state.deliveries).toEqual([final]);
    expect(state.attention).toEqual([]);
    answers.add(state.status);
  });
  await fc.assert(race, { numRuns: RACES, endOnFailure: true });
  expect([...answers].sort()).toEqual(['cancelled', 'expired', 'paid']);
  const { sessions, findings } = await audit(database.db);
  expect({ sessions, findings }).toEqual({ sessions: RACES, findings: [] });
});
