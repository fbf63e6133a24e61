/**
 * One ledger, one result. However it was discovered (reports that overtake the reader, pages, whole ledgers, entries that
 * did not move), and whatever the database has forgotten in between (a restore, a failover to an asynchronous replica),
 * the same verdicts, events, ids and bytes come out, and nothing else was told on the way.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { addCoverage } from '../../src/db/coverage.ts';
import { storeWhole } from '../../src/db/inbox.ts';
import { assetKey } from '../../src/domain/asset.ts';
import { WholeLedger } from '../../src/domain/evidence.ts';
import type { LedgerPayment } from '../../src/domain/ledger-payment.ts';
import { createTestDatabase, insertMerchant, type TestDatabase } from '../support/database.ts';
import { settleTogether } from '../support/settle.ts';
import { FAKE_USDC, minute, USDC } from '../domain/build.ts';
import {
  cancelAt,
  chain,
  insertSession,
  ledgerAt,
  paymentFor,
  type StoredSession,
} from './build.ts';
import { restore, takeSnapshot } from './snapshot.ts';
import { events, Life, STEP } from './discovery.ts';

let database: TestDatabase;
let merchantId: string;
beforeAll(async () => {
  database = await createTestDatabase({ max: 4 });
  merchantId = await insertMerchant(database);
});
afterAll(() => database.close());

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
  return { ...row, events: await events(database, session) };
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
      const atOnce = new Life(database, session, payments);
      await atOnce.end();
      const expected = await result(session);
      await restore(database, start);
      const life = new Life(database, session, payments);
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
  expect(await events(database, session)).toEqual([]);
  await readUpTo(one);
  await store(one);
  // What lies behind the completing payment is a duplicate, whatever is read between them.
  expect((await events(database, session)).map(({ type }) => type).toSorted()).toEqual([
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
