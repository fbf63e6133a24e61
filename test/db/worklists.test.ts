import { afterAll, beforeEach, describe, expect, test } from '@jest/globals';
import { onClient } from '../../src/db/connection.ts';
import { addCoverage } from '../../src/db/coverage.ts';
import { settleTogether } from '../../src/db/settle.ts';
import {
  activate,
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
import {
  insertSession,
  ledgerAt,
  newAccount,
  receive,
  stateOf,
  type StoredSession,
} from './build.ts';

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
  const prove = (account: string, asset: string) =>
    addCoverage(database.db, [account], asset, { from: ledgerAt(0), through: ledgerAt(30) });

  test('are those whose deadline the coverage of their account or asset has passed', async () => {
    const short = await insertSession(database, { covered: [-1, 29] });
    const exact = await insertSession(database, { covered: [-1, 30] });
    const byAsset = await insertSession(database, { covered: [-1, 6] });
    await insertSession(database, { covered: null });
    await prove(byAsset.account, `${USDC.code}:${USDC.issuer}`);
    await prove(short.account, 'native');
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
      `INSERT INTO settlement.watched_accounts (account, through_ledger) SELECT 'G' || i, 1 FROM generate_series(1, 100) i`,
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

/** The ids of the sessions that are taken. */
const dueWakes = async (most: number, db = database.db) =>
  (await takeDueWakes(db, most)).map(({ id }) => id);

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
    expect(await dueWakes(1)).toEqual([late.id]);
    expect(await dueWakes(10)).toEqual([later.id]);
    expect(await dueWakes(10)).toEqual([]);
    await returnWakes(database.db, [late.id, later.id]);
    expect((await dueWakes(10)).sort()).toEqual([late.id, later.id].sort());
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
    expect(await dueWakes(10)).toEqual([taken.id]);
    expect(await regainWakes(database.db)).toBe(1);
    expect(await dueWakes(10)).toEqual([taken.id]);
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
    const first = await dueWakes(8, onClient(client));
    const second = await dueWakes(100);
    await client.query('COMMIT');
    client.release();
    expect([first.length, second.length]).toEqual([8, 12]);
    expect([...first, ...second].sort()).toEqual(sessions.sort());
  });

  test('are asked for by every settle that writes', async () => {
    const session = await insertSession(database);
    await receive(database, session, '10');
    expect(await dueWakes(10)).toEqual([]);
    await settleTogether(database.pool, [session.id]);
    expect(await dueWakes(10)).toEqual([session.id]);
  });
});

describe('entering the work list', () => {
  test('again keeps the deadline and the wake', async () => {
    const session = await insertSession(database);
    await activate(
      database.db,
      {
        id: session.id,
        receivingAccount: session.account,
        asset: USDC,
        expiresAt: minute(99),
        cancelAt: null,
      },
      { wake: true },
    );
    expect(await dueWakes(10)).toEqual([]);
    expect(await database.rows('SELECT deadline FROM settlement.active_sessions')).toEqual([
      { deadline: minute(30) },
    ]);
  });
});
