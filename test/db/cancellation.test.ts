/** From when on a cancellation counts is the ledger's to say, asked after the request is stored. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeEach, describe, expect, test } from '@jest/globals';
import {
  completeCancels,
  findSession,
  requestCancel,
  waitingCancels,
} from '../../src/db/sessions.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { settleTogether } from '../support/settle.ts';
import { minute } from '../domain/build.ts';
import { chain, cover, insertSession, ledgerAt, receive, stateOf } from './build.ts';

// The newest ledger counts for every session, so each test has a database of its own.
const opened: TestDatabase[] = [];
let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase({ max: 4 });
  opened.push(database);
});
afterAll(() => Promise.all(opened.map((each) => each.close())));

const cancelAtOf = async (id: string) => (await findSession(database.db, id)).cancelAt;
const deadlineOf = async (id: string) => {
  const [row] = await database.rows<{ deadline: Date | null }>(
    'SELECT deadline FROM settlement.active_sessions WHERE session_id = $1',
    [id],
  );
  return row?.deadline;
};
/** What the newest ledger of `chain(minutes)` closed at: one ledger behind the minute. */
const tipOf = (minutes: number) => minute(minutes + 1 / 12);
const request = (id: string) => requestCancel(database.pool, id);
/** A turn of the watcher: it reads the requests, then asks the ledger, then completes them. */
async function turn(minutes: number): Promise<void> {
  const waiting = await waitingCancels(database.db);
  await chain(database, minutes);
  await completeCancels(database.db, waiting);
}

describe('a cancellation', () => {
  test('is only requested until the ledger was asked', async () => {
    const session = await insertSession(database);
    await request(session.id);
    expect(await cancelAtOf(session.id)).toBeNull();
    expect(await deadlineOf(session.id)).toEqual(minute(30));
    expect(await waitingCancels(database.db)).toEqual([session.id]);
  });

  test('counts from the newest ledger that was shown after the request, not from the one stored before', async () => {
    const session = await insertSession(database);
    const before = await waitingCancels(database.db);
    await request(session.id);
    // A turn that had read the requests earlier completes none of the later ones.
    await completeCancels(database.db, before);
    expect(await cancelAtOf(session.id)).toBeNull();
    await turn(12);
    expect(await cancelAtOf(session.id)).toEqual(tipOf(12));
    expect(await deadlineOf(session.id)).toEqual(tipOf(12));
    expect(await waitingCancels(database.db)).toEqual([]);
  });

  test('a payment that was on the ledger by then counts, one after it is late', async () => {
    const [paid, late] = [await insertSession(database), await insertSession(database)];
    for (const { id } of [paid, late]) await request(id);
    await turn(12);
    await receive(database, paid, '10', { closedAt: tipOf(12) });
    await receive(database, late, '10', { closedAt: tipOf(12 + 1 / 12) });
    for (const { account } of [paid, late]) await cover(database, account, -1, 13);
    await settleTogether(database.pool, [paid.id, late.id]);
    expect(await stateOf(database, paid.id)).toMatchObject({
      status: 'paid',
      verdicts: ['credited'],
    });
    expect(await stateOf(database, late.id)).toMatchObject({
      status: 'cancelled',
      verdicts: ['late'],
      closed_through_ledger: String(ledgerAt(12) + 2),
    });
  });

  test('is requested once: later requests move nothing', async () => {
    const session = await insertSession(database);
    await Promise.all(Array.from({ length: 5 }, () => request(session.id)));
    expect(await waitingCancels(database.db)).toEqual([session.id]);
    await turn(12);
    await request(session.id);
    expect(await waitingCancels(database.db)).toEqual([]);
    await turn(20);
    expect(await cancelAtOf(session.id)).toEqual(tipOf(12));
    expect(
      await database.rows(
        `SELECT cause FROM settlement.session_journal WHERE session_id = $1 AND cause = 'cancel requested'`,
        [session.id],
      ),
    ).toHaveLength(1);
  });

  test('later than the deadline changes nothing: the session expires', async () => {
    const session = await insertSession(database);
    await request(session.id);
    await turn(31);
    expect(await cancelAtOf(session.id)).toEqual(tipOf(31));
    expect(await deadlineOf(session.id)).toEqual(minute(30));
    await cover(database, session.account, -1, 31);
    await settleTogether(database.pool, [session.id]);
    expect((await stateOf(database, session.id)).status).toBe('expired');
  });

  test('in the instant of the deadline is a cancellation', async () => {
    const session = await insertSession(database, { expiresAt: tipOf(12) });
    await request(session.id);
    await turn(12);
    await cover(database, session.account, -1, 13);
    await settleTogether(database.pool, [session.id]);
    expect((await stateOf(database, session.id)).status).toBe('cancelled');
  });

  test('of a session that came to its end meanwhile is dropped', async () => {
    const paid = await insertSession(database);
    await receive(database, paid, '10');
    const expired = await insertSession(database, { covered: [-1, 31] });
    for (const { id } of [paid, expired]) await request(id);
    const waiting = await waitingCancels(database.db);
    await settleTogether(database.pool, [paid.id, expired.id]);
    await completeCancels(database.db, waiting);
    for (const { id } of [paid, expired]) expect(await cancelAtOf(id)).toBeNull();
    expect(await waitingCancels(database.db)).toEqual([]);
    // Nor can it be asked for any more.
    for (const { id } of [paid, expired]) await request(id);
    expect(await waitingCancels(database.db)).toEqual([]);
  });

  test('is not lost while there is no ledger to date it by', async () => {
    const session = await insertSession(database, { covered: null });
    await request(session.id);
    await completeCancels(database.db, [session.id]);
    expect(await waitingCancels(database.db)).toEqual([session.id]);
    await turn(12);
    expect(await cancelAtOf(session.id)).toEqual(tipOf(12));
  });

  test('works for a session that is not watched yet, and refuses one that does not exist', async () => {
    const session = await insertSession(database, { covered: null, active: false });
    await request(session.id);
    await turn(12);
    expect(await cancelAtOf(session.id)).toEqual(tipOf(12));
    await expect(request(randomUUID())).rejects.toMatchObject({
      code: 'SessionNotFound',
      field: 'sessionId',
    });
  });
});
