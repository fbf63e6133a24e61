import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { sql } from 'drizzle-orm';
import { connect, type Database, type Db } from '../../src/db/connection.ts';
import { CommitRefused, MAX_TRIES, serializable } from '../../src/db/serializable.ts';
import { errorCode } from '../../src/db/sqlstate.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { commitReplyLost } from './commit-reply-lost.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
  await database.rows('CREATE TABLE counter (id int PRIMARY KEY, n int NOT NULL)');
});
beforeEach(async () => {
  await database.rows('TRUNCATE counter');
  await database.rows('INSERT INTO counter VALUES (1, 0)');
});
afterAll(() => database.close());

const count = async () => (await database.rows<{ n: number }>('SELECT n FROM counter'))[0]?.n;

async function read(tx: Db): Promise<number> {
  const { rows } = await tx.execute<{ n: number }>(sql`SELECT n FROM counter WHERE id = 1`);
  return rows[0]?.n ?? 0;
}

const write = (tx: Db, n: number) => tx.execute(sql`UPDATE counter SET n = ${n} WHERE id = 1`);

async function backend(tx: Db): Promise<number> {
  const { rows } = await tx.execute<{ pid: number }>(sql`SELECT pg_backend_pid() AS pid`);
  return rows[0]?.pid ?? 0;
}

/** Ends the connection of a backend, and resolves when it is gone. */
async function terminate(pid: number): Promise<void> {
  await database.rows('SELECT pg_terminate_backend($1, 5000)', [pid]);
}

/** All connections are back, and there are at most as many as were in use. */
function expectNothingLeaked({ pool }: Pick<Database, 'pool'>): void {
  expect(pool.idleCount).toBe(pool.totalCount);
  expect(pool.waitingCount).toBe(0);
}

describe('a SERIALIZABLE transaction', () => {
  test('gives its value, and did not have to be repeated', async () => {
    const result = await serializable(database.pool, async (tx) => {
      const { rows } = await tx.execute(sql`SHOW transaction_isolation`);
      await write(tx, 7);
      return rows;
    });
    expect(result).toEqual({ value: [{ transaction_isolation: 'serializable' }], retries: 0 });
    expect(await count()).toBe(7);
  });

  test('is run again from the start when a rival changed what it read (40001)', async () => {
    let runs = 0;
    const { value, retries } = await serializable(database.pool, async (tx) => {
      runs += 1;
      const seen = await read(tx);
      if (runs === 1) await database.rows('UPDATE counter SET n = n + 10');
      await write(tx, seen + 1);
      return seen;
    });
    expect({ value, retries, count: await count() }).toEqual({ value: 10, retries: 1, count: 11 });
    expectNothingLeaked(database);
  });

  test('finds, in the second run, the key that a rival inserted during the first (23505)', async () => {
    const codes: unknown[] = [];
    const { value } = await serializable(database.pool, async (tx) => {
      // The first run looks at another key: had it looked for this one, the insert would fail with 40001.
      const { rows } = await tx.execute(sql`SELECT FROM counter WHERE id = ${codes.length + 1}`);
      if (codes.length > 0) return rows.length;
      await database.rows('INSERT INTO counter VALUES (2, 0)');
      await tx.execute(sql`INSERT INTO counter VALUES (2, 1)`).catch((error: unknown) => {
        codes.push(errorCode(error));
        throw error;
      });
      return 'inserted';
    });
    expect({ value, codes }).toEqual({ value: 1, codes: ['23505'] });
  });

  test('gives up after a bounded number of runs, with the error of the last', async () => {
    const random = jest.spyOn(Math, 'random').mockReturnValue(0);
    let runs = 0;
    const hopeless = serializable(database.pool, async (tx) => {
      runs += 1;
      await read(tx);
      await database.rows('UPDATE counter SET n = n + 1');
      await write(tx, -1);
    });
    expect(errorCode(await hopeless.catch((error: unknown) => error))).toBe('40001');
    random.mockRestore();
    expect(runs).toBe(MAX_TRIES);
    expect(await count()).toBe(MAX_TRIES);
    expectNothingLeaked(database);
  });

  test('is not run again for an error that repeats itself, and is rolled back', async () => {
    let runs = 0;
    const failing = serializable(database.pool, async (tx) => {
      runs += 1;
      await write(tx, 1);
      throw new Error('A defect.');
    });
    await expect(failing).rejects.toThrow('A defect.');
    expect({ runs, count: await count() }).toEqual({ runs: 1, count: 0 });
    expectNothingLeaked(database);
  });

  test('does not take a COMMIT that says ROLLBACK for a commit', async () => {
    const swallowing = serializable(database.pool, async (tx) => {
      await write(tx, 1);
      await tx.execute(sql`SELECT 1 / 0`).catch(() => undefined);
      return 'all is well';
    });
    await expect(swallowing).rejects.toThrow(CommitRefused);
    expect(await count()).toBe(0);
    expectNothingLeaked(database);
  });
});

describe('a connection that is lost', () => {
  let own: Database;
  let removed: number;
  const reported: Error[] = [];
  beforeEach(() => {
    own = connect(database.url, { max: 2, onError: (error) => reported.push(error) });
    removed = 0;
    own.pool.on('remove', () => (removed += 1));
    reported.length = 0;
  });

  test('in the middle: the transaction happens once, on another connection', async () => {
    const pids: number[] = [];
    const { value } = await serializable(own.pool, async (tx) => {
      pids.push(await backend(tx));
      const seen = await read(tx);
      await write(tx, seen + 1);
      if (pids.length === 1) await terminate(pids[0] ?? 0);
      return read(tx);
    });
    expect({ value, count: await count() }).toEqual({ value: 1, count: 1 });
    expect(new Set(pids).size).toBe(2);
    // The pool also lets go of connections that were idle for 10 s, on a machine that is slow enough.
    expect(removed).toBeGreaterThan(0);
    expectNothingLeaked(own);
    await own.close();
  });

  test('during COMMIT, which therefore did not happen: it happens in the next run', async () => {
    await database.rows(`CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN PERFORM pg_advisory_xact_lock(42); RETURN NULL; END $$`);
    await database.rows(`CREATE CONSTRAINT TRIGGER slow_commit AFTER UPDATE ON counter
      DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait()`);
    const holder = await database.pool.connect();
    await holder.query('SELECT pg_advisory_lock(42)');
    let runs = 0;
    let pid = 0;
    const running = serializable(own.pool, async (tx) => {
      runs += 1;
      pid = await backend(tx);
      const seen = await read(tx);
      await write(tx, seen + 1);
      return { run: runs, seen };
    });
    await waitingIn(() => pid, 'COMMIT');
    await terminate(pid);
    await holder.query('SELECT pg_advisory_unlock(42)');
    holder.release();
    expect((await running).value).toEqual({ run: 2, seen: 0 });
    expect(await count()).toBe(1);
    // The pool also lets go of connections that were idle for 10 s, on a machine that is slow enough.
    expect(removed).toBeGreaterThan(0);
    expectNothingLeaked(own);
    await database.rows('DROP TRIGGER slow_commit ON counter');
    await own.close();
  });

  test('after COMMIT, before its answer: the next run finds that it happened', async () => {
    const proxy = await commitReplyLost(database.url);
    const through = connect(proxy.url, { max: 2 });
    let runs = 0;
    const { value } = await serializable(through.pool, async (tx) => {
      runs += 1;
      if ((await read(tx)) === 1) return 'had happened';
      await write(tx, 1);
      return 'done now';
    });
    expect({ value, runs, lost: proxy.lost(), count: await count() }).toEqual({
      value: 'had happened',
      runs: 2,
      lost: 1,
      count: 1,
    });
    expectNothingLeaked(through);
    await through.close();
    await own.close();
    proxy.close();
  });

  test('perhaps, since an answer is overdue: it is not trusted with another transaction', async () => {
    const pids: number[] = [];
    const { value } = await serializable(own.pool, async (tx) => {
      pids.push(await backend(tx));
      await write(tx, pids.length);
      if (pids.length === 1) throw new Error('Query read timeout');
      return read(tx);
    });
    expect({ value, count: await count() }).toEqual({ value: 2, count: 2 });
    expect(new Set(pids).size).toBe(2);
    // The pool also lets go of connections that were idle for 10 s, on a machine that is slow enough.
    expect(removed).toBeGreaterThan(0);
    expectNothingLeaked(own);
    await own.close();
  });

  test('while idle: it is reported, the process goes on, and so does the pool', async () => {
    const { rows } = await own.pool.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    const gone = new Promise((resolve) => own.pool.once('remove', resolve));
    await terminate(rows[0]?.pid ?? 0);
    await gone;
    expect(reported.map(errorCode)).toContain('57P01');
    expect((await own.pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await own.close();
  });
});

test('every connection has the limits that keep a worker from hanging, and knows no schema but public', async () => {
  const settings = await database.rows(`SELECT name, setting FROM pg_settings WHERE name IN (
    'statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'search_path', 'synchronous_commit')
    ORDER BY name`);
  expect(settings.map((s) => `${String(s['name'])}=${String(s['setting'])}`)).toEqual([
    'idle_in_transaction_session_timeout=10000',
    'lock_timeout=2000',
    'search_path=public',
    'statement_timeout=5000',
    'synchronous_commit=on',
  ]);
});

/** Resolves when the backend waits for a lock in a statement of this text. */
async function waitingIn(pid: () => number, statement: string): Promise<void> {
  for (;;) {
    const rows = await database.rows(
      `SELECT FROM pg_stat_activity WHERE pid = $1 AND query = $2 AND wait_event_type = 'Lock'`,
      [pid(), statement],
    );
    if (rows.length > 0) return;
  }
}
