/** Two processes, each with its own pool and its own settle queue, at the same session at the same moment. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { settleTogether } from '../support/settle.ts';
import { minute } from '../domain/build.ts';
import { insertSession, paymentFor, stateOf, type StoredSession } from './build.ts';
import { blocked, startElsewhere } from './elsewhere.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

const STORE_AND_SETTLE = `
  const { storeFindings } = await src('db/inbox.ts');
  const { createSettleQueue } = await src('db/settle-queue.ts');
  const queue = createSettleQueue(database);
  return Promise.all(input.map(async ({ sessionId, payment }) => {
    const { amount, closedAt } = payment;
    const found = { ...payment, amount: BigInt(amount), closedAt: new Date(closedAt) };
    await storeFindings(database.pool, { payments: [found], undecoded: [] });
    return (await queue.settle(sessionId)).status;
  }));`;

/** Two processes that will each store a payment of its own for every session, and settle it. */
async function twoProcesses(sessions: readonly StoredSession[]) {
  return Promise.all(
    [4, 5].map((closed) =>
      startElsewhere(
        database.url,
        sessions.map((session) => {
          const payment = paymentFor(session, '10', { closedAt: minute(closed) });
          return { sessionId: session.id, payment: { ...payment, amount: String(payment.amount) } };
        }),
        STORE_AND_SETTLE,
      ),
    ),
  );
}

async function expectPaidOnce(session: StoredSession): Promise<void> {
  const state = await stateOf(database, session.id);
  expect(state).toMatchObject({ status: 'paid', deliveries: ['payment.confirmed'] });
  expect(state.events.filter((type) => type === 'payment.confirmed')).toHaveLength(1);
  expect(state.payments).toHaveLength(1);
  expect([...state.verdicts].sort()).toEqual(['credited', 'duplicate']);
  const [credited] = await database.rows<{ tx_hash: string }>(
    `SELECT tx_hash FROM settlement.ledger_payments WHERE session_id = $1 AND verdict = 'credited'`,
    [session.id],
  );
  expect(state.payments[0]).toEqual({ txHash: credited?.tx_hash, amount: '10.0000000' });
}

test('two payments that meet at the row of one session: one pays it, the other is a duplicate', async () => {
  const session = await insertSession(database);
  const processes = await twoProcesses([session]);
  const holder = await database.pool.connect();
  await holder.query('BEGIN');
  await holder.query('SELECT FROM checkout_sessions WHERE id = $1 FOR UPDATE', [session.id]);
  const results = processes.map((process) => process.go());
  await blocked(database, 2);
  await holder.query('ROLLBACK');
  holder.release();
  expect(await Promise.all(results)).toEqual([['paid'], ['paid']]);
  await expectPaidOnce(session);
});

test('a settle that would write nothing waits all the same for a transaction in doubt, and answers from it', async () => {
  const session = await insertSession(database);
  const doubtful = await database.pool.connect();
  await doubtful.query('BEGIN');
  await doubtful.query(`UPDATE checkout_sessions SET status = 'paid' WHERE id = $1`, [session.id]);
  await doubtful.query(
    `INSERT INTO payments (session_id, merchant_id, tx_hash, amount, asset_code, sender_address, confirmed_at)
     VALUES ($1, $2, 'a', 10, 'USDC', 'G', now())`,
    [session.id, session.merchantId],
  );
  const settling = settleTogether(database.pool, [session.id]);
  const early = settling.then(() => {
    throw new Error('It did not wait.');
  });
  await Promise.race([blocked(database, 1), early]);
  early.catch(() => undefined);
  await doubtful.query('COMMIT');
  doubtful.release();
  expect((await settling).value.get(session.id)).toMatchObject({ from: 'paid', status: 'paid' });
});

test('two processes that settle 60 sessions from both sides', async () => {
  const sessions = await Promise.all(Array.from({ length: 60 }, () => insertSession(database)));
  const processes = await twoProcesses(sessions);
  const results = await Promise.all(processes.map((process) => process.go()));
  expect(new Set(results.flat())).toEqual(new Set(['paid']));
  for (const session of sessions) await expectPaidOnce(session);
});

test('one process settles again and again while the other cancels the status by hand: one event of each kind at most', async () => {
  const session = await insertSession(database);
  const [payer, other] = await Promise.all([
    startElsewhere(
      database.url,
      [{ sessionId: session.id, payment: { ...paymentFor(session, '10'), amount: '100000000' } }],
      STORE_AND_SETTLE,
    ),
    startElsewhere(
      database.url,
      session.id,
      `const { createSettleQueue } = await src('db/settle-queue.ts');
      const queue = createSettleQueue(database);
      for (let i = 0; i < 20; i += 1) {
        await database.pool.query(
          "UPDATE checkout_sessions SET status = 'cancelled' WHERE id = $1 AND status IN ('pending', 'processing')", [input]);
        await queue.settle(input);
      }`,
    ),
  ]);
  await Promise.all([payer.go(), other.go()]);
  expect(await stateOf(database, session.id)).toMatchObject({
    status: 'paid',
    verdicts: ['credited'],
    events: ['payment.confirmed'],
    deliveries: ['payment.confirmed'],
  });
});
