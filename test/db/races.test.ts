/**
 * Paying, cancelling and expiring, raced on a real PostgreSQL: two watchers with a settle queue each, somebody who
 * reports the payment, somebody who cancels, and an older backend, all at the same session at the same moment.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { audit } from '../../src/db/audit.ts';
import { connect, type Database } from '../../src/db/connection.ts';
import { takeSeen } from '../../src/db/care.ts';
import { addCoverage, EVERY_ASSET } from '../../src/db/coverage.ts';
import { storeFindings, storePage } from '../../src/db/inbox.ts';
import { completeCancels, requestCancel, waitingCancels } from '../../src/db/sessions.ts';
import type { Settled } from '../../src/db/settle.ts';
import { createSettleQueue, type SettleQueue } from '../../src/db/settle-queue.ts';
import { AccountPage, type PageStart } from '../../src/domain/account-page.ts';
import { createTestDatabase, insertMerchant, type TestDatabase } from '../support/database.ts';
import { minute } from '../domain/build.ts';
import {
  chain,
  insertSession,
  ledgerAt,
  paymentFor,
  stateOf,
  type StoredSession,
} from './build.ts';

const RACES = 200;
/** The last minute of a race that is read. */
const END = 40;
/** Each race has its own hours of the one chain. */
const RACE_MINUTES = 100;

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
  /** How far the ledger has come when the cancellation is asked for. */
  cancelAt: fc.constantFrom(7, 15, 29, 35),
  backend: fc.constantFrom('leaves it', 'leaves it', 'cancels', 'expires'),
  reporter: fc.boolean(),
  /** How many milliseconds each waits before it begins: any of them can come between any two steps of another. */
  pauses: fc.tuple(...Array.from({ length: 5 }, () => fc.nat({ max: 24 }))),
  order: fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: 5 }),
});
type Race = typeof RACE extends fc.Arbitrary<infer T> ? T : never;

/** The token of a record of the account before the race. */
const KNOWN = '1';

/** The payments of a race, in ledger order. */
const paymentsOf = (session: StoredSession, { parts, paidAt }: Race, opened: number) =>
  parts.map((amount, i) => {
    const at = opened + paidAt - (parts.length - 1 - i);
    return paymentFor(session, amount, { closedAt: minute(at), ledger: ledgerAt(at) });
  });

/** A page that begins with the record that is known, which the account has from before. */
function page(
  session: StoredSession,
  start: PageStart,
  found: ReturnType<typeof paymentsOf>,
): AccountPage {
  const known = { token: start.known ?? '0', ledger: start.afterLedger, createsAccount: false };
  const records = [
    known,
    ...found.map(({ operationId, ledger }) => ({
      token: operationId,
      ledger,
      createsAccount: false,
    })),
  ];
  const decoded = { payments: found, undecoded: [] };
  const made = AccountPage.of(session.account, start, records, decoded, 200);
  if (made === null) throw new Error('This is no page.');
  return made;
}

/** Runs one race. Returns everything final that anybody was told. */
async function run(
  session: StoredSession,
  payments: ReturnType<typeof paymentsOf>,
  race: Race,
  opened: number,
): Promise<Settled[]> {
  const [left, right] = processes;
  const told: Settled[] = [];
  const settle = async ({ queue }: Process) => {
    const settled = await queue.settle(session.id);
    if (settled?.status === 'paid' || (settled?.closedThroughLedger ?? null) !== null) {
      told.push(settled as Settled);
    }
  };
  // A turn of the watcher: requests, then the chain, then the backend's own edits, then the account.
  const read = async (by: Process) => {
    const { db, pool } = by.database;
    let start: PageStart = { afterLedger: ledgerAt(opened + 6), known: KNOWN };
    const grow = async (minutes: number) => {
      const cancels = await waitingCancels(db);
      await chain(database, minutes, minutes);
      await completeCancels(db, cancels);
      await takeSeen(db, [session.id]);
    };
    for (const payment of payments) {
      await grow((payment.closedAt.getTime() - minute(0).getTime()) / 60_000);
      const one = page(session, start, [payment]);
      await storePage(pool, one);
      start = one.next;
      await settle(by);
    }
    await grow(opened + END);
    await grow(opened + END);
    const all = { from: ledgerAt(opened), through: ledgerAt(opened + END) };
    await addCoverage(db, [session.account], EVERY_ASSET, all);
    await settle(by);
  };
  const programs = [
    () => read(left),
    () => read(right),
    async () => {
      await chain(database, opened + race.cancelAt, opened + race.cancelAt);
      const { db, pool } = left.database;
      await requestCancel(pool, session.id);
      await completeCancels(db, [session.id]);
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
  let races = 0;
  const race = fc.asyncProperty(RACE, async (chosen) => {
    const opened = races * RACE_MINUTES;
    races += 1;
    const session = await insertSession(database, {
      merchantId,
      createdAt: minute(opened),
      expiresAt: minute(opened + 30),
      covered: [opened - 1, opened + 6],
    });
    await database.rows(
      'UPDATE settlement.watched_accounts SET known_record = $2 WHERE account = $1',
      [session.account, KNOWN],
    );
    const payments = paymentsOf(session, chosen, opened);
    const told = await run(session, payments, chosen, opened);
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
