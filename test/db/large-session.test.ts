/** A session that strangers have sent thousands of payments: the audit and the held list read it page by page. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { audit } from '../../src/db/audit.ts';
import { onClient, type Db } from '../../src/db/connection.ts';
import { heldOfSession, heldSessions } from '../../src/db/held.ts';
import { heldWithoutSession } from '../../src/db/held-strays.ts';
import { findWrongTotals, forgetTotals } from '../../src/db/totals-check.ts';
import { markUnmatched } from '../../src/db/worklists.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { settleTogether } from '../support/settle.ts';
import { minute } from '../domain/build.ts';
import { insertSession, receive, type StoredSession } from './build.ts';
import { analyze, dust } from './dust.ts';

const MANY = 4_000;
/** No statement gives more rows or bytes than a page of payments has. */
const [MOST_ROWS, MOST_BYTES] = [1_100, 1_500_000];

let database: TestDatabase;
let many: StoredSession;
beforeAll(async () => {
  database = await createTestDatabase({ max: 4 });
  many = await insertSession(database);
  await dust(database, many, { count: MANY });
  await receive(database, many, '10', { closedAt: minute(5.5) });
  await settleTogether(database.pool, [many.id]);
  await analyze(database);
}, 120_000);
afterAll(() => database.close());

/** The largest answer of the database to what is asked. */
async function largestAnswer(ask: (db: Db) => Promise<unknown>) {
  let [rows, bytes] = [0, 0];
  const { pool } = database;
  const connect = pool.connect.bind(pool);
  const measured = (answer: { rows?: unknown[] }) => {
    rows = Math.max(rows, answer.rows?.length ?? 0);
    bytes = Math.max(bytes, JSON.stringify(answer.rows ?? []).length);
    return answer;
  };
  const spied = (target: { query: unknown }) => {
    const query = (target.query as (...args: unknown[]) => unknown).bind(target);
    target.query = (...args: unknown[]) => {
      const answer = query(...args);
      return answer instanceof Promise ? answer.then(measured) : answer;
    };
    return () => (target.query = query);
  };
  const restore = spied(pool);
  const undo: (() => unknown)[] = [];
  pool.connect = (async (...args: Parameters<typeof connect>) => {
    // The pool's own statements ask with a callback; they are seen where they were sent.
    if (args.length > 0) return connect(...args);
    const client = await connect();
    undo.push(spied(client));
    return client;
  }) as typeof pool.connect;
  try {
    await ask(database.db);
  } finally {
    restore();
    for (const one of undo) one();
    pool.connect = connect;
  }
  return { rows, bytes };
}

describe('beside thousands of payments', () => {
  test('the audit finds nothing wrong, and no answer holds more than a page', async () => {
    let findings: readonly unknown[] = [];
    const largest = await largestAnswer(async (db) => {
      ({ findings } = await audit(db));
    });
    expect(findings).toEqual([]);
    expect(largest.rows).toBeLessThanOrEqual(MOST_ROWS);
    expect(largest.bytes).toBeLessThanOrEqual(MOST_BYTES);
  });

  test('the audit finds the one that was tampered with, and what follows from it', async () => {
    const client = await database.pool.connect();
    try {
      await client.query('BEGIN');
      const { rowCount } = await client.query(
        `UPDATE settlement.ledger_payments SET verdict = 'late' WHERE tx_hash IN (SELECT tx_hash
           FROM settlement.ledger_payments WHERE session_id = $1 AND verdict = 'wrong_asset'
           ORDER BY operation_id OFFSET 2500 LIMIT 1)`,
        [many.id],
      );
      expect(rowCount).toBe(1);
      const { findings } = await audit(onClient(client));
      expect(findings).toContainEqual(
        expect.objectContaining({
          check: 'wrong_verdict',
          problem: expect.stringContaining('is held as late, but'),
        }),
      );
      // The sums that were told before are not those of now.
      expect(findings.map(({ check }) => check)).toContain('event_bytes');
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
  });

  test('what is held is told by sums and the first and last few', async () => {
    const largest = await largestAnswer(async (db) => {
      const { found, next } = await heldSessions(db, many.account, null);
      expect(next).toBeNull();
      expect(found).toMatchObject([
        {
          sessionId: many.id,
          isAll: false,
          sums: [{ reason: 'wrong_asset', asset: 'native', amount: '0.0004000', payments: MANY }],
        },
      ]);
      expect(found[0]?.payments.length).toBe(9);
    });
    expect(largest.rows).toBeLessThanOrEqual(MOST_ROWS);
    expect(largest.bytes).toBeLessThanOrEqual(MOST_BYTES);
  });

  test('every held payment is listed once, page by page', async () => {
    const keys: string[] = [];
    const largest = await largestAnswer(async (db) => {
      for await (const page of heldOfSession(db, many.id)) {
        keys.push(...page.map(({ payment }) => payment));
      }
    });
    expect(new Set(keys).size).toBe(MANY);
    expect(keys).toHaveLength(MANY);
    expect(largest.rows).toBeLessThanOrEqual(MOST_ROWS);
  });

  test('payments that name no session are marked and listed in parts', async () => {
    const stray = await insertSession(database);
    await dust(database, { ...stray, reference: 'nobody' }, { count: 2_500 });
    expect(await markUnmatched(database.db)).toHaveLength(1_000);
    while ((await markUnmatched(database.db)).length > 0);
    let listed = 0;
    const largest = await largestAnswer(async (db) => {
      for await (const page of heldWithoutSession(db, stray.account)) listed += page.length;
    });
    expect(listed).toBe(2_500);
    expect(largest.rows).toBeLessThanOrEqual(MOST_ROWS);
  });
});

describe('running totals that are wrong', () => {
  const totals = async () =>
    (
      await database.rows<{ totals: { credited: string } }>(
        'SELECT totals FROM settlement.session_totals WHERE session_id = $1',
        [many.id],
      )
    )[0]?.totals;
  const wrong = async () => (await findWrongTotals(database.db, null)).found;
  const checks = async () => (await audit(database.db)).findings.map(({ check }) => check);

  test('are found by the audit and by reconciliation, and counted anew once they are forgotten', async () => {
    const right = await totals();
    expect(await wrong()).toEqual([]);
    await database.rows(
      `UPDATE settlement.session_totals SET totals = jsonb_set(totals, '{credited}', '"9.0000000"') WHERE session_id = $1`,
      [many.id],
    );
    expect(await checks()).toContain('totals');
    const found = await wrong();
    expect(found).toMatchObject([{ sessionId: many.id }]);
    await forgetTotals(database.db, found);
    await settleTogether(database.pool, [many.id]);
    expect(await totals()).toMatchObject({ credited: right?.credited });
    expect(await checks()).toEqual([]);
  });

  test('are not forgotten where they were written since', async () => {
    const now = await totals();
    expect(now).toBeDefined();
    await forgetTotals(database.db, [{ sessionId: many.id, totals: '{}' }]);
    expect(await totals()).toEqual(now);
  });

  test('also where an owner took payments away, past the triggers', async () => {
    await database.rows('ALTER TABLE settlement.ledger_payments DISABLE TRIGGER USER');
    await database.rows(
      `DELETE FROM settlement.ledger_payments WHERE session_id = $1 AND verdict = 'wrong_asset'`,
      [many.id],
    );
    await database.rows('ALTER TABLE settlement.ledger_payments ENABLE TRIGGER USER');
    expect(await checks()).toContain('totals');
    await forgetTotals(database.db, await wrong());
    await settleTogether(database.pool, [many.id]);
    expect(await wrong()).toEqual([]);
    expect(await checks()).not.toContain('totals');
  });
});
