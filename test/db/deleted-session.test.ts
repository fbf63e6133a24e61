/** The backend deletes a session, its merchant, or its memo: what was paid is held for a person to deal with (P1). */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { audit } from '../../src/db/audit.ts';
import { assignPayment } from '../../src/db/operator/assign.ts';
import { explainPayments } from '../../src/db/payments.ts';
import { markUnmatched } from '../../src/db/worklists.ts';
import { ledgerPaymentKey, type LedgerPayment } from '../../src/domain/ledger-payment.ts';
import { FAKE_USDC, minute } from '../domain/build.ts';
import { heldPayments } from '../../certify/parts/held-list.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { settleTogether } from '../support/settle.ts';
import { insertSession, newAccount, receive, stateOf, type StoredSession } from './build.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

const BY = { actor: 'ann', reason: 'a test' };

/** Payments of one session, one of each kind, by what they were judged. */
async function paid(session: StoredSession): Promise<LedgerPayment[]> {
  const payments = [
    await receive(database, session, '4'),
    await receive(database, session, '6', { closedAt: minute(5.5) }),
    await receive(database, session, '1', { closedAt: minute(6) }),
    await receive(database, session, '2', { asset: FAKE_USDC }),
    await receive(database, session, '3', { closedAt: minute(31) }),
  ];
  await settleTogether(database.pool, [session.id]);
  return payments;
}

const GONE: [string, string][] = [
  ['whose row was deleted', 'DELETE FROM checkout_sessions WHERE id = $1'],
  ['whose memo was changed', "UPDATE checkout_sessions SET memo = 'else' WHERE id = $1"],
  [
    'whose account was changed',
    `UPDATE checkout_sessions SET receiving_account = '${newAccount()}' WHERE id = $1`,
  ],
];

test.each(GONE)(
  'what was paid to a session %s is held, explained, and can be assigned where it paid nothing',
  async (_, statement) => {
    const session = await insertSession(database);
    const payments = await paid(session);
    expect((await stateOf(database, session.id)).status).toBe('paid');
    await database.rows('UPDATE payments SET superseded_by = id WHERE session_id = $1', [
      session.id,
    ]);
    await database.rows(statement, [session.id]);

    const held = await heldPayments(database.db, session.account);
    expect(held.map((h) => [h.payment, h.reason, h.sessionId])).toEqual(
      expect.arrayContaining(
        payments.map((p) => [ledgerPaymentKey(p), 'session_gone', session.id]),
      ),
    );
    expect(held).toHaveLength(payments.length);
    for (const { txHash } of payments) {
      const [why] = await explainPayments(database.db, txHash);
      expect(why).toMatchObject({
        sessionId: session.id,
        rule: expect.stringContaining(
          `for session ${session.id}, whose row was deleted or no longer names it`,
        ),
      });
    }
    // What a session was paid with belongs to it while its row says that it is paid, whatever else was edited.
    const isDeleted = statement.startsWith('DELETE');
    const [first, given] = isDeleted ? [0, 2] : [2, 1];
    const other = await insertSession(database, {
      account: session.account,
      reference: '77',
      price: isDeleted ? '10' : '1',
    });
    const assign = (p: LedgerPayment) =>
      assignPayment(database.pool, { payment: ledgerPaymentKey(p), sessionId: other.id }, BY);
    for (const p of payments.slice(0, first)) {
      await expect(assign(p)).rejects.toThrow(`is credited to session ${session.id}`);
    }
    for (const p of payments.slice(first, first + given)) await assign(p);
    await settleTogether(database.pool, [other.id]);
    expect((await stateOf(database, other.id)).status).toBe('paid');
    expect(await heldPayments(database.db, session.account)).toHaveLength(payments.length - given);
  },
);

test('the audit counts what a deleted session was paid, and finds nothing wrong', async () => {
  const session = await insertSession(database);
  await paid(session);
  const before = await audit(database.db);
  await database.rows('DELETE FROM checkout_sessions WHERE id = $1', [session.id]);
  const after = await audit(database.db);
  expect(after.ledgerPayments).toBe(before.ledgerPayments);
  expect(after.findings.filter(({ subject }) => subject.startsWith('payment '))).toEqual(
    before.findings.filter(({ subject }) => subject.startsWith('payment ')),
  );
});

test('a payment that was assigned to a session which was deleted before it was judged is unmatched', async () => {
  const session = await insertSession(database);
  const stray = await receive(database, { account: session.account, reference: '99' }, '10');
  await markUnmatched(database.db);
  const payment = ledgerPaymentKey(stray);
  await assignPayment(database.pool, { payment, sessionId: session.id }, BY);
  await database.rows('DELETE FROM checkout_sessions WHERE id = $1', [session.id]);
  expect(await markUnmatched(database.db)).toEqual([{ txHash: stray.txHash, payment }]);
  expect(await heldPayments(database.db, session.account)).toMatchObject([
    { payment, reason: 'unmatched' },
  ]);
});
