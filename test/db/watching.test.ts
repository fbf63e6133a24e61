import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { addCoverage } from '../../src/db/coverage.ts';
import {
  isWatchedFrom,
  missingLedgers,
  movePageStart,
  noteProblem,
  noteRead,
  registerAccount,
  watchedAccount,
  watchedAccounts,
} from '../../src/db/watching.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { minute, USDC } from '../domain/build.ts';
import { chain, cover, insertSession, ledgerAt, newAccount, receive } from './build.ts';

const ASSET = `${USDC.code}:${USDC.issuer}`;

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

const register = (account: string, afterLedger: number, known: string | null = null) =>
  registerAccount(database.db, { account, start: { afterLedger, known } });
const startOf = async (account: string) =>
  (await watchedAccount(database.db, account))?.start ?? null;

describe('a watched account', () => {
  test('begins where it was registered, and goes further back when an older session needs it', async () => {
    const account = newAccount();
    expect(await watchedAccount(database.db, account)).toBeNull();
    await register(account, 50, 'r50');
    await register(account, 90, 'r90');
    expect(await watchedAccount(database.db, account)).toEqual({
      account,
      start: { afterLedger: 50, known: 'r50' },
      msSinceRead: null,
      openSessions: 0,
      assets: [],
      readThrough: 50,
      seenIn: 0,
      needsPages: true,
      aside: null,
    });
    await noteRead(database.db, account);
    await register(account, 20, 'r20');
    expect(await watchedAccount(database.db, account)).toMatchObject({
      start: { afterLedger: 20, known: 'r20' },
      msSinceRead: null,
    });
  });

  test('stays where its pages are, when what an older session needs is read already', async () => {
    const account = newAccount();
    await register(account, 50, 'r50');
    await addCoverage(database.db, [account], '*', { from: 21, through: 50 });
    await register(account, 20, 'r20');
    expect(await startOf(account)).toEqual({ afterLedger: 50, known: 'r50' });
    expect(await isWatchedFrom(database.db, account, 50)).toBe(true);
    expect(await isWatchedFrom(database.db, account, 20)).toBe(true);
    expect(await isWatchedFrom(database.db, account, 19)).toBe(false);
    expect(await isWatchedFrom(database.db, newAccount(), 50)).toBe(false);
  });

  test('is listed with its open sessions; one whose reading failed goes to the end of the line', async () => {
    const own = await createTestDatabase({ max: 2 });
    const a = await insertSession(own);
    await insertSession(own, { account: a.account, reference: '2' });
    const closed = await insertSession(own, { account: a.account, reference: '3' });
    await own.rows('UPDATE settlement.active_sessions SET deadline = NULL WHERE session_id = $1', [
      closed.id,
    ]);
    const b = await insertSession(own);
    await noteProblem(own.db, b.account, 'Horizon answered 503.');
    const list = await watchedAccounts(own.db);
    expect(
      list.map(({ account, openSessions, assets }) => [account, openSessions, assets]),
    ).toEqual([
      [a.account, 2, [ASSET]],
      [b.account, 1, [ASSET]],
    ]);
    await own.close();
  });

  test('needs its pages until the reading of the network begins for it, and behind a gap of that', async () => {
    const own = await createTestDatabase({ max: 2 });
    const session = await insertSession(own, { covered: [-1, 6] });
    const needs = async () => (await watchedAccount(own.db, session.account))?.needsPages;
    const joined = (ledger: number) =>
      own.rows('UPDATE settlement.watched_accounts SET network_from = $1', [ledger]);
    expect(await needs()).toBe(true);
    await joined(ledgerAt(6) + 1);
    expect(await needs()).toBe(false);
    await joined(ledgerAt(9));
    expect(await needs()).toBe(true);
    await addCoverage(own.db, [session.account], ASSET, {
      from: ledgerAt(6) + 1,
      through: ledgerAt(9) - 1,
    });
    expect(await needs()).toBe(false);
    await own.close();
  });
});

describe('the pages of an account', () => {
  test('go on behind what other evidence covers, from the newest record there', async () => {
    const session = await insertSession(database, { covered: [-1, 6] });
    const start = { afterLedger: ledgerAt(6), known: null };
    const inside = await receive(database, session, '1', { closedAt: minute(8) });
    await receive(database, session, '1', { closedAt: minute(20) });
    await cover(database, session.account, 5, 9);
    await database.rows(
      'UPDATE settlement.watched_accounts SET through_ledger = $2 WHERE account = $1',
      [session.account, start.afterLedger],
    );
    const moved = { afterLedger: ledgerAt(9), known: inside.operationId };
    expect(await movePageStart(database.db, session.account, start)).toEqual(moved);
    expect(await startOf(session.account)).toEqual(moved);
    // Another watcher has moved it meanwhile: this one goes on from where it was.
    expect(await movePageStart(database.db, session.account, start)).toEqual(start);
    expect(await startOf(session.account)).toEqual(moved);
  });
});

describe('ledgers that endings wait for', () => {
  let own: TestDatabase;
  const missing = async (strategy: 'accounts' | 'ledgers' = 'accounts') =>
    new Map(
      (await missingLedgers(own.db, strategy)).map(({ account, ledgers }) => [account, ledgers]),
    );
  beforeAll(async () => {
    own = await createTestDatabase({ max: 2 });
  });
  afterAll(() => own.close());

  test('are those between the opening and the end that are not proven, of deadlines that are over', async () => {
    const waiting = await insertSession(own, { covered: [-1, 29] });
    // The same account and asset: asked for once.
    await insertSession(own, { account: waiting.account, reference: '2', covered: null });
    await insertSession(own, { covered: [-1, 30] });
    await insertSession(own, { covered: [-1, 6], expiresAt: minute(50) });
    const asset = await insertSession(own, { covered: [-1, 6] });
    await addCoverage(own.db, [asset.account], ASSET, {
      from: ledgerAt(6),
      through: ledgerAt(30) - 2,
    });
    await addCoverage(own.db, [asset.account], 'native', {
      from: ledgerAt(6),
      through: ledgerAt(30),
    });
    // Read by pages alone: that ends nothing.
    const pages = await insertSession(own, { covered: [-1, 30] });
    await own.rows('DELETE FROM settlement.coverage WHERE account = $1', [pages.account]);
    const found = await missing();
    expect(new Set(found.keys())).toEqual(new Set([waiting.account, asset.account, pages.account]));
    expect(found.get(waiting.account)).toEqual(range(ledgerAt(29) + 1, ledgerAt(30)));
    expect(found.get(asset.account)).toEqual([ledgerAt(30) - 1, ledgerAt(30)]);
    // The oldest ones first, some at a time.
    expect(found.get(pages.account)).toEqual(range(ledgerAt(0), ledgerAt(0) + 35));
  });

  test('are left to the reading of the network, where that comes to them', async () => {
    const session = await insertSession(own, { covered: [-1, 29] });
    await own.rows('UPDATE settlement.watched_accounts SET network_from = $2 WHERE account = $1', [
      session.account,
      ledgerAt(30) - 2,
    ]);
    const wanted = range(ledgerAt(29) + 1, ledgerAt(30));
    expect((await missing('accounts')).get(session.account)).toEqual(wanted);
    expect((await missing('ledgers')).get(session.account)).toEqual(wanted.slice(0, -3));
  });

  test('are none in the very second of the deadline: another ledger may close in it', async () => {
    await chain(own, 60);
    const session = await insertSession(own, { covered: [-1, 6], expiresAt: minute(60 + 1 / 12) });
    expect((await missing()).has(session.account)).toBe(false);
    await chain(own, 61);
    expect((await missing()).has(session.account)).toBe(true);
  });
});

const range = (from: number, through: number) =>
  Array.from({ length: through - from + 1 }, (_, i) => from + i);
