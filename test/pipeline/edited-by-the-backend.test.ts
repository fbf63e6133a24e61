/** What a backend writes by itself into sessions in care is followed within a turn of the watcher. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Memo } from '@stellar/stellar-sdk';
import { openSession } from '../../src/activities/open-session.ts';
import { sessionsToClose } from '../../src/db/worklists.ts';
import { insertMerchant } from '../support/database.ts';
import { startReading, type Reading } from './reading.ts';

let reading: Reading;
beforeEach(async () => {
  reading = await startReading('accounts');
});
afterEach(() => reading.close());

const head = () => reading.ledger.chain.history.latest();
const status = async (id: string) =>
  (
    await reading.database.rows<{ status: string }>(
      'SELECT status FROM checkout_sessions WHERE id = $1',
      [id],
    )
  )[0]?.status;
async function open(
  seconds: number,
  sessionId = randomUUID(),
  account?: string,
  merchantId?: string,
) {
  const receivingAccount = account ?? (await reading.wallet()).address;
  const merchant = merchantId ?? (await insertMerchant(reading.database));
  const request = {
    merchantId: merchant,
    amount: '10',
    asset: { code: 'XLM', issuer: null },
    receivingAccount,
    expiresAt: new Date((head().closedAt + seconds) * 1000).toISOString(),
  };
  await openSession(reading.deps, {
    sessionId,
    now: new Date(head().closedAt * 1000).toISOString(),
    request,
  });
  return { sessionId, receivingAccount, merchant };
}

test('a deadline moved to earlier: it ends when that is proven', async () => {
  const { sessionId } = await open(3_600);
  await reading.turn(true);
  await reading.database.rows(
    `UPDATE checkout_sessions SET expires_at = to_timestamp($2) WHERE id = $1`,
    [sessionId, head().closedAt + 30],
  );
  for (let i = 0; i < 3; i += 1) {
    reading.pass(120);
    await reading.turn(true);
  }
  expect(await status(sessionId)).toBe('expired');
});

test('a deadline moved to later: it is not closed before, and nobody looks again and again', async () => {
  const { sessionId } = await open(30);
  await reading.turn(true);
  await reading.database.rows(
    `UPDATE checkout_sessions SET expires_at = to_timestamp($2) WHERE id = $1`,
    [sessionId, head().closedAt + 3_600],
  );
  for (let i = 0; i < 3; i += 1) {
    reading.pass(60);
    await reading.turn(true);
  }
  const toClose = await sessionsToClose(reading.database.db);
  expect(toClose).toEqual([]);
});

test('a session that was deleted can be opened again under its id', async () => {
  const { sessionId, receivingAccount, merchant } = await open(600);
  await reading.database.rows('DELETE FROM checkout_sessions WHERE id = $1', [sessionId]);
  const again = await open(600, sessionId, receivingAccount, merchant).then(
    () => 'opened',
    (e: Error & { code?: string }) => `${e.code}: ${e.message.replace(/[0-9A-Z]{15,}/g, '…')}`,
  );
  expect(again).toBe('opened');
});

test('a memo that is changed: money under the new one pays, within a turn', async () => {
  const { sessionId, receivingAccount } = await open(600);
  await reading.turn();
  await reading.database.rows(`UPDATE checkout_sessions SET memo = 'order 7' WHERE id = $1`, [
    sessionId,
  ]);
  const customer = await reading.wallet();
  await customer.pay(receivingAccount, '10', 'native', { memo: Memo.text('order 7') });
  await reading.turn();
  expect(await status(sessionId)).toBe('paid');
});

test('money that came under a memo before the backend wrote it pays, too', async () => {
  const { sessionId, receivingAccount } = await open(600);
  const customer = await reading.wallet();
  await customer.pay(receivingAccount, '10', 'native', { memo: Memo.text('order 8') });
  await reading.turn();
  expect(await status(sessionId)).toBe('pending');
  await reading.database.rows(`UPDATE checkout_sessions SET memo = 'order 8' WHERE id = $1`, [
    sessionId,
  ]);
  await reading.turn();
  expect(await status(sessionId)).toBe('paid');
});

test('a cancellation of its own counts from the ledger at which it is seen, and ends at the next one', async () => {
  const { sessionId } = await open(3_600);
  await reading.turn();
  await reading.database.rows(`UPDATE checkout_sessions SET status = 'cancelled' WHERE id = $1`, [
    sessionId,
  ]);
  reading.pass(5);
  // The first one sees it, and the ledger is asked for its time after that.
  await reading.turn();
  await reading.turn();
  const [row] = await reading.database.rows('SELECT cancel_at FROM checkout_sessions');
  expect(row).toEqual({ cancel_at: new Date(head().closedAt * 1000) });
  expect(await ended(sessionId)).toEqual({ status: 'cancelled', proven: false });
  reading.pass(5);
  await reading.turn();
  await reading.turn();
  expect(await ended(sessionId)).toEqual({ status: 'cancelled', proven: true });
});

test('a deleted session is let go of within a turn', async () => {
  const { sessionId } = await open(3_600);
  await reading.turn();
  await reading.database.rows('DELETE FROM checkout_sessions WHERE id = $1', [sessionId]);
  await reading.turn();
  expect(await reading.database.rows('SELECT FROM settlement.active_sessions')).toEqual([]);
});

const ended = async (id: string) => {
  const [row] = await reading.database.rows(
    'SELECT status, closed_through_ledger IS NOT NULL AS proven FROM checkout_sessions WHERE id = $1',
    [id],
  );
  return row;
};
