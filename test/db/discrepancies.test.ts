/** Where reconciliation looks: page by page, each session once, by the indexes that hold only what is wrong. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { drizzle } from 'drizzle-orm/node-postgres';
import { findSessions, type SessionDiscrepancy } from '../../src/db/discrepancies.ts';
import * as schema from '../../src/db/schema/index.ts';
import { createTestDatabase, insertMerchant, type TestDatabase } from '../support/database.ts';

/** More than two pages of each kind; five sessions at a time have one deadline. */
const EACH = 450;
let database: TestDatabase;

/** The shape of each kind, as a SET of checkout_sessions; `inCare`: it stands in the work list. */
const KINDS: readonly { kind: SessionDiscrepancy; set: string; inCare: boolean }[] = [
  { kind: 'not_in_care', set: `status = 'pending'`, inCare: false },
  { kind: 'overdue', set: `status = 'pending'`, inCare: true },
  { kind: 'stuck_processing', set: `status = 'processing'`, inCare: true },
  { kind: 'foreign_ending', set: `status = 'expired'`, inCare: false },
  { kind: 'paid_without_payment', set: `status = 'paid'`, inCare: false },
];

beforeAll(async () => {
  database = await createTestDatabase();
  const merchant = await insertMerchant(database);
  for (const { kind, set, inCare } of KINDS) {
    // A stuck one is not overdue, too.
    const deadline = kind === 'stuck_processing' ? '1 hour' : '-1 hour';
    await database.rows(
      `INSERT INTO checkout_sessions (merchant_id, amount, asset_code, receiving_account, memo, created_at, expires_at)
       SELECT $1, 10, 'XLM', 'G', $2, now() - interval '2 hours', now() + $3::interval - interval '1 second' * (i / 5)
       FROM generate_series(1, ${EACH}) i`,
      [merchant, kind, deadline],
    );
    await database.rows(`UPDATE checkout_sessions SET ${set} WHERE memo = $1`, [kind]);
    if (inCare) {
      await database.rows(
        `INSERT INTO settlement.active_sessions (session_id, account, asset, deadline)
         SELECT id, 'G', 'native', expires_at FROM checkout_sessions WHERE memo = $1`,
        [kind],
      );
    }
  }
});
afterAll(() => database.close());

test.each(KINDS)('$kind: every session once, page by page, and no other', async ({ kind }) => {
  const found: string[] = [];
  let after: string | null = null;
  do {
    const page = await findSessions(database.db, kind, { after, thorough: false });
    found.push(...page.found);
    after = page.next;
  } while (after !== null);
  const expected = await database.rows<{ id: string }>(
    'SELECT id FROM checkout_sessions WHERE memo = $1 ORDER BY id',
    [kind],
  );
  expect(found.toSorted()).toEqual(expected.map(({ id }) => id));
});

test.each<[SessionDiscrepancy, string]>([
  ['not_in_care', 'checkout_sessions_open'],
  ['stuck_processing', 'checkout_sessions_discrepancy'],
  ['foreign_ending', 'checkout_sessions_discrepancy'],
  ['paid_without_payment', 'checkout_sessions_discrepancy'],
  ['unsettled_payment', 'payments_unsettled'],
])('%s is looked for by the index %s', async (kind, index) => {
  const client = await database.pool.connect();
  const sent: { sql: string; params: unknown[] }[] = [];
  const logger = { logQuery: (sql: string, params: unknown[]) => void sent.push({ sql, params }) };
  await findSessions(drizzle(client, { schema, logger }), kind, { after: null, thorough: false });
  // PostgreSQL reads so small a table whole where it may; an index that does not fit it cannot use at all.
  await client.query('SET enable_seqscan = off');
  const plan = await client.query(`EXPLAIN (FORMAT JSON) ${sent[0]?.sql}`, sent[0]?.params);
  client.release(true);
  expect(JSON.stringify(plan.rows)).toContain(`"Index Name":"${index}"`);
});
