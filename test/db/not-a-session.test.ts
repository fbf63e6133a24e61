/** A backend's row that cannot be a session: a person is asked, nothing is settled, and its money is held. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { audit } from '../../src/db/audit.ts';
import { resolveAttention } from '../../src/db/operator/attention.ts';
import { assignPayment } from '../../src/db/operator/assign.ts';
import { takeSeen, unseenSessions } from '../../src/db/care.ts';
import { correctedSessions } from '../../src/db/session-row.ts';
import { viewSession } from '../../src/db/view.ts';
import { markUnmatched, sessionsWithUndecided } from '../../src/db/worklists.ts';
import { ledgerPaymentKey } from '../../src/domain/ledger-payment.ts';
import { minute } from '../domain/build.ts';
import { heldPayments } from '../../certify/parts/held-list.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { settleTogether } from '../support/settle.ts';
import { insertSession, receive, stateOf } from './build.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

const BY = { actor: 'ann', reason: 'a test' };

/** What a backend can write, and PostgreSQL takes. */
const WRONG: [field: string, assignment: string][] = [
  ['amount', 'amount = 0'],
  ['amount', 'amount = -5'],
  ['amount', "amount = 'NaN'"],
  ['amount', 'amount = 99999999999999999999'],
  ['expires_at', "expires_at = 'infinity'"],
  ['expires_at', "expires_at = '-infinity'"],
  ['expires_at', "expires_at = '12000-01-01'"],
  ['expires_at', "expires_at = '0044-03-15 BC'"],
  ['created_at', "created_at = 'infinity'"],
  ['cancel_at', "cancel_at = '-infinity'"],
  ['asset_code', "asset_code = ''"],
  ['asset_issuer', "asset_issuer = 'GNOBODY'"],
];

test.each(WRONG)(
  '%s: a row with %s is asked about, and its payment is held',
  async (field, set) => {
    const session = await insertSession(database);
    const healthy = await insertSession(database);
    await database.rows(`UPDATE checkout_sessions SET ${set} WHERE id = $1`, [session.id]);
    const paid = await receive(database, session, '10');
    await receive(database, healthy, '10');
    expect(await sessionsWithUndecided(database.db)).toEqual(
      expect.arrayContaining([session.id, healthy.id]),
    );

    await settleTogether(database.pool, [session.id, healthy.id]);

    expect(await stateOf(database, healthy.id)).toMatchObject({ status: 'paid' });
    expect(await stateOf(database, session.id)).toMatchObject({
      status: 'pending',
      verdicts: ['unmatched'],
      events: [],
      payments: [],
      attention: ['not_a_session'],
    });
    const [asked] = await database.rows<{ detail: string }>(
      'SELECT detail FROM settlement.attention WHERE subject = $1',
      [session.id],
    );
    expect(asked?.detail).toContain(`${field} is`);
    // Nothing of it stays in a list that is worked through again and again.
    expect(await sessionsWithUndecided(database.db)).not.toContain(session.id);
    expect(await markUnmatched(database.db)).toEqual([]);
    const again = await settleTogether(database.pool, [session.id]);
    expect(again.value.get(session.id)?.verdicts).toMatchObject([
      { verdict: 'unmatched', isNew: false },
    ]);

    const held = await heldPayments(database.db);
    expect(held.filter((h) => h.payment === ledgerPaymentKey(paid))).toMatchObject([
      { reason: 'unmatched', amount: '10.0000000' },
    ]);
    expect(await viewSession(database.db, session.id, minute(7))).toMatchObject({
      atRest: false,
      nextLookAt: null,
      attention: ['not_a_session'],
    });
    expect((await audit(database.db)).findings).toEqual([]);
  },
);

test('a payments row that no payment can be makes its session none', async () => {
  for (const [field, set] of [
    ['payments.amount', "amount = 'NaN'"],
    ['payments.confirmed_at', "confirmed_at = 'infinity'"],
  ] as const) {
    const session = await insertSession(database);
    const healthy = await insertSession(database);
    await database.rows(
      `INSERT INTO payments (session_id, merchant_id, tx_hash, amount, asset_code, sender_address, confirmed_at)
       VALUES ($1, $2, 'ab', 10, 'USDC', 'GX', now())`,
      [session.id, session.merchantId],
    );
    await database.rows(`UPDATE payments SET ${set} WHERE session_id = $1`, [session.id]);
    await receive(database, healthy, '10');
    await settleTogether(database.pool, [session.id, healthy.id]);
    expect(await stateOf(database, healthy.id)).toMatchObject({ status: 'paid' });
    const [asked] = await database.rows<{ detail: string }>(
      'SELECT detail FROM settlement.attention WHERE subject = $1',
      [session.id],
    );
    expect(asked?.detail).toContain(`${field} is`);
  }
});

test('a corrected row is settled as if it had always been right, and nobody is asked any more', async () => {
  const session = await insertSession(database);
  await database.rows('UPDATE checkout_sessions SET amount = 0 WHERE id = $1', [session.id]);
  await receive(database, session, '10');
  await settleTogether(database.pool, [session.id]);
  expect(await correctedSessions(database.db)).not.toContain(session.id);
  await database.rows('UPDATE checkout_sessions SET amount = 10 WHERE id = $1', [session.id]);
  expect(await correctedSessions(database.db)).toContain(session.id);
  await settleTogether(database.pool, [session.id]);
  expect(await stateOf(database, session.id)).toMatchObject({
    status: 'paid',
    verdicts: ['credited'],
    attention: [],
    events: ['payment.confirmed'],
  });
  expect(await correctedSessions(database.db)).not.toContain(session.id);
});

test('a person who has answered is not asked again, and the row is found all the same when it is corrected', async () => {
  const session = await insertSession(database, { active: false });
  await database.rows("UPDATE checkout_sessions SET expires_at = 'infinity' WHERE id = $1", [
    session.id,
  ]);
  await settleTogether(database.pool, [session.id]);
  await resolveAttention(database.pool, { subject: session.id, kind: 'not_a_session' }, BY);
  await settleTogether(database.pool, [session.id]);
  expect(await stateOf(database, session.id)).toMatchObject({ attention: [] });
  expect(await viewSession(database.db, session.id, minute(7))).toMatchObject({ atRest: true });
  await takeSeen(database.db, [session.id]);
  const unseen = await unseenSessions(database.db, '00000000-0000-0000-0000-000000000000');
  expect(unseen.map(({ id }) => id)).not.toContain(session.id);
  expect((await audit(database.db)).findings).toEqual([]);
  await database.rows('UPDATE checkout_sessions SET expires_at = $2 WHERE id = $1', [
    session.id,
    minute(30),
  ]);
  expect(await correctedSessions(database.db)).toContain(session.id);
});

test('a row that is no session does not make the payments of another ambiguous, nor take them', async () => {
  for (const set of ['amount = 0', "expires_at = 'infinity'", "asset_code = ''"]) {
    const session = await insertSession(database);
    const twin = await insertSession(database, {
      account: session.account,
      reference: session.reference,
    });
    await database.rows(`UPDATE checkout_sessions SET ${set} WHERE id = $1`, [twin.id]);
    await receive(database, session, '10');
    await settleTogether(database.pool, [session.id, twin.id]);
    expect(await stateOf(database, session.id)).toMatchObject({
      status: 'paid',
      verdicts: ['credited'],
    });
    expect(await stateOf(database, twin.id)).toMatchObject({
      status: 'pending',
      attention: ['not_a_session'],
    });
  }
});

test('nothing can be assigned to a row that is no session', async () => {
  const session = await insertSession(database);
  await database.rows('UPDATE checkout_sessions SET amount = 0 WHERE id = $1', [session.id]);
  const stray = await receive(database, { account: session.account, reference: '99' }, '10');
  await markUnmatched(database.db);
  await expect(
    assignPayment(database.pool, { payment: ledgerPaymentKey(stray), sessionId: session.id }, BY),
  ).rejects.toThrow('amount is "0.0000000"');
});

test('a session that goes on for thousands of years waits no longer than a timer can', async () => {
  const session = await insertSession(database, { expiresAt: new Date('9999-12-31T00:00:00Z') });
  const view = await viewSession(database.db, session.id, minute(0));
  expect(view?.nextLookAt).toEqual(new Date('2200-01-01T00:00:00Z'));
});
