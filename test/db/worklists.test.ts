import { afterAll, beforeEach, describe, expect, test } from '@jest/globals';
import { onClient } from '../../src/db/connection.ts';
import { settleTogether } from '../../src/db/settle.ts';
import {
  activate,
  discoverSessions,
  markUnmatched,
  regainWakes,
  returnWakes,
  sessionsToClose,
  sessionsWithUndecided,
  takeDueWakes,
} from '../../src/db/worklists.ts';
import { storeFindings } from '../../src/db/inbox.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { minute, USDC } from '../domain/build.ts';
import { cover, insertSession, newAccount, receive, stateOf, type StoredSession } from './build.ts';

// Each list is read whole, so each test has a database of its own.
const opened: TestDatabase[] = [];
let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase({ max: 4 });
  opened.push(database);
});
afterAll(() => Promise.all(opened.map((each) => each.close())));

const verdicts = (account: string) =>
  database.rows('SELECT verdict FROM settlement.ledger_payments WHERE account = $1', [account]);

describe('undecided payments', () => {
  test('lead to their sessions, until those are settled', async () => {
    const session = await insertSession(database);
    await insertSession(database);
    await receive(database, session, '4');
    await receive(database, session, '4');
    expect(await sessionsWithUndecided(database.db)).toEqual([session.id]);
    await settleTogether(database.pool, [session.id]);
    expect(await sessionsWithUndecided(database.db)).toEqual([]);
  });

  test('that name no session are unmatched, and no others', async () => {
    const session = await insertSession(database);
    await receive(database, session, '10');
    const stranger = { account: newAccount(), reference: '4242' };
    await receive(database, stranger, '1');
    await receive(database, stranger, '1', { reference: null, referenceSource: null });
    await receive(database, { ...session, reference: '4243' }, '1');
    expect(await markUnmatched(database.db)).toHaveLength(3);
    expect(await markUnmatched(database.db)).toEqual([]);
    expect(await verdicts(stranger.account)).toEqual([
      { verdict: 'unmatched' },
      { verdict: 'unmatched' },
    ]);
    expect(await sessionsWithUndecided(database.db)).toEqual([session.id]);
  });

  test('an unmatched payment pays the session that appears later', async () => {
    const account = newAccount();
    await receive(database, { account, reference: '4242' }, '10');
    await markUnmatched(database.db);
    const session = await insertSession(database, { account });
    await settleTogether(database.pool, [session.id]);
    expect(await stateOf(database, session.id)).toMatchObject({
      status: 'paid',
      verdicts: ['credited'],
      events: ['payment.confirmed'],
    });
    expect(await markUnmatched(database.db)).toEqual([]);
  });
});

describe('sessions to close', () => {
  test('are those whose deadline the coverage of their account or asset has passed', async () => {
    const short = await insertSession(database, { covered: [-1, 29] });
    const exact = await insertSession(database, { covered: [-1, 30] });
    const byAsset = await insertSession(database, { covered: [-1, 6] });
    await insertSession(database, { covered: null });
    await database.rows(
      `INSERT INTO settlement.asset_coverage VALUES ($1, $2, 20000, $3), ($4, 'native', 20000, $3)`,
      [byAsset.account, `${USDC.code}:${USDC.issuer}`, minute(31), short.account],
    );
    expect(new Set(await sessionsToClose(database.db))).toEqual(new Set([exact.id, byAsset.id]));
    await settleTogether(database.pool, [exact.id, byAsset.id]);
    expect(await sessionsToClose(database.db)).toEqual([]);
    expect((await stateOf(database, byAsset.id)).status).toBe('expired');
  });

  test('are none on an account with a record that nobody could read', async () => {
    const session = await insertSession(database, { covered: [-1, 31] });
    await storeFindings(database.pool, {
      payments: [],
      undecoded: [
        { operationId: '1', account: session.account, ledger: 1, raw: '{}', problem: 'type' },
      ],
    });
    expect(await sessionsToClose(database.db)).toEqual([]);
  });

  test('are looked for once, however many accounts are watched', async () => {
    const session = await insertSession(database, { covered: [-1, 31] });
    await database.rows(
      `INSERT INTO settlement.watched_accounts (account, cursor, from_ledger, from_time, through_ledger, through_time)
       SELECT 'G' || i, '0', 1, $1, 1, $1 FROM generate_series(1, 100) i`,
      [minute(-1)],
    );
    const client = await database.pool.connect();
    await client.query('BEGIN');
    expect(await sessionsToClose(onClient(client))).toEqual([session.id]);
    const { rows } = await client.query<{ scans: string }>(
      `SELECT seq_scan + idx_scan AS scans FROM pg_stat_xact_user_tables WHERE relname = 'active_sessions'`,
    );
    await client.query('COMMIT');
    client.release();
    expect(rows).toEqual([{ scans: '1' }]);
  });
});

describe('wakes', () => {
  const due = async (session: StoredSession, when: string) =>
    database.rows(
      `UPDATE settlement.active_sessions SET wake_after = now() + $2::interval WHERE session_id = $1`,
      [session.id, when],
    );

  test('are taken once, the longest due first, and come again in a minute unless returned', async () => {
    const [late, later, notYet] = [
      await insertSession(database),
      await insertSession(database),
      await insertSession(database),
    ];
    await due(late, '-2 minutes');
    await due(later, '-1 minute');
    await due(notYet, '1 minute');
    expect(await takeDueWakes(database.db, 1)).toEqual([late.id]);
    expect(await takeDueWakes(database.db, 10)).toEqual([later.id]);
    expect(await takeDueWakes(database.db, 10)).toEqual([]);
    await returnWakes(database.db, [late.id, later.id]);
    expect((await takeDueWakes(database.db, 10)).sort()).toEqual([late.id, later.id].sort());
    const [{ soon } = {}] = await database.rows<{ soon: boolean }>(
      `SELECT bool_and(wake_after BETWEEN now() AND now() + interval '1 minute') AS soon
       FROM settlement.active_sessions`,
    );
    expect(soon).toBe(true);
  });

  test('that a killed watcher has taken are regained; those of later stay', async () => {
    const [taken, notYet] = [await insertSession(database), await insertSession(database)];
    await due(taken, '-1 minute');
    await due(notYet, '2 minutes');
    expect(await takeDueWakes(database.db, 10)).toEqual([taken.id]);
    expect(await regainWakes(database.db)).toBe(1);
    expect(await takeDueWakes(database.db, 10)).toEqual([taken.id]);
  });

  test('two watchers never take the same, and neither waits for the other', async () => {
    const account = newAccount();
    const sessions = [];
    for (let i = 0; i < 20; i += 1) {
      const session = await insertSession(database, { account, reference: `${i}` });
      await due(session, '-1 minute');
      sessions.push(session.id);
    }
    const client = await database.pool.connect();
    await client.query('BEGIN');
    const first = await takeDueWakes(onClient(client), 8);
    const second = await takeDueWakes(database.db, 100);
    await client.query('COMMIT');
    client.release();
    expect([first.length, second.length]).toEqual([8, 12]);
    expect([...first, ...second].sort()).toEqual(sessions.sort());
  });

  test('are asked for by every settle that writes', async () => {
    const session = await insertSession(database);
    await receive(database, session, '10');
    expect(await takeDueWakes(database.db, 10)).toEqual([]);
    await settleTogether(database.pool, [session.id]);
    expect(await takeDueWakes(database.db, 10)).toEqual([session.id]);
  });
});

describe('sessions that the backend made by itself', () => {
  test('are found, oldest first, whether their account is watched or not, until they are activated', async () => {
    const known = await insertSession(database, { active: false, createdAt: minute(2) });
    const unknown = await insertSession(database, {
      active: false,
      covered: null,
      createdAt: minute(1),
    });
    await insertSession(database, { active: true });
    await insertSession(database, { active: false, status: 'paid' });
    await insertSession(database, { active: false, createdAt: minute(-60) });
    const found = () => discoverSessions(database.db, minute(-30));
    expect(await found()).toEqual([unknown.id, known.id]);
    await activateStored(known, { wake: true });
    await cover(database, unknown.account, 0, 1);
    expect(await found()).toEqual([unknown.id]);
    expect(await takeDueWakes(database.db, 10)).toEqual([known.id]);
  });

  test('are not found again when we have ended them', async () => {
    const session = await insertSession(database, { active: false, covered: [-1, 31] });
    await settleTogether(database.pool, [session.id]);
    await database.rows('DELETE FROM settlement.active_sessions');
    expect(await discoverSessions(database.db, minute(-30))).toEqual([]);
  });

  test('activating what is active keeps its deadline and its wake', async () => {
    const session = await insertSession(database);
    await activateStored(session, { wake: true, expiresAt: minute(99) });
    expect(await takeDueWakes(database.db, 10)).toEqual([]);
    expect(await database.rows('SELECT deadline FROM settlement.active_sessions')).toEqual([
      { deadline: minute(30) },
    ]);
  });

  async function activateStored(
    session: StoredSession,
    { wake, expiresAt = minute(30) }: { wake: boolean; expiresAt?: Date },
  ): Promise<void> {
    await activate(
      database.db,
      { id: session.id, receivingAccount: session.account, asset: USDC, expiresAt, cancelAt: null },
      { wake },
    );
  }
});
