import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  awaitedCoverage,
  extendCoverage,
  findAccount,
  noteProblem,
  registerAccount,
  watchedAccounts,
} from '../../src/db/watching.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { minute, USDC } from '../domain/build.ts';
import { cover, insertSession, ledgerAt, newAccount } from './build.ts';

const ASSET = `${USDC.code}:${USDC.issuer}`;

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

const at = (minutes: number) => ({
  throughLedger: ledgerAt(minutes),
  throughTime: minute(minutes),
});

describe('a watched account', () => {
  test('begins where it was registered first', async () => {
    const account = newAccount();
    expect(await findAccount(database.db, account)).toBeNull();
    const first = { account, cursor: '1', fromLedger: 5, fromTime: minute(0) };
    await registerAccount(database.db, first);
    await registerAccount(database.db, {
      ...first,
      cursor: '9',
      fromLedger: 9,
      fromTime: minute(9),
    });
    expect(await findAccount(database.db, account)).toEqual(first);
    expect((await watchedAccounts(database.db)).find((w) => w.account === account)).toEqual({
      account,
      cursor: '1',
      throughLedger: 5,
      throughTime: minute(0),
      readAt: null,
      openSessions: 0,
      needsPages: true,
    });
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
    expect(list.map(({ account, openSessions }) => [account, openSessions])).toEqual([
      [a.account, 2],
      [b.account, 1],
    ]);
    await own.close();
  });
});

describe('coverage by the entry of an asset', () => {
  test('holds only when the entry was last modified within what is covered', async () => {
    const account = newAccount();
    await cover(database, account, -1, 6);
    const extend = (modified: number, through: number) =>
      extendCoverage(database.db, account, ASSET, modified, at(through));
    expect(await extend(ledgerAt(6) + 1, 20)).toBe(false);
    expect(await extend(ledgerAt(6), 20)).toBe(true);
    // Now the asset itself is covered through minute 20.
    expect(await extend(ledgerAt(20), 40)).toBe(true);
    expect(await extend(ledgerAt(20), 10)).toBe(true);
    const rows = await database.rows(
      'SELECT asset, through_ledger, through_time FROM settlement.asset_coverage WHERE account = $1',
      [account],
    );
    expect(rows).toEqual([
      { asset: ASSET, through_ledger: String(ledgerAt(40)), through_time: minute(40) },
    ]);
  });

  test('of one asset proves nothing of another, and nothing on an account that nobody watches', async () => {
    const account = newAccount();
    await cover(database, account, -1, 6);
    await extendCoverage(database.db, account, ASSET, 1, at(20));
    expect(await extendCoverage(database.db, account, 'native', ledgerAt(20), at(40))).toBe(false);
    expect(await extendCoverage(database.db, newAccount(), ASSET, 1, at(20))).toBe(false);
  });
});

test('coverage is awaited where a deadline is over and not covered', async () => {
  const own = await createTestDatabase({ max: 2 });
  const waiting = await insertSession(own, { covered: [-1, 6] });
  await insertSession(own, { account: waiting.account, reference: '2' });
  await insertSession(own, { covered: [-1, 31] });
  await insertSession(own, { covered: [-1, 6], expiresAt: minute(50) });
  const byAsset = await insertSession(own, { covered: [-1, 6] });
  await extendCoverage(own.db, byAsset.account, ASSET, 1, at(31));
  expect(await awaitedCoverage(own.db, minute(40), 'accounts')).toEqual([
    { account: waiting.account, asset: ASSET, ...at(6) },
  ]);
  expect(await awaitedCoverage(own.db, minute(29), 'accounts')).toEqual([]);
  await own.close();
});
