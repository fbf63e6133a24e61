/** What a backend writes by itself into sessions in care is followed within a turn of the watcher. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Memo } from '@stellar/stellar-sdk';
import { openSession } from '../../src/activities/open-session.ts';
import { audit } from '../../src/db/audit.ts';
import { unseenSessions } from '../../src/db/care.ts';
import { assignPayment } from '../../src/db/operator/assign.ts';
import { sessionsToClose } from '../../src/db/worklists.ts';
import { insertMerchant } from '../support/database.ts';
import { heldPayments } from '../../certify/parts/held-list.ts';
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

/** Open questions about a session, by kind. */
const questions = async (id: string) => {
  const rows = await reading.database.rows<{ kind: string; detail: string }>(
    'SELECT kind, detail FROM settlement.attention WHERE subject = $1 AND resolved_at IS NULL',
    [id],
  );
  return Object.fromEntries(rows.map(({ kind, detail }) => [kind, detail]));
};
const edit = (id: string, set: string, ...values: unknown[]) =>
  reading.database.rows(`UPDATE checkout_sessions SET ${set} WHERE id = $1`, [id, ...values]);
const memoOf = async (id: string) => {
  const [row] = await reading.database.rows<{ memo: string }>(
    'SELECT memo FROM checkout_sessions WHERE id = $1',
    [id],
  );
  return row?.memo ?? '';
};

test('a session as it was opened asks nobody about an edit', async () => {
  const { sessionId } = await open(600);
  await reading.turn();
  expect(await unseenSessions(reading.database.db, '00000000-0000-0000-0000-000000000000')).toEqual(
    [],
  );
  expect(await questions(sessionId)).toEqual({});
});

test('a price that is edited counts within a turn, and a person is asked', async () => {
  const { sessionId, receivingAccount } = await open(600);
  const customer = await reading.wallet();
  await customer.pay(receivingAccount, '4', 'native', { memo: Memo.id(await memoOf(sessionId)) });
  await reading.turn();
  await edit(sessionId, 'amount = 4');
  await reading.turn();
  expect(await status(sessionId)).toBe('paid');
  expect(await questions(sessionId)).toEqual({
    edited: `The backend edited what the payer was asked for: it was 10.0000000 XLM to ${receivingAccount}, and is 4.0000000 XLM to ${receivingAccount}. The session goes on by the row as it is now.`,
  });
  expect((await audit(reading.database.db)).findings).toEqual([]);
});

test('an account that is edited is watched within a turn; what came to the old one is listed', async () => {
  const { sessionId, receivingAccount } = await open(600);
  const memo = Memo.id(await memoOf(sessionId));
  const [customer, other] = [await reading.wallet(), await reading.wallet()];
  await customer.pay(receivingAccount, '6', 'native', { memo });
  await reading.turn();
  await edit(sessionId, 'receiving_account = $2', other.address);
  await reading.turn();
  await customer.pay(other.address, '10', 'native', { memo });
  await reading.turn();
  expect(await status(sessionId)).toBe('paid');
  expect(Object.keys(await questions(sessionId))).toEqual(['edited']);
  expect(await heldPayments(reading.database.db)).toContainEqual(
    expect.objectContaining({ reason: 'session_gone', amount: '6.0000000', sessionId }),
  );
  // The row that the old money was judged for says something else now. A person was asked, so the audit only counts it.
  expect(await audited()).toEqual({ findings: [], edited: 1 });
  await reading.database.rows('DELETE FROM settlement.attention');
  expect(await audited()).toEqual({ findings: ['wrong_verdict'], edited: 0 });
});

test('a memo that is edited after money had come under it: a person is asked, and the money is listed', async () => {
  const { sessionId, receivingAccount } = await open(600);
  const customer = await reading.wallet();
  const memo = await memoOf(sessionId);
  await customer.pay(receivingAccount, '6', 'native', { memo: Memo.id(memo) });
  await reading.turn();
  await edit(sessionId, `memo = 'order 9'`);
  await reading.turn();
  expect(await questions(sessionId)).toEqual({
    edited: `The backend edited the memo, and money had come under the old one: it was ${memo}, and is order 9. The session goes on by the row as it is now.`,
  });
  expect(await heldPayments(reading.database.db)).toContainEqual(
    expect.objectContaining({ reason: 'session_gone', amount: '6.0000000', sessionId }),
  );
  expect(await audited()).toEqual({ findings: [], edited: 1 });
  // Nobody has paid under this one.
  await edit(sessionId, `memo = 'order 10'`);
  await reading.turn();
  expect((await questions(sessionId))['edited']).not.toContain('order 10');
});

test('an asset that is edited: money in the old one no longer counts, and is held', async () => {
  const { sessionId, receivingAccount } = await open(600);
  const memo = Memo.id(await memoOf(sessionId));
  const customer = await reading.wallet();
  await customer.pay(receivingAccount, '6', 'native', { memo });
  await reading.turn();
  const issuer = (await reading.wallet()).address;
  await edit(sessionId, `asset_code = 'USDC', asset_issuer = $2`, issuer);
  await reading.turn();
  await customer.pay(receivingAccount, '4', 'native', { memo });
  await reading.turn();
  expect(await status(sessionId)).toBe('pending');
  expect(await verdicts()).toEqual(['wrong_asset', 'wrong_asset']);
  // Put back, all of it counts: nothing was decided.
  await edit(sessionId, `asset_code = 'XLM', asset_issuer = NULL`);
  await reading.turn();
  expect(await status(sessionId)).toBe('paid');
  expect(await verdicts()).toEqual(['credited', 'credited']);
  const { edited } = await questions(sessionId);
  expect(edited?.split('The backend edited')).toHaveLength(3);
  expect((await audit(reading.database.db)).findings).toEqual([]);
});

test('a session that is paid stays as it is, whatever is edited, and a person is asked', async () => {
  const { sessionId, receivingAccount } = await open(600);
  const memo = Memo.id(await memoOf(sessionId));
  await (await reading.wallet()).pay(receivingAccount, '10', 'native', { memo });
  await reading.turn();
  await edit(sessionId, 'receiving_account = $2', (await reading.wallet()).address);
  await reading.turn();
  expect(await status(sessionId)).toBe('paid');
  expect((await questions(sessionId))['edited']).toContain(
    'The session was decided before that, and stays so.',
  );
  expect((await audited()).findings).toEqual([]);
  // What it was paid with pays nothing else.
  const other = await open(600, undefined, receivingAccount);
  const [held] = await heldPayments(reading.database.db);
  const by = { actor: 'ann', reason: 'it looks free' };
  await expect(
    assignPayment(
      reading.database.pool,
      { payment: held?.payment ?? '', sessionId: other.sessionId },
      by,
    ),
  ).rejects.toThrow(`is credited to session ${sessionId}`);
  await reading.database.rows('DELETE FROM settlement.attention');
  expect((await audited()).findings).toContain('paid');
});

test('a session that has ended stays so, though its price is edited to what it had received', async () => {
  const { sessionId, receivingAccount } = await open(30);
  const memo = Memo.id(await memoOf(sessionId));
  await (await reading.wallet()).pay(receivingAccount, '4', 'native', { memo });
  await reading.turn();
  reading.pass(40);
  await reading.turn(true);
  await reading.turn(true);
  expect(await ended(sessionId)).toEqual({ status: 'expired', proven: true });
  const told = () =>
    reading.database.rows('SELECT id, body FROM settlement.events WHERE session_id = $1', [
      sessionId,
    ]);
  const before = await told();
  await edit(sessionId, 'amount = 4');
  await reading.turn(true);
  await reading.turn(true);
  expect(await ended(sessionId)).toEqual({ status: 'expired', proven: true });
  expect(await told()).toEqual(before);
  expect((await audited()).findings).toEqual([]);
});

/** What the audit found, and how much it let pass because the backend edited a row. */
const audited = async () => {
  const { findings, excused } = await audit(reading.database.db);
  return { findings: findings.map(({ check }) => check), edited: excused.edited?.count ?? 0 };
};

const verdicts = async () => {
  const rows = await reading.database.rows<{ verdict: string }>(
    'SELECT verdict FROM settlement.ledger_payments ORDER BY operation_id',
  );
  return rows.map(({ verdict }) => verdict);
};

const ended = async (id: string) => {
  const [row] = await reading.database.rows(
    'SELECT status, closed_through_ledger IS NOT NULL AS proven FROM checkout_sessions WHERE id = $1',
    [id],
  );
  return row;
};
