/** What is read of the ledger, as sets: any order of adding gives the same, and a hole is what nobody shows for long. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { sql } from 'drizzle-orm';
import * as fc from 'fast-check';
import { addCoverage, proven, readOnly, storeUnmoved, through } from '../../src/db/coverage.ts';
import { beginNetworkReading, networkReading, storeLedger } from '../../src/db/network-reading.ts';
import { storeWhole } from '../../src/db/inbox.ts';
import { noteHole } from '../../src/db/holes.ts';
import { registerAccount } from '../../src/db/watching.ts';
import { AccountEntries, WholeLedger } from '../../src/domain/evidence.ts';
import type { LedgerPayment } from '../../src/domain/ledger-payment.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { minute, USDC } from '../domain/build.ts';
import { notShown } from '../domain/headers.ts';
import { insertSession, ledgerAt, newAccount, paymentFor } from './build.ts';

const ASSET = `${USDC.code}:${USDC.issuer}`;

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase({ max: 6 });
});
afterAll(() => database.close());

async function read(account: string, asset = ASSET, after = 0) {
  const { rows } = await database.db.execute<{ proven: string; read: string; reach: string }>(sql`
    SELECT p::text AS proven, r::text AS read, ${through(sql`(p + r)`, sql`${after}::bigint`)} AS reach
    FROM (SELECT ${proven(sql`${account}`, sql`${asset}`)} AS p, ${readOnly(sql`${account}`)} AS r) sets`);
  const { reach, ...sets } = rows[0] ?? { proven: '', read: '', reach: 'NaN' };
  return { ...sets, reach: Number(reach) };
}

/** A ledger read whole for accounts. */
function whole(
  sequence: number,
  accounts: readonly string[],
  payments: readonly LedgerPayment[] = [],
) {
  const closedAt = minute((sequence - ledgerAt(0)) / 12);
  const header = {
    sequence,
    hash: `${sequence}`,
    previousHash: '',
    closedAt,
    operationCount: payments.length,
  };
  const operations = payments.map((_, i) => ({
    id: (BigInt(sequence) << 32n) + BigInt(i + 1),
    closedAt,
  }));
  const made = WholeLedger.of(header, new Set(accounts), operations, { payments, undecoded: [] });
  if (made === null) throw new Error('This ledger is not whole.');
  return made;
}

describe('what is proven', () => {
  test('is a union: the order of adding does not matter, and what is added twice counts once', async () => {
    const pieces = fc.array(fc.record({ from: fc.integer({ min: 1, max: 60 }), n: fc.nat(12) }), {
      minLength: 1,
      maxLength: 12,
    });
    const property = fc.asyncProperty(pieces, fc.nat(60), async (added, after) => {
      const [one, other] = [newAccount(), newAccount()];
      const add = (account: string, { from, n }: { from: number; n: number }) =>
        addCoverage(database.db, [account], ASSET, { from, through: from + n });
      for (const piece of added) await add(one, piece);
      for (const piece of [...added.toReversed(), ...added]) await add(other, piece);
      const known = new Set(added.flatMap(({ from, n }) => range(from, from + n)));
      let reach = after;
      while (known.has(reach + 1)) reach += 1;
      const first = await read(one, ASSET, after);
      expect(await read(other, ASSET, after)).toEqual(first);
      expect(first.reach).toBe(reach);
    });
    await fc.assert(property, { numRuns: 60 });
  });

  test('of one asset says nothing of another; of every asset it holds for each', async () => {
    const account = newAccount();
    await addCoverage(database.db, [account], ASSET, { from: 10, through: 20 });
    await addCoverage(database.db, [account], 'native', { from: 21, through: 30 });
    expect(await read(account, ASSET, 9)).toMatchObject({ proven: '{[10,21)}', reach: 20 });
    expect(await read(account, 'native', 9)).toMatchObject({ proven: '{[21,31)}', reach: 9 });
    await addCoverage(database.db, [account], '*', { from: 10, through: 22 });
    expect((await read(account, ASSET, 9)).reach).toBe(22);
    expect((await read(account, 'native', 9)).reach).toBe(30);
    expect((await read(newAccount(), ASSET, 9)).reach).toBe(9);
  });

  test('by an entry begins behind the ledger that last changed it, and ends at the newest of the chain', async () => {
    const account = newAccount();
    const unmoved = (modified: number, asOfLedger: number) =>
      new AccountEntries({
        account,
        asOfLedger,
        accountModifiedLedger: 5,
        accountModifiedAt: null,
        trustlines: new Map([[ASSET, { lastModifiedLedger: modified, authorized: true }]]),
        memoRequired: false,
      }).unmoved(ASSET);
    const store = async (modified: number, asOf: number, newest: number) => {
      const found = unmoved(modified, asOf);
      if (found !== null) await storeUnmoved(database.db, account, found, newest);
    };
    await store(100, 120, 110);
    expect((await read(account)).proven).toBe('{[101,111)}');
    await store(110, 130, 130);
    expect((await read(account)).proven).toBe('{[101,131)}');
    // Modified in the ledger that it is of: nothing follows from it.
    await store(140, 140, 140);
    // The chain has not come that far yet.
    await store(150, 160, 150);
    expect((await read(account)).proven).toBe('{[101,131)}');
  });

  test('keeps what an open session needs, and forgets what is a week older than the newest', async () => {
    const [busy, quiet] = [newAccount(), newAccount()];
    const session = await insertSession(database, { account: busy, covered: null });
    await database.rows('UPDATE checkout_sessions SET opened_after = 1000 WHERE id = $1', [
      session.id,
    ]);
    for (const account of [busy, quiet]) {
      await addCoverage(database.db, [account], ASSET, { from: 500, through: 2000 });
      await addCoverage(database.db, [account], ASSET, { from: 500_000, through: 500_001 });
    }
    expect((await read(busy)).proven).toBe('{[1000,2001),[500000,500002)}');
    expect((await read(quiet)).proven).toBe('{[500000,500002)}');
    // Older evidence that comes later takes nothing of the newer.
    await addCoverage(database.db, [quiet], ASSET, { from: 3000, through: 3001 });
    expect((await read(quiet)).proven).toBe('{[3000,3002),[500000,500002)}');
  });

  test('of a whole ledger comes with its rows, for its accounts alone', async () => {
    const [account, other] = [newAccount(), newAccount()];
    const payment = paymentFor({ account, reference: '1' }, '1', { ledger: 7000 });
    expect(await storeWhole(database.pool, whole(7000, [account], [payment]))).toBe(1);
    expect(await storeWhole(database.pool, whole(7000, [account], [payment]))).toBe(0);
    expect((await read(account, 'native', 6999)).reach).toBe(7000);
    expect((await read(other, 'native', 6999)).reach).toBe(6999);
  });
});

describe('a hole', () => {
  test('is what no node shows for ten minutes; crediting goes on behind it, endings do not', async () => {
    const account = newAccount();
    await addCoverage(database.db, [account], ASSET, { from: 10, through: 20 });
    await addCoverage(database.db, [account], ASSET, { from: 24, through: 30 });
    await noteHole(database.db, [account], notShown(21, 23));
    expect(await read(account, ASSET, 9)).toMatchObject({ read: '{}', reach: 20 });
    const age = (by: string) =>
      database.rows(
        `UPDATE settlement.history_holes SET noted_at = now() - $2::interval WHERE account = $1`,
        [account, by],
      );
    await age('9 minutes 50 seconds');
    expect((await read(account, ASSET, 9)).reach).toBe(20);
    await age('10 minutes 1 second');
    expect(await read(account, ASSET, 9)).toEqual({
      proven: '{[10,21),[24,31)}',
      read: '{[21,24)}',
      reach: 30,
    });
  });

  test('is not what was asked for again a minute later only, however long ago that was', async () => {
    const account = newAccount();
    await addCoverage(database.db, [account], ASSET, { from: 10, through: 20 });
    const hole = notShown(21, 23);
    const older = (by: string) =>
      database.rows(
        `UPDATE settlement.history_holes SET noted_at = noted_at - $2::interval, asked_at = asked_at - $2::interval
         WHERE account = $1`,
        [account, by],
      );
    await noteHole(database.db, [account], hole);
    await older('1 minute');
    await noteHole(database.db, [account], hole);
    await older('3 hours');
    expect(await read(account, ASSET, 9)).toMatchObject({ read: '{}', reach: 20 });
    // Asked for again, and not shown by then either.
    await noteHole(database.db, [account], hole);
    expect(await read(account, ASSET, 9)).toMatchObject({ read: '{[21,24)}', reach: 23 });
  });

  test('is as wide as both answers say: what the later node has is asked for by itself', async () => {
    const account = newAccount();
    await noteHole(database.db, [account], notShown(21, 90));
    await noteHole(database.db, [account], notShown(21, 30));
    await noteHole(database.db, [account], notShown(25, 60));
    expect(
      await database.rows('SELECT ledgers::text FROM settlement.history_holes WHERE account = $1', [
        account,
      ]),
    ).toEqual([{ ledgers: '[21,31)' }]);
  });

  test('ends before a ledger that is shown: those behind it are asked for again', async () => {
    const [account, other] = [newAccount(), newAccount()];
    await noteHole(database.db, [account, other], notShown(21, 30));
    await noteHole(database.db, [account], notShown(40, 45));
    const holes = () =>
      database.rows(
        `SELECT account = $1 AS own, ledgers::text FROM settlement.history_holes
         WHERE account = ANY($2) ORDER BY own DESC, ledgers`,
        [account, [account, other]],
      );
    await storeWhole(database.pool, whole(25, [account]));
    await storeWhole(database.pool, whole(40, [account]));
    expect(await holes()).toEqual([
      { own: true, ledgers: '[21,25)' },
      { own: false, ledgers: '[21,31)' },
    ]);
  });

  test('is noted once: later notes of it keep its age, and do not grow it', async () => {
    const account = newAccount();
    for (const to of [23, 25]) {
      await noteHole(database.db, [account], notShown(21, to));
    }
    expect(
      await database.rows('SELECT ledgers::text FROM settlement.history_holes WHERE account = $1', [
        account,
      ]),
    ).toEqual([{ ledgers: '[21,24)' }]);
  });
});

describe('the network read ledger by ledger', () => {
  test('begins anew by locking the reading first, as a ledger that is being stored does', async () => {
    const own = await createTestDatabase({ max: 4 });
    const account = newAccount();
    await registerAccount(own.db, { account, start: { afterLedger: 100, known: null } });
    await beginNetworkReading(own.pool, 100);
    await storeLedger(own.pool, whole(101, [account]));
    const storing = await own.pool.connect();
    await storing.query('BEGIN; SELECT FROM settlement.network_reading FOR UPDATE');
    const begun = beginNetworkReading(own.pool, 500);
    const isWaiting = async () => {
      const rows = await own.rows(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      );
      return rows.length > 0;
    };
    while (!(await isWaiting()));
    // The account is free: the ledger that is being stored may let it join.
    await storing.query(`SELECT FROM settlement.watched_accounts FOR UPDATE NOWAIT`);
    await storing.query('COMMIT');
    storing.release();
    await begun;
    expect(await networkReading(own.db)).toBe(500);
    await own.close();
  });

  test('counts for an account from the ledger that was read for it, and not for one that joined meanwhile', async () => {
    const own = await createTestDatabase({ max: 4 });
    const [first, joins] = [newAccount(), newAccount()];
    const watch = (account: string) =>
      registerAccount(own.db, { account, start: { afterLedger: 100, known: null } });
    const from = async () =>
      own.rows<{ account: string; network_from: string | null }>(
        'SELECT account, network_from::int FROM settlement.watched_accounts ORDER BY network_from NULLS LAST',
      );
    await watch(first);
    expect(await networkReading(own.db)).toBeNull();
    await beginNetworkReading(own.pool, 100);
    expect(await storeLedger(own.pool, whole(102, [first]))).toBe(false);
    expect(await storeLedger(own.pool, whole(101, [first]))).toBe(true);
    // It was read before this one was watched, and is stored after: nobody has looked for its payments there.
    const reading = whole(102, [first]);
    await watch(joins);
    expect(await storeLedger(own.pool, reading)).toBe(true);
    expect(await from()).toEqual([
      { account: first, network_from: 101 },
      { account: joins, network_from: null },
    ]);
    expect(await storeLedger(own.pool, whole(103, [first, joins]))).toBe(true);
    // A watcher that began before the other had joined reads without it: refused, rows and all.
    const payment = paymentFor({ account: first, reference: '1' }, '1', { ledger: 104 });
    expect(await storeLedger(own.pool, whole(104, [first], [payment]))).toBe(false);
    expect(await own.rows('SELECT FROM settlement.ledger_payments')).toEqual([]);
    expect(await networkReading(own.db)).toBe(103);
    expect(await storeLedger(own.pool, whole(104, [first, joins], [payment]))).toBe(true);
    expect(await from()).toEqual([
      { account: first, network_from: 101 },
      { account: joins, network_from: 103 },
    ]);
    await own.close();
  });

  test('of two watchers that store a ledger at the same time, one is told that it was late', async () => {
    const own = await createTestDatabase({ max: 8 });
    await beginNetworkReading(own.pool, 100);
    const stored = await Promise.all(
      Array.from({ length: 8 }, () => storeLedger(own.pool, whole(101, []))),
    );
    expect(stored.filter(Boolean)).toHaveLength(1);
    await own.close();
  });

  test('keeps what it covered when it begins anew behind a gap', async () => {
    const own = await createTestDatabase({ max: 4 });
    const account = newAccount();
    await registerAccount(own.db, { account, start: { afterLedger: 100, known: null } });
    await beginNetworkReading(own.pool, 100);
    for (const n of [101, 102]) await storeLedger(own.pool, whole(n, [account]));
    await beginNetworkReading(own.pool, 500);
    await storeLedger(own.pool, whole(501, [account]));
    const { rows } = await own.db.execute(
      sql`SELECT ${proven(sql`${account}`, sql`'native'`)}::text AS proven`,
    );
    expect(rows).toEqual([{ proven: '{[101,103),[501,502)}' }]);
    await own.close();
  });
});

const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);
