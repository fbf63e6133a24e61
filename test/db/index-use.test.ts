/** What the watcher asks every turn costs what is due, not what exists: 20,000 open sessions on 2,000 accounts. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { drizzle } from 'drizzle-orm/node-postgres';
import { deletedSessions, placeOpenings, unseenSessions } from '../../src/db/care.ts';
import type { Db } from '../../src/db/connection.ts';
import { newestLedger } from '../../src/db/ledgers.ts';
import * as schema from '../../src/db/schema/index.ts';
import { waitingCancels } from '../../src/db/sessions.ts';
import { missingLedgers, watchedAccounts } from '../../src/db/watching.ts';
import { sessionsToClose, sessionsWithUndecided } from '../../src/db/worklists.ts';
import { createTestDatabase, insertMerchant, type TestDatabase } from '../support/database.ts';
import { minute } from '../domain/build.ts';
import { chain, ledgerAt } from './build.ts';

const ACCOUNTS = 2_000;
const EACH = 10;
/** Of these accounts one session each is over and not covered, or over and covered. */
const DUE = 5;

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase({ max: 2 });
  const merchantId = await insertMerchant(database);
  await chain(database, 24 * 60);
  await database.rows(
    `WITH s AS (
       INSERT INTO checkout_sessions (merchant_id, amount, asset_code, receiving_account, memo, expires_at, created_at,
         opened_after, seen_status, seen_expires_at, seen_memo)
       SELECT $1, 10, 'XLM', 'G' || a, n, t, $2, $3, 'pending', t, n
       FROM generate_series(1, ${ACCOUNTS}) a, generate_series(1, ${EACH}) n,
         LATERAL (SELECT CASE WHEN n = 1 AND a <= ${2 * DUE} THEN $4::timestamptz ELSE $4::timestamptz + interval '2 days' END AS t) x
       RETURNING id, receiving_account, expires_at)
     INSERT INTO settlement.active_sessions (session_id, live_session, account, asset, deadline)
     SELECT id, id, receiving_account, 'native', expires_at FROM s`,
    [merchantId, minute(0), ledgerAt(0) - 1, minute(30)],
  );
  // Accounts that move often have many intervals.
  await database.rows(
    `INSERT INTO settlement.coverage SELECT 'G' || a, 'native',
       CASE WHEN a <= ${DUE} THEN int8multirange(int8range($1::bigint, $2::bigint)) ELSE (
         SELECT range_agg(int8range($1::bigint + i * 40, $1::bigint + i * 40 + 39)) FROM generate_series(0, 50) i) END
     FROM generate_series(1, ${ACCOUNTS}) a`,
    [ledgerAt(0), ledgerAt(1440)],
  );
  await database.rows(
    `INSERT INTO settlement.watched_accounts (account, through_ledger, known_record, read_ledgers)
     SELECT 'G' || a, $2::bigint, '1', int8multirange(int8range($1::bigint, $2::bigint + 1)) FROM generate_series(1, ${ACCOUNTS}) a`,
    [ledgerAt(0), ledgerAt(1440)],
  );
  // Sessions that are over, of years.
  await database.rows(
    `INSERT INTO checkout_sessions (merchant_id, amount, asset_code, receiving_account, memo, status, expires_at,
       created_at, closed_through_ledger)
     SELECT $1, 10, 'XLM', 'G' || i % ${ACCOUNTS}, 'old', 'expired', $2, $2, 1 FROM generate_series(1, 60000) i`,
    [merchantId, minute(-1000)],
  );
  await database.rows('VACUUM ANALYZE');
});
afterAll(() => database.close());

type Plan = {
  'Node Type': string;
  'Relation Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  'Rows Removed by Index Recheck'?: number;
  Plans?: Plan[];
};

/** Rows that were read of each table, those that a filter threw away included. */
function rowsRead(plan: Plan, found: Record<string, number> = {}): Record<string, number> {
  const table = plan['Relation Name'];
  if (table !== undefined) {
    const each = plan['Actual Rows'] + (plan['Rows Removed by Filter'] ?? 0);
    found[table] = Math.round((found[table] ?? 0) + each * plan['Actual Loops']);
  }
  for (const part of plan.Plans ?? []) rowsRead(part, found);
  return found;
}

/** Sends what a function asks, and EXPLAINs it. */
async function explain(ask: (db: Db) => Promise<unknown>) {
  const client = await database.pool.connect();
  try {
    const sent: { sql: string; params: unknown[] }[] = [];
    const logger = {
      logQuery: (sql: string, params: unknown[]) => void sent.push({ sql, params }),
    };
    await ask(drizzle(client, { schema, logger }));
    const [only] = sent;
    await client.query('BEGIN');
    const { rows } = await client.query<{
      'QUERY PLAN': [{ Plan: Plan; 'Execution Time': number; 'Planning Time': number }];
    }>(`EXPLAIN (ANALYZE, FORMAT JSON, TIMING OFF) ${only?.sql}`, only?.params);
    await client.query('ROLLBACK');
    const [plan] = rows[0]?.['QUERY PLAN'] ?? [];
    if (plan === undefined) throw new Error('PostgreSQL explained nothing.');
    return { rows: rowsRead(plan.Plan) };
  } finally {
    client.release();
  }
}

const FIRST = '00000000-0000-0000-0000-000000000000';

// Of each table as many rows as it may read; what is not named it may not read at all.
test.each<[string, (db: Db) => Promise<unknown>, Record<string, number>]>([
  [
    'sessions that end',
    sessionsToClose,
    { active_sessions: 10, checkout_sessions: 10, coverage: 10, ledgers: 21, watched_accounts: 10 },
  ],
  [
    'ledgers that endings wait for',
    (db) => missingLedgers(db, 'accounts'),
    { active_sessions: 10, checkout_sessions: 10, coverage: 10, ledgers: 11, watched_accounts: 10 },
  ],
  ['what the backend wrote', (db) => unseenSessions(db, FIRST), { network: 1 }],
  ['new openings', (db) => placeOpenings(db, 1), { network: 2, ledgers: 1 }],
  ['what the backend deleted', deletedSessions, {}],
  ['cancellations', waitingCancels, {}],
  ['undecided payments', sessionsWithUndecided, {}],
  ['the newest ledger', newestLedger, { ledgers: 1 }],
  [
    'accounts to read',
    watchedAccounts,
    // Each account once, with its own sessions and coverage.
    {
      watched_accounts: 5 * ACCOUNTS,
      active_sessions: ACCOUNTS * EACH,
      coverage: 2 * ACCOUNTS,
    },
  ],
])('%s', async (_what, ask, most) => {
  const { rows } = await explain(ask);
  const tooMany = Object.entries(rows).filter(([table, n]) => n > (most[table] ?? 0));
  expect(tooMany).toEqual([]);
});
