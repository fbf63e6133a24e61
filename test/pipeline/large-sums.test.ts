/** A token with a large supply: what one session was paid adds up to more than one amount of Stellar can be. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { proveReport } from '../../src/activities/prove-report.ts';
import { audit } from '../../src/db/audit.ts';
import { viewSession } from '../../src/db/view.ts';
import { insertSession, receive, type StoredSession } from '../db/build.ts';
import { heldPayments } from '../../certify/parts/held-list.ts';
import { minute, txHash, USDC } from '../domain/build.ts';
import { settle as run } from '../support/settle-command.ts';
import { settleTogether } from '../support/settle.ts';
import { startReading, type Reading } from './reading.ts';

/** Nearly the most that one payment can move; the price is reached by two of them, and three were sent. */
const PART = '800000000000';
const [FIRST, SECOND, THIRD] = [txHash(901), txHash(902), txHash(903)];

let reading: Reading;
let session: StoredSession;
beforeAll(async () => {
  reading = await startReading('accounts');
  const { database } = reading;
  const price = '900000000000';
  session = await insertSession(database, { price, asset: USDC, covered: [-1, 10] });
  for (const [i, hash] of [FIRST, SECOND, THIRD].entries()) {
    const at = { txHash: hash, closedAt: minute(5 + i), asset: USDC };
    await receive(database, session, PART, at);
    await settleTogether(database.pool, [session.id]);
  }
});
afterAll(() => reading.close());

const settle = (...args: string[]) => run(args, { DATABASE_URL: reading.database.appUrl });

test('the view shows the sum', async () => {
  const seen = await viewSession(reading.database.db, session.id, minute(8));
  expect(seen).toMatchObject({ status: 'paid', credited: '1600000000000.0000000' });
});

test('a session that was paid nothing shows a sum, too', async () => {
  const unpaid = await insertSession(reading.database);
  const seen = await viewSession(reading.database.db, unpaid.id, minute(8));
  expect(seen).toMatchObject({ credited: '0.0000000' });
});

test('a report of the completing payment is answered with the sum and its surplus', async () => {
  const report = { sessionId: session.id, txHash: SECOND, wait: false };
  const answer = await new MockActivityEnvironment().run(() => proveReport(reading.deps, report));
  expect(answer).toMatchObject({
    kind: 'paid',
    credited: '1600000000000.0000000',
    price: '900000000000.0000000',
    overpaid: '700000000000.0000000',
  });
});

test('the surplus, and what came after, are held', async () => {
  const held = await heldPayments(reading.database.db);
  expect(held.map(({ payment, reason, amount }) => ({ payment, reason, amount }))).toEqual([
    { payment: `${SECOND}:0:0`, reason: 'overpaid', amount: '700000000000.0000000' },
    { payment: `${THIRD}:0:0`, reason: 'duplicate', amount: '800000000000.0000000' },
  ]);
  const listed = await settle('payments', 'held');
  expect(listed).toMatchObject({ code: 0, err: '' });
  expect(listed.out).toContain('700000000000.0000000');
  const told = await settle('payments', 'why', SECOND);
  expect(told).toMatchObject({ code: 0, err: '' });
});

test('the event has the sum, and the payments row, and the audit finds nothing', async () => {
  const [event] = await reading.database.rows<{ body: string }>(
    `SELECT body FROM settlement.events WHERE session_id = $1 AND type = 'payment.confirmed'`,
    [session.id],
  );
  expect(event?.body).toContain('1600000000000.0000000');
  const rows = await reading.database.rows(`SELECT amount FROM payments WHERE session_id = $1`, [
    session.id,
  ]);
  expect(rows).toEqual([{ amount: '1600000000000.0000000' }]);
  expect(await audit(reading.database.db)).toMatchObject({ findings: [] });
  expect(await settle('audit')).toMatchObject({ code: 0 });
});
