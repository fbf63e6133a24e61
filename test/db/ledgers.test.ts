/** The chain of ledgers: the database refuses what does not fit, keeps what is right, and forgets what is not needed. */
import { afterAll, beforeEach, describe, expect, test } from '@jest/globals';
import {
  firstLedger,
  lastLedgerBefore,
  ledgerHeaders,
  newestLedger,
  pruneLedgers,
  storeAnchor,
  storeRun,
} from '../../src/db/ledgers.ts';
import { HeaderRun, type LedgerHeader } from '../../src/domain/evidence.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { minute } from '../domain/build.ts';
import { headerOf, runAfter } from '../domain/headers.ts';
import { insertSession } from './build.ts';

const opened: TestDatabase[] = [];
let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase({ max: 4 });
  opened.push(database);
});
afterAll(() => Promise.all(opened.map((each) => each.close())));

/** Ledger n; ledger 1000 closes in minute 0. */
const header = (n: number, fields: Partial<LedgerHeader> = {}) =>
  headerOf(n, { atZero: 1000, operationCount: 7, ...fields });

const headers = (from: number, through: number) =>
  Array.from({ length: through - from + 1 }, (_, i) => header(from + i));

const after = (tip: number, shown: readonly LedgerHeader[]) => runAfter(header(tip), shown);

const stored = async () => {
  const rows = await database.rows<{ n: number }>(
    'SELECT sequence::int AS n FROM settlement.ledgers ORDER BY 1',
  );
  return rows.map(({ n }) => n);
};

describe('the chain', () => {
  test('is nothing before its first ledger, and then that one', async () => {
    expect(await newestLedger(database.db)).toBeNull();
    expect(await firstLedger(database.db)).toBeNull();
    await storeAnchor(database.db, header(1000));
    // What comes before the first is not known, and so not stored.
    expect(await newestLedger(database.db)).toEqual({ ...header(1000), previousHash: '' });
  });

  test('goes on by runs, and every header comes back as it was', async () => {
    await storeAnchor(database.db, header(1000));
    await storeRun(database, after(1000, headers(1001, 1010)));
    expect(await newestLedger(database.db)).toEqual(header(1010));
    expect(await ledgerHeaders(database.db, [1011, 1005, 1003])).toEqual([
      header(1003),
      header(1005),
    ]);
    expect(await lastLedgerBefore(database.db, minute(5 / 12))).toEqual(header(1004));
    expect(await lastLedgerBefore(database.db, minute(0))).toBeNull();
  });

  test('of ledgers that share a second is ordered by their numbers', async () => {
    await storeAnchor(database.db, header(1000));
    const closedAt = minute(1 / 12);
    const shared = [1001, 1002, 1003].map((n) => header(n, { closedAt }));
    await storeRun(database, after(1000, shared));
    expect(await lastLedgerBefore(database.db, minute(2 / 12))).toMatchObject({ sequence: 1003 });
  });

  test('refuses a ledger that does not follow what is stored, and stores nothing of its run', async () => {
    await storeAnchor(database.db, header(1000));
    await storeRun(database, after(1000, headers(1001, 1002)));
    const other = header(1002, { hash: 'another 1002' });
    const fork = HeaderRun.after(other, [
      other,
      header(1003, { previousHash: other.hash }),
      header(1004),
    ]);
    await expect(storeRun(database, fork as HeaderRun)).rejects.toMatchObject({
      cause: { constraint: 'ledgers_are_a_chain' },
    });
    const gap = HeaderRun.after(header(1005), [header(1005), header(1006)]);
    await expect(storeRun(database, gap as HeaderRun)).rejects.toMatchObject({
      cause: { constraint: 'ledgers_are_a_chain' },
    });
    expect(await stored()).toEqual([1000, 1001, 1002]);
  });

  test('keeps the ledger that it has, whatever a later run calls it', async () => {
    await storeAnchor(database.db, header(1000));
    await storeRun(database, after(1000, headers(1001, 1001)));
    await storeRun(database, after(1000, [header(1001, { hash: 'another', operationCount: 9 })]));
    expect(await newestLedger(database.db)).toEqual(header(1001));
  });

  test('is the same, whichever of two watchers stores a run first', async () => {
    await storeAnchor(database.db, header(1000));
    const runs = [after(1000, headers(1001, 1100)), after(1000, headers(1001, 1060))];
    await Promise.all([...runs, ...runs].map((run) => storeRun(database, run)));
    expect(await stored()).toEqual(headers(1000, 1100).map(({ sequence }) => sequence));
  });

  test('lets the largest count of operations stand: a node that filters counts too few', async () => {
    await storeAnchor(database.db, header(1000));
    const count = async (operationCount: number) => {
      await storeRun(database, after(1000, [header(1001, { operationCount })]));
      return (await newestLedger(database.db))?.operationCount;
    };
    expect([await count(3), await count(9), await count(5)]).toEqual([3, 9, 9]);
    // The first ledger gets the hash of the one before it from a node that counts too few.
    const first = header(1000, { operationCount: 1 });
    const run = HeaderRun.before(first, [first, header(999)]);
    await storeRun(database, run as HeaderRun, { isAnchor: true });
    expect(await ledgerHeaders(database.db, [1000])).toEqual([header(1000)]);
  });

  test('grows backwards from its first ledger', async () => {
    await storeAnchor(database.db, header(1000));
    const run = HeaderRun.before(header(1000), headers(990, 1000).toReversed());
    await storeRun(database, run as HeaderRun, { isAnchor: true });
    expect(await firstLedger(database.db)).toEqual({ ...header(990), previousHash: '' });
    expect(await ledgerHeaders(database.db, [1000])).toEqual([header(1000)]);
    const wrong = HeaderRun.before(header(990), [
      header(990, { previousHash: 'another' }),
      header(989, { hash: 'another' }),
    ]);
    await storeRun(database, wrong as HeaderRun, { isAnchor: true });
    expect(await firstLedger(database.db)).toMatchObject({ sequence: 989 });
  });

  test('begins anew behind a gap, and grows backwards there', async () => {
    await storeAnchor(database.db, header(1000));
    await storeAnchor(database.db, header(5000));
    expect(await firstLedger(database.db)).toMatchObject({ sequence: 5000 });
    const run = HeaderRun.before(header(5000), headers(4990, 5000).toReversed());
    await storeRun(database, run as HeaderRun, { isAnchor: true });
    expect(await firstLedger(database.db)).toMatchObject({ sequence: 4990 });
  });
});

describe('pruning', () => {
  /** A chain of 40 days, with a ledger for every 1000 seconds. */
  async function longChain(): Promise<void> {
    await database.rows(
      `INSERT INTO settlement.ledgers (sequence, hash, prev_hash, closed_at, operation_count)
       SELECT n, 'h' || n, CASE WHEN n > 1 THEN 'h' || n - 1 END, $1::timestamptz + (n - 10000) * interval '1000 seconds', 0
       FROM generate_series(1, 3456) AS n`,
      [minute(0)],
    );
  }
  const left = async () => {
    const [row] = await database.rows<{ first: number; n: number; anchored: boolean }>(
      `SELECT min(sequence)::int AS first, count(*)::int AS n,
        bool_and((prev_hash IS NULL) = (sequence = (SELECT min(sequence) FROM settlement.ledgers))) AS anchored
       FROM settlement.ledgers`,
    );
    return row;
  };

  test('forgets what is older than a month, and the first that is left begins the chain', async () => {
    await longChain();
    expect(await pruneLedgers(database.db)).toBe(3456 - 2592 - 1);
    expect(await left()).toEqual({ first: 864, n: 2593, anchored: true });
    expect(await pruneLedgers(database.db)).toBe(0);
    expect(await firstLedger(database.db)).toMatchObject({ sequence: 864 });
  });

  test('keeps what an open session needs, from the ledger before its opening on', async () => {
    await longChain();
    const session = await insertSession(database, { covered: null });
    await database.rows('UPDATE checkout_sessions SET opened_after = 500 WHERE id = $1', [
      session.id,
    ]);
    await pruneLedgers(database.db);
    expect(await left()).toMatchObject({ first: 500, anchored: true });
    await database.rows('UPDATE settlement.active_sessions SET deadline = NULL');
    await pruneLedgers(database.db);
    expect(await left()).toMatchObject({ first: 864 });
  });

  test('forgets nothing while a session is older than the chain', async () => {
    await longChain();
    const session = await insertSession(database, { covered: null });
    await database.rows('UPDATE checkout_sessions SET opened_after = 0 WHERE id = $1', [
      session.id,
    ]);
    expect(await pruneLedgers(database.db)).toBe(0);
  });

  test('of an empty chain, and across a gap, is no error', async () => {
    expect(await pruneLedgers(database.db)).toBe(0);
    await longChain();
    // The chain began anew where the month begins.
    await database.rows('UPDATE settlement.ledgers SET prev_hash = NULL WHERE sequence = 864');
    expect(await pruneLedgers(database.db)).toBe(863);
    expect(await left()).toEqual({ first: 864, n: 2593, anchored: true });
  });
});
