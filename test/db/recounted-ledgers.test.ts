/** A header whose count of operations grows: what was read whole by the smaller count is not read. */
import { afterAll, beforeEach, describe, expect, test } from '@jest/globals';
import { sql } from 'drizzle-orm';
import { addCoverage, proven } from '../../src/db/coverage.ts';
import { storeWhole } from '../../src/db/inbox.ts';
import {
  newestLedger,
  pruneLedgers,
  recountedLedgers,
  storeAnchor,
  storeRun,
} from '../../src/db/ledgers.ts';
import { beginNetworkReading, networkReading, storeLedger } from '../../src/db/network-reading.ts';
import { registerAccount } from '../../src/db/watching.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { headerOf, runAfter, wholeOf } from '../domain/headers.ts';
import { newAccount } from './build.ts';

const opened: TestDatabase[] = [];
let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase({ max: 4 });
  opened.push(database);
  await storeAnchor(database.db, header(1000));
  await shown([1001, 0], [1002, 0], [1003, 0], [1004, 0]);
});
afterAll(() => Promise.all(opened.map((each) => each.close())));

const header = (sequence: number, operationCount = 0) =>
  headerOf(sequence, { atZero: 1000, operationCount });

/** A node shows ledgers behind 1000, each with a count. */
async function shown(...counts: readonly (readonly [sequence: number, count: number])[]) {
  const answer = counts.map(([n, count]) => header(n, count));
  await storeRun(database, runAfter(header(1000), answer));
}

/** A ledger of so many operations, none of which moved anything, read whole. */
const whole = (sequence: number, operations: number, accounts: readonly string[]) =>
  wholeOf(header(sequence, operations), accounts);

async function provenOf(account: string, asset = 'native'): Promise<string> {
  const { rows } = await database.db.execute<{ set: string }>(
    sql`SELECT ${proven(sql`${account}`, sql`${asset}`)}::text AS set`,
  );
  return rows[0]?.set ?? '';
}

describe('a count that grows', () => {
  test('takes back that the ledger was read whole, for every account, and nothing else', async () => {
    const [one, other, none] = [newAccount(), newAccount(), newAccount()];
    for (const n of [1001, 1002, 1003]) await storeWhole(database.pool, whole(n, 0, [one, other]));
    await addCoverage(database.db, [one], 'native', { from: 1002, through: 1002 });
    await storeWhole(database.pool, whole(1003, 0, [none]));
    await shown([1001, 0], [1002, 3], [1003, 0]);
    expect(await provenOf(other)).toBe('{[1001,1002),[1003,1004)}');
    // Its entry did not move: that rests on no count.
    expect(await provenOf(one)).toBe('{[1001,1004)}');
    expect(await provenOf(one, 'USDC:G')).toBe('{[1001,1002),[1003,1004)}');
    expect(await recountedLedgers(database.db)).toEqual([
      { sequence: 1002, accounts: [one, other].toSorted() },
    ]);
    await storeWhole(database.pool, whole(1002, 3, [one, other]));
    expect(await provenOf(other)).toBe('{[1001,1004)}');
    expect(await recountedLedgers(database.db)).toEqual([]);
  });

  test('does so for what the reading of the network covers, which goes on behind it', async () => {
    const [first, joins] = [newAccount(), newAccount()];
    for (const account of [first, joins]) {
      await registerAccount(database.db, { account, start: { afterLedger: 1000, known: null } });
    }
    await beginNetworkReading(database.pool, 1000);
    expect(await storeLedger(database.pool, whole(1001, 0, [first]))).toBe(true);
    for (const n of [1002, 1003]) await storeLedger(database.pool, whole(n, 0, [first, joins]));
    await shown([1001, 2], [1002, 0]);
    expect(await provenOf(first)).toBe('{[1002,1004)}');
    expect(await provenOf(joins)).toBe('{[1002,1004)}');
    expect(await recountedLedgers(database.db)).toEqual([{ sequence: 1001, accounts: [first] }]);
    await shown([1001, 2], [1002, 1], [1003, 1]);
    expect(await networkReading(database.db)).toBe(1003);
    expect(await storeLedger(database.pool, whole(1004, 0, [first, joins]))).toBe(true);
    expect(await provenOf(first)).toBe('{[1004,1005)}');
    expect(await provenOf(joins)).toBe('{[1004,1005)}');
  });

  test('makes no evidence of what is read by the smaller one and stored later', async () => {
    const account = newAccount();
    await registerAccount(database.db, { account, start: { afterLedger: 1000, known: null } });
    await beginNetworkReading(database.pool, 1000);
    const [pages, network] = [whole(1001, 0, [account]), whole(1001, 0, [account])];
    await shown([1001, 1]);
    await storeWhole(database.pool, pages);
    expect(await storeLedger(database.pool, network)).toBe(false);
    expect(await provenOf(account)).toBe('{}');
    expect(await storeLedger(database.pool, whole(1001, 1, [account]))).toBe(true);
    expect(await provenOf(account)).toBe('{[1001,1002)}');
  });

  test('at the same time as the ledger is stored leaves no coverage by the smaller one', async () => {
    const accounts = Array.from({ length: 20 }, newAccount);
    await Promise.all([
      ...accounts.map((account) => storeWhole(database.pool, whole(1001, 0, [account]))),
      shown([1001, 1]),
      shown([1001, 2]),
    ]);
    for (const account of accounts) expect(await provenOf(account)).toBe('{}');
  });

  test('to what it was takes nothing back', async () => {
    const account = newAccount();
    await shown([1001, 4]);
    await storeWhole(database.pool, whole(1001, 4, [account]));
    await shown([1001, 4], [1002, 0]);
    await shown([1001, 2], [1002, 0]);
    expect(await provenOf(account)).toBe('{[1001,1002)}');
  });

  test('is forgotten with the ledger', async () => {
    await storeWhole(database.pool, whole(1001, 0, [newAccount()]));
    await shown([1001, 1]);
    await database.rows(
      `INSERT INTO settlement.ledgers (sequence, hash, closed_at, operation_count)
       SELECT 900000, 'h', max(closed_at) + interval '31 days', 0 FROM settlement.ledgers`,
    );
    await pruneLedgers(database.db);
    expect((await newestLedger(database.db))?.sequence).toBe(900_000);
    expect(await recountedLedgers(database.db)).toEqual([]);
  });
});
