import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readAgain } from '../../src/activities/reconcile/read-again.ts';
import { accountsToReadAgain, noteNotReadAgain, noteReadAgain } from '../../src/db/read-again.ts';
import { startReconciling, type Reconciling } from './reconciling.ts';

let it: Reconciling;
beforeAll(async () => {
  it = await startReconciling();
});
afterAll(() => it.close());

test('accounts that cannot be read again do not keep the others from their turn', async () => {
  for (let i = 0; i < 4; i += 1) {
    const { address: account } = await it.wallet();
    await it.insert({ openedMinutesAgo: 5, account });
    await it.customer.pay(account, '1');
  }
  await it.catchUp();
  const accounts = await it.database.rows<{ account: string }>(
    'SELECT account FROM settlement.watched_accounts ORDER BY account',
  );
  const bad = new Set(accounts.slice(0, 3).map(({ account }) => account));
  const page: typeof it.deps.source.page = (account, ...rest) =>
    bad.has(account)
      ? Promise.reject(new Error('504: the query took too long'))
      : it.deps.source.page(account, ...rest);
  const deps = { ...it.deps, source: { ...it.deps.source, page } };
  const run = () =>
    readAgain({ ...deps, ...NO_TEMPORAL }, { after: null, dryRun: false, thorough: false });
  expect(await run()).toMatchObject({ found: 3, left: 3 });
  await run();
  expect(
    await it.database.rows(
      'SELECT account FROM settlement.watched_accounts WHERE rechecked_at IS NULL',
    ),
  ).toEqual([]);
  const [last] = await it.database.rows<{ cursor: string | null }>(
    'SELECT recheck_cursor AS cursor FROM settlement.watched_accounts ORDER BY account DESC LIMIT 1',
  );
  expect(last?.cursor).not.toBeNull();
});

test('a reading that began before a network was read anew leaves no mark on the new reading', async () => {
  await it.database.rows('UPDATE settlement.watched_accounts SET rechecked_at = NULL');
  const { db } = it.database;
  const [begun] = await accountsToReadAgain(db, 1);
  if (!begun) throw new Error('No account is to be read again.');
  const stands = () =>
    it.database.rows(
      `SELECT through_ledger, recheck_cursor, rechecked_at FROM settlement.watched_accounts WHERE account = $1`,
      [begun.account],
    );
  const before = await stands();
  // As `settle network accept-reset` writes it.
  const anew = { through_ledger: '0', recheck_cursor: null, rechecked_at: null };
  await it.database.rows(
    `UPDATE settlement.watched_accounts SET through_ledger = $2, recheck_cursor = NULL WHERE account = $1`,
    [begun.account, anew.through_ledger],
  );
  await noteReadAgain(db, begun, begun.until, false);
  await noteReadAgain(db, begun, begun.until, true);
  await noteNotReadAgain(db, begun);
  expect(await stands()).toEqual([anew]);
  await it.database.rows(
    `UPDATE settlement.watched_accounts SET through_ledger = $2, recheck_cursor = $3 WHERE account = $1`,
    [begun.account, before[0]?.['through_ledger'], before[0]?.['recheck_cursor']],
  );
  await noteReadAgain(db, begun, begun.until, true);
  expect(await stands()).toMatchObject([{ rechecked_at: expect.any(Date) }]);
});

test('requests that fail are requests all the same', async () => {
  await it.database.rows('UPDATE settlement.watched_accounts SET rechecked_at = NULL');
  let asked = 0;
  const page: typeof it.deps.source.page = () => {
    asked += 1;
    return Promise.reject(new Error('504: the query took too long'));
  };
  const source = { ...it.deps.source, page };
  const deps = { ...it.deps, source, ...NO_TEMPORAL, requestsToReadAgain: 4 };
  await readAgain(deps, { after: null, dryRun: false, thorough: false });
  expect(asked).toBe(2); // the others were for the head and the chain
});

test('a run asks Horizon no more than it may, and the next one goes on', async () => {
  await it.database.rows('UPDATE settlement.watched_accounts SET rechecked_at = NULL');
  const waiting = () =>
    it.database.rows('SELECT FROM settlement.watched_accounts WHERE rechecked_at IS NULL');
  const accounts = (await waiting()).length;
  const deps = { ...it.deps, ...NO_TEMPORAL, requestsToReadAgain: 4 };
  for (let left = accounts; left > 0; left -= 2) {
    it.asked.clear();
    await readAgain(deps, { after: null, dryRun: false, thorough: false });
    const asked = [...it.asked.values()].reduce((sum, times) => sum + times, 0);
    expect(asked).toBeLessThanOrEqual(4);
    expect(await waiting()).toHaveLength(Math.max(left - 2, 0));
  }
  expect(accounts).toBeGreaterThan(2);
});

const NO_TEMPORAL = {
  networkName: 'sandbox',
  runOf: () => Promise.resolve('runs' as const),
  endRun: () => Promise.resolve(),
  watcher: { isRunning: () => Promise.resolve(true), start: () => Promise.resolve() },
  requestsToReadAgain: 100,
};
