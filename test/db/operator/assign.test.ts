import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { audit } from '../../../src/db/audit.ts';
import { assignPayment } from '../../../src/db/operator/assign.ts';
import { markUnmatched, sessionsWithUndecided } from '../../../src/db/worklists.ts';
import { ledgerPaymentKey, type LedgerPayment } from '../../../src/domain/ledger-payment.ts';
import { FAKE_USDC, minute } from '../../domain/build.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { settleTogether } from '../../support/settle.ts';
import { insertSession, receive, stateOf, type StoredSession } from '../build.ts';
import { ANN, decisionCount, decisions, decisionsAt, letSleep, toWake } from './journals.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());
beforeEach(() => letSleep(database));

/** What the watcher's turn does. */
const turn = async () => {
  await markUnmatched(database.db);
  const due = await sessionsWithUndecided(database.db);
  await settleTogether(database.pool, due);
  return due;
};
const stray = ({ account }: StoredSession, amount = '10', fields: Partial<LedgerPayment> = {}) =>
  receive(database, { account, reference: 'typo' }, amount, fields);
const give = (payment: LedgerPayment, { id }: { id: string }) =>
  assignPayment(database.pool, { payment: ledgerPaymentKey(payment), sessionId: id }, ANN);
const verdictOf = async ({ txHash }: LedgerPayment) => {
  const [row] = await database.rows(
    'SELECT verdict, session_id, assigned_to FROM settlement.ledger_payments WHERE tx_hash = $1',
    [txHash],
  );
  return row;
};

describe('a payment that a person gives to a session', () => {
  test('pays it, though its memo named nobody', async () => {
    const session = await insertSession(database);
    const payment = await stray(session);
    await turn();
    expect(await verdictOf(payment)).toMatchObject({ verdict: 'unmatched', session_id: null });
    await give(payment, session);
    expect(await verdictOf(payment)).toEqual({
      verdict: null,
      session_id: null,
      assigned_to: session.id,
    });
    expect((await toWake(database)).has(session.id)).toBe(true);
    expect(await turn()).toEqual([session.id]);
    expect(await verdictOf(payment)).toMatchObject({ verdict: 'credited', session_id: session.id });
    expect(await stateOf(database, session.id)).toMatchObject({
      status: 'paid',
      payments: [{ txHash: payment.txHash, amount: '10.0000000' }],
      events: ['payment.confirmed'],
    });
    expect(await turn()).toEqual([]);
    const key = ledgerPaymentKey(payment);
    const before = { verdict: 'unmatched', sessionId: null, assignedTo: null };
    expect(await decisions(database, `payment ${key}`)).toEqual([
      {
        actor: 'ann',
        action: 'payment assigned',
        reason: 'the customer called',
        detail: { payment: key, to: session.id, before },
      },
    ]);
    expect(await decisionsAt(database, session.id)).toMatchObject([
      {
        cause: 'payment assigned',
        actor: 'ann',
        detail: { reason: 'the customer called', before },
      },
    ]);
  });

  test('is judged by the ordinary rules: late, or in another asset, it stays held', async () => {
    const session = await insertSession(database, { covered: [-1, 40] });
    const late = await stray(session, '10', { closedAt: minute(31) });
    const fake = await stray(session, '10', { asset: FAKE_USDC });
    await turn();
    await give(late, session);
    await give(fake, session);
    await turn();
    expect(await verdictOf(late)).toMatchObject({ verdict: 'late' });
    expect(await verdictOf(fake)).toMatchObject({ verdict: 'wrong_asset' });
    expect((await stateOf(database, session.id)).status).not.toBe('paid');
  });

  test('pays a session that had expired meanwhile, if it was on time', async () => {
    const session = await insertSession(database, { covered: [-1, 40] });
    const payment = await stray(session);
    await turn();
    await settleTogether(database.pool, [session.id]);
    expect((await stateOf(database, session.id)).status).toBe('expired');
    await give(payment, session);
    await turn();
    expect((await stateOf(database, session.id)).status).toBe('paid');
  });

  test('of two sessions with one reference, and the other one is asked about no more', async () => {
    const one = await insertSession(database);
    const other = await insertSession(database, { account: one.account, active: false });
    const payment = await receive(database, one, '10');
    await turn();
    await settleTogether(database.pool, [one.id, other.id]);
    expect((await stateOf(database, other.id)).attention).toEqual(['ambiguous_reference']);
    await letSleep(database);
    await give(payment, one);
    expect(await toWake(database)).toEqual(new Set([one.id, other.id]));
    await turn();
    // The run that the wake brings settles it.
    await settleTogether(database.pool, [other.id]);
    expect(await stateOf(database, one.id)).toMatchObject({ status: 'paid', attention: [] });
    expect(await stateOf(database, other.id)).toMatchObject({ status: 'pending', attention: [] });
    expect(await decisionsAt(database, other.id)).toMatchObject([{ cause: 'payment assigned' }]);
  });

  test('that was held for one session, and belongs to another', async () => {
    const one = await insertSession(database);
    await receive(database, one, '10');
    const second = await receive(database, one, '10', { closedAt: minute(6) });
    const other = await insertSession(database, { account: one.account, reference: '77' });
    await turn();
    expect(await verdictOf(second)).toMatchObject({ verdict: 'duplicate', session_id: one.id });
    await give(second, other);
    await turn();
    expect(await stateOf(database, other.id)).toMatchObject({ status: 'paid' });
    expect(await stateOf(database, one.id)).toMatchObject({ status: 'paid' });
    expect(await decisions(database, `payment ${ledgerPaymentKey(second)}`)).toMatchObject([
      { detail: { before: { verdict: 'duplicate', sessionId: one.id } } },
    ]);
  });

  test('leaves the audit green', async () => {
    expect((await audit(database.db)).findings).toEqual([]);
  });

  test('is given once, whoever else settles it in the same moment', async () => {
    const account = (await insertSession(database)).account;
    const target = await insertSession(database, { account, reference: 'target' });
    const payment = await receive(database, { account, reference: 'appears' }, '10');
    await markUnmatched(database.db);
    const rival = await insertSession(database, { account, reference: 'appears' });
    const results = await Promise.allSettled([
      give(payment, target),
      settleTogether(database.pool, [rival.id]),
      give(payment, target),
    ]);
    await turn();
    const paid = await Promise.all([target, rival].map(({ id }) => stateOf(database, id)));
    expect(paid.filter(({ status }) => status === 'paid')).toHaveLength(1);
    expect(results.map(({ status }) => status)).toContain('fulfilled');
    expect((await audit(database.db)).findings).toEqual([]);
  });
});

describe('a payment is not given', () => {
  const refused = async (payment: string, sessionId: string, message: string) => {
    const before = await decisionCount(database);
    await expect(assignPayment(database.pool, { payment, sessionId }, ANN)).rejects.toMatchObject({
      name: 'Refusal',
      message: expect.stringContaining(message),
    });
    expect(await decisionCount(database)).toBe(before);
  };

  test('when it, or the session, does not exist', async () => {
    const session = await insertSession(database);
    const payment = await stray(session);
    await turn();
    await refused('beef', session.id, 'Not the key of a ledger payment');
    await refused(`${'f'.repeat(64)}:00:0`, session.id, 'Not the key of a ledger payment');
    await refused(`${'f'.repeat(64)}:0:0`, session.id, 'has been read');
    const nobody = randomUUID();
    await refused(ledgerPaymentKey(payment), nobody, `There is no session ${nobody}`);
    await refused(ledgerPaymentKey(payment), 'x', 'There is no session x');
  });

  test('when the session is paid at another account', async () => {
    const payment = await stray(await insertSession(database));
    const elsewhere = await insertSession(database);
    await turn();
    await refused(ledgerPaymentKey(payment), elsewhere.id, `is paid at ${elsewhere.account}`);
  });

  test('when it counts already, for a paid session or for one that waits for the rest', async () => {
    const session = await insertSession(database);
    const other = await insertSession(database, { account: session.account, reference: '77' });
    const credited = await receive(database, session, '10');
    const part = await receive(database, other, '4');
    await turn();
    await refused(ledgerPaymentKey(credited), other.id, `is credited to session ${session.id}`);
    await refused(ledgerPaymentKey(part), session.id, `is credited to session ${other.id}`);
  });

  test('when it is that session’s already, or is about to be', async () => {
    const session = await insertSession(database);
    const fake = await receive(database, session, '10', { asset: FAKE_USDC });
    const payment = await stray(session);
    await refused(ledgerPaymentKey(fake), session.id, 'has not been judged yet');
    await turn();
    await refused(ledgerPaymentKey(fake), session.id, 'was judged wrong_asset');
    await give(payment, session);
    await refused(ledgerPaymentKey(payment), session.id, `was given to session ${session.id}`);
  });

  test('when it was returned or resolved', async () => {
    const session = await insertSession(database);
    const payment = await stray(session);
    await turn();
    await database.rows(
      `UPDATE settlement.ledger_payments SET resolved_at = now(), resolved_by = 'bob', resolution = 'sent back'
       WHERE tx_hash = $1`,
      [payment.txHash],
    );
    await refused(ledgerPaymentKey(payment), session.id, 'already dealt with, by bob: sent back');
  });
});
