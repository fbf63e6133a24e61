/**
 * One ledger, one result. However it was discovered (reports that overtake the reader, pages, whole ledgers, entries that
 * did not move), and whatever the database has forgotten in between (a restore, a failover to an asynchronous replica),
 * the same verdicts, events, ids and bytes come out, and nothing else was told on the way.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { addCoverage, storeUnmoved } from '../../src/db/coverage.ts';
import { storePage, storeWhole } from '../../src/db/inbox.ts';
import { newestLedger } from '../../src/db/ledgers.ts';
import { settleTogether } from '../../src/db/settle.ts';
import { movePageStart, watchedAccount } from '../../src/db/watching.ts';
import { assetKey } from '../../src/domain/asset.ts';
import { WholeLedger } from '../../src/domain/evidence.ts';
import { AccountPage } from '../../src/domain/account-page.ts';
import type { LedgerPayment } from '../../src/domain/ledger-payment.ts';
import { createTestDatabase, insertMerchant, type TestDatabase } from '../support/database.ts';
import { FAKE_USDC, minute, USDC } from '../domain/build.ts';
import {
  cancelAt,
  chain,
  insertSession,
  ledgerAt,
  paymentFor,
  type StoredSession,
} from './build.ts';
import { restore, takeSnapshot, type Snapshot } from './snapshot.ts';

let database: TestDatabase;
let merchantId: string;
beforeAll(async () => {
  database = await createTestDatabase({ max: 4 });
  merchantId = await insertMerchant(database);
});
afterAll(() => database.close());

const END = 35;
const ASSET = assetKey(USDC);

/** What happens on the ledger: amounts in USDC or a fake of it, at minutes around the deadline, some in one ledger. */
const PAYMENTS = fc.array(
  fc.record({
    amount: fc.constantFrom('10', '10', '6', '4', '0', '12.5'),
    at: fc.constantFrom(3, 3, 4, 8, 11, 12, 29, 30, 30 + 1 / 12, 31),
    asset: fc.constantFrom(USDC, USDC, USDC, FAKE_USDC),
  }),
  { minLength: 1, maxLength: 5 },
);
const STEP = fc.oneof(
  { weight: 3, arbitrary: fc.record({ does: fc.constant('pass' as const), minutes: fc.nat(8) }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('chain' as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({ does: fc.constant('page' as const), limit: fc.constantFrom(2, 3, 200) }),
  },
  { weight: 4, arbitrary: fc.record({ does: fc.constant('report' as const), which: fc.nat(4) }) },
  { weight: 3, arbitrary: fc.record({ does: fc.constant('unmoved' as const), which: fc.nat(5) }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('move pages' as const) }) },
  { weight: 6, arbitrary: fc.record({ does: fc.constant('settle' as const) }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('back up' as const) }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('restore' as const), which: fc.nat(9) }) },
);
type Step = typeof STEP extends fc.Arbitrary<infer T> ? T : never;
type Told = { id: string; type: string; body: string };

/** The ledger, and what a node that is at `minutes` shows of it. */
class Life {
  readonly told = new Map<string, string>();
  readonly #snapshots: Snapshot[] = [];
  #minutes = 1;
  readonly session: StoredSession;
  readonly payments: readonly LedgerPayment[];
  constructor(session: StoredSession, payments: readonly LedgerPayment[]) {
    this.session = session;
    this.payments = payments;
  }

  get #head(): number {
    return ledgerAt(this.#minutes) + 1;
  }

  async take(step: Step): Promise<void> {
    const { session, payments } = this;
    if (step.does === 'pass') this.#minutes = Math.min(this.#minutes + step.minutes, END);
    else if (step.does === 'chain') await chain(database, this.#minutes);
    else if (step.does === 'page') await this.#page(step.limit);
    else if (step.does === 'report')
      await this.#whole(payments[step.which % payments.length]?.ledger ?? 0);
    else if (step.does === 'unmoved') await this.#unmoved(step.which);
    else if (step.does === 'settle') await this.#settle();
    else if (step.does === 'back up') this.#snapshots.push(await takeSnapshot(database));
    else if (step.does === 'restore') {
      const snapshot = this.#snapshots[step.which % this.#snapshots.length];
      if (snapshot) await restore(database, snapshot);
    } else {
      const watched = await watchedAccount(database.db, session.account);
      if (watched) await movePageStart(database.db, session.account, watched.start);
    }
  }

  /** Everything there is comes to be known. */
  async end(): Promise<void> {
    this.#minutes = END;
    await chain(database, END);
    for (const { ledger } of this.payments) await this.#whole(ledger);
    for (let which = 0; which <= this.payments.length; which += 1) await this.#unmoved(which);
    for (let i = 0; i < 3; i += 1) await this.#settle();
  }

  async #settle(): Promise<void> {
    await settleTogether(database.pool, [this.session.id]);
    for (const { id, body } of await events(this.session)) {
      expect(this.told.get(id) ?? body).toBe(body);
      this.told.set(id, body);
    }
  }

  async #page(limit: number): Promise<void> {
    const { account } = this.session;
    const watched = await watchedAccount(database.db, account);
    if (!watched) throw new Error('The account is watched.');
    const { start } = watched;
    const shown = this.payments
      .filter((p) => p.ledger <= this.#head && BigInt(p.operationId) > BigInt(start.known ?? 0))
      .slice(0, limit - 1);
    const records = [
      {
        token: start.known ?? '0',
        ledger: Math.min(start.afterLedger, ledgerAt(0)),
        createsAccount: false,
      },
      ...shown.map((p) => ({ token: p.operationId, ledger: p.ledger, createsAccount: false })),
    ];
    const page = AccountPage.of(account, start, records, { payments: shown, undecoded: [] }, limit);
    if (page) await storePage(database.pool, page);
  }

  /** A ledger of the chain, read whole. */
  async #whole(sequence: number): Promise<void> {
    const newest = await newestLedger(database.db);
    if (sequence > Math.min(this.#head, newest?.sequence ?? 0)) return;
    const payments = this.payments.filter(({ ledger }) => ledger === sequence);
    const closedAt = minute((sequence - ledgerAt(0)) / 12);
    const header = {
      sequence,
      hash: '',
      previousHash: '',
      closedAt,
      operationCount: payments.length,
    };
    const operations = payments.map(({ operationId }) => ({ id: BigInt(operationId), closedAt }));
    const accounts = new Set([this.session.account]);
    const whole = WholeLedger.of(header, accounts, operations, { payments, undecoded: [] });
    if (!whole) throw new Error('The ledger is whole.');
    await storeWhole(database.pool, whole);
  }

  /** The entry as it was between two payments of the asset. */
  async #unmoved(which: number): Promise<void> {
    const newest = await newestLedger(database.db);
    const moved = [
      ...new Set(this.payments.filter(({ asset }) => asset === USDC).map((p) => p.ledger)),
    ];
    const bounds = [ledgerAt(-1), ...moved.toSorted((a, b) => a - b), this.#head + 1];
    const since = bounds[which % (bounds.length - 1)] ?? 0;
    const next = bounds[(which % (bounds.length - 1)) + 1] ?? 0;
    const found = { asset: ASSET, since, through: Math.min(next - 1, this.#head) };
    await storeUnmoved(database.db, this.session.account, found, newest?.sequence ?? 0);
  }
}

const events = ({ id }: StoredSession) =>
  database.rows<Told>(
    'SELECT id, type, body FROM settlement.events WHERE session_id = $1 ORDER BY id',
    [id],
  );

/** Everything that is final about a session. */
async function result(session: StoredSession) {
  const [row] = await database.rows(
    `SELECT status, closed_through_ledger, final_deadline, payment_id,
      (SELECT json_agg(json_build_array(p.id, p.tx_hash, p.amount, p.sender_address, p.confirmed_at))
        FROM payments p WHERE p.session_id = s.id) AS payments,
      (SELECT json_agg(json_build_array(lp.tx_hash, lp.verdict, lp.session_id, lp.placed_after)
          ORDER BY lp.operation_id) FROM settlement.ledger_payments lp WHERE lp.account = s.receiving_account) AS verdicts
     FROM checkout_sessions s WHERE id = $1`,
    [session.id],
  );
  return { ...row, events: await events(session) };
}

async function newSession(): Promise<StoredSession> {
  const session = await insertSession(database, { merchantId, covered: null });
  await database.rows(
    `INSERT INTO settlement.watched_accounts (account, through_ledger, known_record) VALUES ($1, $2, '1')`,
    [session.account, ledgerAt(0) - 1],
  );
  await database.rows('DELETE FROM settlement.ledgers');
  await chain(database, 1);
  return session;
}

const paymentsOf = (
  session: StoredSession,
  wanted: readonly { amount: string; at: number; asset: typeof USDC }[],
) =>
  wanted
    .map(({ amount, at, asset }, opIndex) => {
      const ledger = Math.round(ledgerAt(at));
      return paymentFor(session, amount, { closedAt: minute(at), ledger, asset, opIndex });
    })
    .toSorted((a, b) => (BigInt(a.operationId) < BigInt(b.operationId) ? -1 : 1));

test('any order of discovery and any rollbacks give one result', async () => {
  const results = new Set<string>();
  const property = fc.asyncProperty(
    PAYMENTS,
    fc.constantFrom(null, null, 11),
    fc.array(STEP, { minLength: 8, maxLength: 40 }),
    async (wanted, cancelled, steps) => {
      await database.rows('DELETE FROM checkout_sessions');
      const session = await newSession();
      if (cancelled !== null) await cancelAt(database, session.id, cancelled);
      const payments = paymentsOf(session, wanted);
      const start = await takeSnapshot(database);
      const atOnce = new Life(session, payments);
      await atOnce.end();
      const expected = await result(session);
      await restore(database, start);
      const life = new Life(session, payments);
      await life.take({ does: 'back up' });
      for (const step of steps) await life.take(step);
      await life.end();
      expect(await result(session)).toEqual(expected);
      const final = new Map(expected.events.map(({ id, body }) => [id, body]));
      expect([...life.told].filter(([id, body]) => final.get(id) !== body)).toEqual([]);
      for (const { type } of expected.events) results.add(type);
    },
  );
  await fc.assert(property, { numRuns: 40, endOnFailure: true });
  expect([...results].toSorted()).toEqual([
    'payment.confirmed',
    'payment.exception',
    'session.cancelled',
    'session.expired',
  ]);
});

test('a second payment that is reported first does not become the payment, before or after a restore', async () => {
  await database.rows('DELETE FROM checkout_sessions');
  const session = await insertSession(database, { merchantId, covered: [-1, 1] });
  const [one, two] = [3, 4].map((at) => paymentFor(session, '10', { closedAt: minute(at) }));
  if (!one || !two) throw new Error('There are two.');
  const before = await takeSnapshot(database);
  const store = async (payment: LedgerPayment) => {
    const { ledger, closedAt, operationId } = payment;
    const header = { sequence: ledger, hash: '', previousHash: '', closedAt, operationCount: 1 };
    const operations = [{ id: BigInt(operationId), closedAt }];
    const found = { payments: [payment], undecoded: [] };
    const whole = WholeLedger.of(header, new Set([session.account]), operations, found);
    if (whole) await storeWhole(database.pool, whole);
    await settleTogether(database.pool, [session.id]);
  };
  const readUpTo = async ({ ledger }: LedgerPayment) => {
    await addCoverage(database.db, [session.account], ASSET, {
      from: ledgerAt(1),
      through: ledger - 1,
    });
    await settleTogether(database.pool, [session.id]);
  };
  await store(two);
  expect(await events(session)).toEqual([]);
  await readUpTo(one);
  await store(one);
  // What lies behind the completing payment is a duplicate, whatever is read between them.
  expect((await events(session)).map(({ type }) => type).toSorted()).toEqual([
    'payment.confirmed',
    'payment.exception',
  ]);
  await addCoverage(database.db, [session.account], ASSET, {
    from: one.ledger,
    through: two.ledger,
  });
  await settleTogether(database.pool, [session.id]);
  const told = await result(session);
  expect(told).toMatchObject({
    status: 'paid',
    verdicts: [
      [one.txHash, 'credited', session.id, null],
      [two.txHash, 'duplicate', session.id, null],
    ],
  });

  await restore(database, before);
  await readUpTo(one);
  await store(one);
  await store(two);
  expect(await result(session)).toEqual(told);
});
