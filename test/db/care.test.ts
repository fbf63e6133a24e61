/** What the backend writes by itself: sessions, edits, deletions. All of it is found, and followed. */
import { afterAll, beforeEach, describe, expect, test } from '@jest/globals';
import { drizzle } from 'drizzle-orm/node-postgres';
import {
  deletedSessions,
  forgetSessions,
  placeOpening,
  takeSeen,
  unseenSessions,
} from '../../src/db/care.ts';
import * as schema from '../../src/db/schema/index.ts';
import { completeCancels, waitingCancels } from '../../src/db/sessions.ts';
import { takeDueWakes } from '../../src/db/worklists.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { settleTogether } from '../support/settle.ts';
import { minute } from '../domain/build.ts';
import { chain, cover, insertSession, ledgerAt, receive, stateOf } from './build.ts';

// The newest ledger and the last look are of the whole database, so each test has its own.
const opened: TestDatabase[] = [];
let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase({ max: 4 });
  opened.push(database);
});
afterAll(() => Promise.all(opened.map((each) => each.close())));

const FIRST = '00000000-0000-0000-0000-000000000000';
const unseen = async () => (await unseenSessions(database.db, FIRST)).map(({ id }) => id);
const rowOf = async (id: string) => {
  const [row] = await database.rows<{ deadline: Date | null; due: boolean }>(
    'SELECT deadline, wake_after <= now() AS due FROM settlement.active_sessions WHERE session_id = $1',
    [id],
  );
  return row ?? null;
};
/** A session as the backend inserts it, which nothing has taken into account. */
const foreign = (fields: Parameters<typeof insertSession>[1] = {}) =>
  insertSession(database, { covered: null, active: false, ...fields });
const edit = (id: string, set: string) =>
  database.rows(`UPDATE checkout_sessions SET ${set} WHERE id = $1`, [id]);

describe('what the backend wrote', () => {
  test('is found until it is taken into account, and then stands in the work list', async () => {
    const session = await foreign();
    await foreign({ status: 'paid' });
    await insertSession(database);
    expect(await unseen()).toEqual([session.id]);
    await placeOpening(database.db, session.id, ledgerAt(0) - 1);
    await takeSeen(database.db, [session.id]);
    expect(await unseen()).toEqual([]);
    expect(await rowOf(session.id)).toEqual({ deadline: minute(30), due: true });
  });

  test('is found page by page', async () => {
    for (let i = 0; i < 3; i += 1) await foreign();
    const all = await unseen();
    expect(all).toEqual(all.toSorted());
    expect((await unseenSessions(database.db, all[1] ?? '')).map(({ id }) => id)).toEqual([all[2]]);
  });

  test.each`
    what                     | set                                      | deadline
    ${'a status'}            | ${"status = 'processing'"}               | ${minute(30)}
    ${'an earlier deadline'} | ${"expires_at = '2026-03-01T12:20:00Z'"} | ${minute(20)}
    ${'a later deadline'}    | ${"expires_at = '2026-03-01T12:50:00Z'"} | ${minute(50)}
    ${'another memo'}        | ${"memo = 'other'"}                      | ${minute(30)}
    ${'no memo'}             | ${'memo = NULL'}                         | ${minute(30)}
  `('as an edit of $what is found, and followed', async ({ set, deadline }) => {
    const session = await insertSession(database);
    expect(await unseen()).toEqual([]);
    await edit(session.id, String(set));
    expect(await unseen()).toEqual([session.id]);
    await takeSeen(database.db, [session.id]);
    expect(await unseen()).toEqual([]);
    expect(await rowOf(session.id)).toEqual({ deadline, due: true });
  });

  test('as a deadline that moved back ends the session by it', async () => {
    const session = await insertSession(database, { covered: [-1, 21] });
    await edit(session.id, `expires_at = '2026-03-01T12:20:00Z'`);
    await takeSeen(database.db, [session.id]);
    await settleTogether(database.pool, [session.id]);
    expect(await stateOf(database, session.id)).toMatchObject({
      status: 'expired',
      closed_through_ledger: String(ledgerAt(20) + 1),
    });
    // Over is over: a later deadline is seen, and changes nothing.
    await edit(session.id, `expires_at = '2026-03-01T13:00:00Z'`);
    expect(await unseen()).toEqual([session.id]);
    await takeSeen(database.db, [session.id]);
    expect((await rowOf(session.id))?.deadline).toBeNull();
    await settleTogether(database.pool, [session.id]);
    expect((await stateOf(database, session.id)).status).toBe('expired');
  });

  test('as a session opened again, which is over, is put right and no longer found', async () => {
    const session = await insertSession(database, { covered: [-1, 31] });
    await settleTogether(database.pool, [session.id]);
    expect(await unseen()).toEqual([]);
    await edit(session.id, `status = 'pending'`);
    expect(await unseen()).toEqual([session.id]);
    await takeSeen(database.db, [session.id]);
    await settleTogether(database.pool, [session.id]);
    expect((await stateOf(database, session.id)).status).toBe('expired');
    expect(await unseen()).toEqual([]);
  });

  test('as a cancellation becomes a request, once, and counts from the ledger asked after it', async () => {
    const session = await insertSession(database);
    await edit(session.id, `status = 'cancelled'`);
    expect(await unseen()).toEqual([session.id]);
    await takeSeen(database.db, [session.id]);
    await takeSeen(database.db, [session.id]);
    expect(await waitingCancels(database.db)).toEqual([session.id]);
    await chain(database, 12);
    await completeCancels(database.db, [session.id]);
    await cover(database, session.account, -1, 13);
    await settleTogether(database.pool, [session.id]);
    expect(await stateOf(database, session.id)).toMatchObject({
      status: 'cancelled',
      events: ['session.cancelled'],
    });
    expect(await unseen()).toEqual([]);
    expect(await waitingCancels(database.db)).toEqual([]);
  });

  test('as a cancellation is found, too, when a payment was settled before it was followed', async () => {
    const session = await insertSession(database);
    await edit(session.id, `status = 'cancelled'`);
    await receive(database, session, '4');
    await settleTogether(database.pool, [session.id]);
    expect((await stateOf(database, session.id)).verdicts).toEqual(['credited']);
    expect(await unseen()).toEqual([session.id]);
    await takeSeen(database.db, [session.id]);
    expect(await waitingCancels(database.db)).toEqual([session.id]);
  });

  test('as an ending of a session that is over and paid is put right, and asks for no cancellation', async () => {
    const session = await insertSession(database);
    await receive(database, session, '10');
    await settleTogether(database.pool, [session.id]);
    await edit(session.id, `status = 'cancelled'`);
    await takeSeen(database.db, [session.id]);
    await settleTogether(database.pool, [session.id]);
    expect((await stateOf(database, session.id)).status).toBe('paid');
    await completeCancels(database.db, await waitingCancels(database.db));
    const [row] = await database.rows('SELECT cancel_at FROM checkout_sessions');
    expect(row).toEqual({ cancel_at: null });
  });

  test('as a deletion is found, and its place, its request and its questions go', async () => {
    const [gone, stays] = [await insertSession(database), await insertSession(database)];
    for (const { id } of [gone, stays]) {
      await database.rows(
        `INSERT INTO settlement.attention (subject, kind, detail) VALUES ($1, 'opening_not_covered', '')`,
        [id],
      );
      await database.rows(
        `INSERT INTO settlement.cancel_requests (session_id, actor) VALUES ($1, 'client')`,
        [id],
      );
    }
    expect(await deletedSessions(database.db)).toEqual([]);
    await database.rows('DELETE FROM settlement.session_references');
    await database.rows('DELETE FROM checkout_sessions WHERE id = $1', [gone.id]);
    expect(await deletedSessions(database.db)).toEqual([gone.id]);
    await forgetSessions(database.db, [gone.id, stays.id]);
    expect(await deletedSessions(database.db)).toEqual([]);
    expect([await rowOf(gone.id), (await rowOf(stays.id))?.deadline]).toEqual([null, minute(30)]);
    expect(await waitingCancels(database.db)).toEqual([stays.id]);
    expect(
      await database.rows('SELECT subject FROM settlement.attention WHERE resolved_at IS NULL'),
    ).toEqual([{ subject: stays.id }]);
  });

  test('and ended before our time stands by its row', async () => {
    const old = await foreign({ status: 'expired', createdAt: minute(-61) });
    await database.rows(`UPDATE settlement.network SET history_from = $1`, [minute(0)]);
    expect(await unseenSessions(database.db, FIRST)).toMatchObject([
      { id: old.id, isHistory: true, openedAfter: null },
    ]);
    await takeSeen(database.db, [old.id]);
    expect(await unseen()).toEqual([]);
    expect(await rowOf(old.id)).toBeNull();
    expect(await takeDueWakes(database.db, 10)).toEqual([]);
  });

  test('is found by an index that holds nothing else', async () => {
    await database.rows(
      `INSERT INTO checkout_sessions (merchant_id, amount, asset_code, receiving_account, memo, status, expires_at,
         opened_after, seen_status, seen_expires_at, seen_memo)
       SELECT $1, 10, 'XLM', 'G' || i, 'm', 'pending', $2, 1, 'pending', $2, 'm' FROM generate_series(1, 5000) AS i`,
      [(await foreign()).merchantId, minute(30)],
    );
    await database.rows('ANALYZE checkout_sessions');
    const client = await database.pool.connect();
    const sent: { sql: string; params: unknown[] }[] = [];
    const logger = {
      logQuery: (sql: string, params: unknown[]) => void sent.push({ sql, params }),
    };
    await unseenSessions(drizzle(client, { schema, logger }), FIRST);
    const { rows } = await client.query<{ 'QUERY PLAN': string }>(
      `EXPLAIN (ANALYZE, COSTS OFF) ${sent[0]?.sql}`,
      sent[0]?.params,
    );
    client.release();
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(plan).toContain('checkout_sessions_to_follow');
    expect(plan).not.toContain('Rows Removed by Filter');
    const [size] = await database.rows(
      `SELECT reltuples::int AS n FROM pg_class WHERE relname = 'checkout_sessions_to_follow'`,
    );
    expect(size).toEqual({ n: 1 });
  });
});
