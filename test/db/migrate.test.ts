import { afterAll, beforeEach, describe, expect, test } from '@jest/globals';
import { ADDED_COLUMNS } from '../../src/db/adopt-schema.ts';
import { schemaProblems } from '../../src/db/check.ts';
import { migrate } from '../../src/db/migrate.ts';
import { WrongNetwork } from '../../src/db/wrong-network.ts';
import { createTestDatabase, insertMerchant, type TestDatabase } from '../support/database.ts';
import { settleTogether } from '../support/settle.ts';
import { minute, PAYER, txHash, USDC } from '../domain/build.ts';
import { BACKEND_SCHEMA } from './backend.ts';
import {
  insertPaymentRow,
  insertSession,
  newAccount,
  receive,
  stateOf,
  type StoredSession,
} from './build.ts';
import { blocked, startElsewhere } from './elsewhere.ts';

const NETWORK = 'A network of these tests';
const OTHER = 'Another network';

const opened: TestDatabase[] = [];
let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase({ template: null, max: 4 });
  opened.push(database);
});
afterAll(() => Promise.all(opened.map((each) => each.close())));

const run = (networkPassphrase = NETWORK) => migrate(database.url, { networkPassphrase });

/** Everything that a migration can change: columns, constraints, indexes, and what was recorded. */
async function structure(): Promise<Record<string, unknown[]>> {
  const rows = (statement: string) => database.rows(statement);
  const columns = await rows(`SELECT table_schema, table_name, column_name, data_type, is_nullable
    FROM information_schema.columns WHERE table_schema IN ('public', 'settlement') ORDER BY 1, 2, 3`);
  const indexes =
    await rows(`SELECT c.relname, pg_get_indexdef(i.indexrelid) AS definition, i.indisvalid
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE c.relnamespace IN (to_regnamespace('public'), to_regnamespace('settlement')) ORDER BY 1`);
  const constraints =
    await rows(`SELECT conrelid::regclass::text AS on, conname, pg_get_constraintdef(oid) AS is
    FROM pg_constraint WHERE connamespace IN (to_regnamespace('public'), to_regnamespace('settlement')) ORDER BY 1, 2`);
  const [there] = await rows(`SELECT to_regclass('settlement.network') IS NOT NULL AS ours`);
  if (!there?.['ours']) return { columns, indexes, constraints };
  return {
    columns,
    indexes,
    constraints,
    network: await rows('SELECT * FROM settlement.network'),
    migrations: await rows('SELECT * FROM settlement.migrations'),
  };
}

async function tables(schema: string): Promise<unknown[]> {
  const found = await database.rows(
    'SELECT table_name FROM information_schema.tables WHERE table_schema = $1 ORDER BY 1',
    [schema],
  );
  return found.map((row) => row['table_name']);
}

const BACKEND_TABLES = [
  'api_keys',
  'audit_logs',
  'checkout_sessions',
  'merchants',
  'payment_links',
  'payments',
  'webhook_dead_letters',
  'webhook_deliveries',
  'webhook_endpoints',
];

describe('an empty database', () => {
  test('becomes one that a worker can use, and the next run changes nothing', async () => {
    expect(await run()).toMatchObject({ network: NETWORK, supersededPayments: 0 });
    expect(await schemaProblems(database.db, NETWORK)).toEqual([]);
    const before = await structure();
    expect(await run()).toMatchObject({ network: NETWORK, supersededPayments: 0 });
    expect(await structure()).toEqual(before);
    const session = await insertSession(database);
    await receive(database, session, '10');
    await settleTogether(database.pool, [session.id]);
    expect((await stateOf(database, session.id)).status).toBe('paid');
  });

  test('is migrated by a role that is no superuser and is called like our schema: each table goes where it belongs', async () => {
    const [role] = await database.rows(
      'SELECT usename, usesuper FROM pg_user WHERE usename = current_user',
    );
    expect(role).toEqual({ usename: 'settlement', usesuper: false });
    await run();
    await run();
    expect(await tables('public')).toEqual(BACKEND_TABLES);
    const ours = await tables('settlement');
    expect(ours).toContain('ledger_payments');
    expect(ours.filter((table) => BACKEND_TABLES.includes(String(table)))).toEqual([]);
    const [types] = await database.rows(`SELECT count(*)::int AS n FROM pg_type
      WHERE typtype = 'e' AND typnamespace = 'settlement'::regnamespace`);
    expect(types).toEqual({ n: 0 });
  });

  test('may be migrated by two processes at once', async () => {
    const script = `const { migrate } = await src('db/migrate.ts');
      return migrate(input.url, { networkPassphrase: input.network });`;
    const input = { url: database.url, network: NETWORK };
    const processes = await Promise.all(
      [1, 2].map(() => startElsewhere(database.url, input, script)),
    );
    const report = { network: NETWORK, supersededPayments: 0 };
    expect(await Promise.all(processes.map((p) => p.go()))).toMatchObject([report, report]);
    expect(await schemaProblems(database.db, NETWORK)).toEqual([]);
    const done = await database.rows<{ hash: string }>('SELECT hash FROM settlement.migrations');
    expect(new Set(done.map(({ hash }) => hash)).size).toBe(done.length);
  });

  test('that two networks claim at once belongs to one of them', async () => {
    const results = await Promise.allSettled([run(NETWORK), run(OTHER)]);
    const refused = results.filter((result) => result.status === 'rejected');
    expect(refused.map(({ reason }) => reason as unknown)).toEqual([expect.any(WrongNetwork)]);
    expect(await database.rows('SELECT FROM settlement.network')).toHaveLength(1);
  });
});

describe('the database of another network', () => {
  test('is refused before anything is changed', async () => {
    await run(OTHER);
    // What a migration would mend.
    await database.rows('DROP INDEX payments_one_live_per_session, checkout_sessions_by_reference');
    await database.rows('DROP TABLE webhook_endpoints');
    await database.rows('DELETE FROM settlement.migrations');
    const session = await insertSession(database);
    for (const n of [1, 2]) await insertPaymentRow(database, session, transaction(n));
    const before = [await structure(), await payments(session)];
    await expect(run(NETWORK)).rejects.toThrow(WrongNetwork);
    await expect(run(NETWORK)).rejects.toThrow(OTHER);
    expect([await structure(), await payments(session)]).toEqual(before);
  });
});

describe('the database of an existing backend', () => {
  let merchantId: string;
  beforeEach(async () => {
    await database.rows(BACKEND_SCHEMA);
    merchantId = await insertMerchant(database);
  });

  const old = (status: string, reference: string) =>
    insertBackendSession(merchantId, status, reference);

  test('is adopted with its data: only nullable columns, indexes and missing tables are added', async () => {
    const session = await old('expired', 'a');
    await insertPaymentRow(database, session, transaction(1));
    const before = await structure();
    const rows = await database.rows('SELECT to_jsonb(s) AS row FROM checkout_sessions s');
    await run();
    const after = await structure();
    expect(after['columns']).toEqual(expect.arrayContaining(before['columns'] ?? []));
    expect(after['constraints']).toEqual(expect.arrayContaining(before['constraints'] ?? []));
    expect(after['indexes']).toEqual(expect.arrayContaining(before['indexes'] ?? []));
    const had = new Set((before['columns'] ?? []).map((c) => JSON.stringify(c)));
    const added = (after['columns'] as Record<string, unknown>[]).filter(
      (c) =>
        c['table_schema'] === 'public' &&
        !had.has(JSON.stringify(c)) &&
        !['webhook_endpoints', 'payment_links'].includes(String(c['table_name'])),
    );
    // `settle adopt --check` announces these and no others.
    expect(
      added.map((c) => `${String(c['table_name'])}.${String(c['column_name'])}`).toSorted(),
    ).toEqual(ADDED_COLUMNS.toSorted());
    expect(
      added.map(
        (c) => `${String(c['table_name'])}.${String(c['column_name'])} ${String(c['is_nullable'])}`,
      ),
    ).toEqual([
      'checkout_sessions.cancel_at YES',
      'checkout_sessions.closed_through_ledger YES',
      'checkout_sessions.final_deadline YES',
      'checkout_sessions.legacy YES',
      'checkout_sessions.opened_after YES',
      'checkout_sessions.payment_id YES',
      'checkout_sessions.processing_since YES',
      'checkout_sessions.seen_expires_at YES',
      'checkout_sessions.seen_memo YES',
      'checkout_sessions.seen_status YES',
      'checkout_sessions.seen_terms YES',
      'payments.settled_at YES',
      'payments.superseded_by YES',
      'webhook_deliveries.endpoint_id YES',
      'webhook_deliveries.event_id YES',
      'webhook_deliveries.redeliveries YES',
    ]);
    expect(
      await database.rows(`SELECT to_jsonb(s) - 'cancel_at' - 'closed_through_ledger' - 'processing_since' - 'payment_id'
          - 'legacy' - 'opened_after' - 'final_deadline' - 'seen_status' - 'seen_expires_at' - 'seen_memo' - 'seen_terms' AS row FROM checkout_sessions s`),
    ).toEqual(rows);
    expect(await tables('public')).toEqual(BACKEND_TABLES);
    expect(await schemaProblems(database.db, NETWORK)).toEqual([]);
    await run();
    expect(await structure()).toEqual(after);
  });

  test('goes on writing with its own idea of the tables', async () => {
    await run();
    const session = await old('pending', 'a');
    await insertPaymentRow(database, session, transaction(1));
    expect(await payments(session)).toMatchObject([{ tx_hash: txHash(1), superseded: false }]);
  });

  test('keeps the earliest of doubled payments, and settles by it', async () => {
    const session = await old('paid', 'a');
    await insertPaymentRow(database, session, transaction(2));
    const first = await insertPaymentRow(database, session, transaction(1));
    await insertPaymentRow(database, session, transaction(3));
    const single = await old('paid', 'b');
    await insertPaymentRow(database, single, transaction(4));
    expect(await run()).toMatchObject({ network: NETWORK, supersededPayments: 2 });
    expect(await payments(session)).toEqual([
      { tx_hash: txHash(1), by: null, superseded: false },
      { tx_hash: txHash(2), by: first, superseded: true },
      { tx_hash: txHash(3), by: first, superseded: true },
    ]);
    expect(await payments(single)).toMatchObject([{ superseded: false }]);
    expect(await run()).toMatchObject({ network: NETWORK, supersededPayments: 0 });
    await expect(insertPaymentRow(database, session, transaction(5))).rejects.toThrow(
      'payments_one_live_per_session',
    );
    // The money of all three is on the ledger: the row says which of them paid.
    for (const n of [1, 2, 3]) {
      await receive(database, session, '10', { txHash: txHash(n), closedAt: minute(n) });
    }
    await settleTogether(database.pool, [session.id]);
    expect(await stateOf(database, session.id)).toMatchObject({
      status: 'paid',
      payments: [{ txHash: txHash(1) }],
      verdicts: ['credited', 'duplicate', 'duplicate'],
    });
  });

  test('whose index was left invalid by a killed build is mended by the next run', async () => {
    await run();
    await database.rows('DROP INDEX payments_one_live_per_session');
    const session = await old('paid', 'a');
    for (const n of [1, 2]) await insertPaymentRow(database, session, transaction(n));
    await expect(
      database.rows(`CREATE UNIQUE INDEX CONCURRENTLY payments_one_live_per_session
        ON payments (session_id) WHERE superseded_by IS NULL`),
    ).rejects.toThrow('could not create unique index');
    expect(await schemaProblems(database.db, NETWORK)).toHaveLength(1);
    expect(await run()).toMatchObject({ network: NETWORK, supersededPayments: 1 });
    expect(await schemaProblems(database.db, NETWORK)).toEqual([]);
  });

  test('that is busy is waited for', async () => {
    const session = await old('pending', 'a');
    const holder = await database.pool.connect();
    await holder.query('BEGIN');
    await holder.query('SELECT FROM checkout_sessions WHERE id = $1 FOR UPDATE', [session.id]);
    const migrating = run();
    await blocked(database, 1);
    await holder.query(`UPDATE checkout_sessions SET status = 'paid' WHERE id = $1`, [session.id]);
    await holder.query('COMMIT');
    holder.release();
    expect(await migrating).toMatchObject({ network: NETWORK });
    expect((await stateOf(database, session.id)).status).toBe('paid');
  });
});

/** The n-th transaction, closed in minute n. */
function transaction(n: number) {
  return { txHash: txHash(n), sender: PAYER, closedAt: minute(n) };
}

const payments = (session: StoredSession) =>
  database.rows(
    `SELECT tx_hash, to_jsonb(p)->>'superseded_by' AS by, to_jsonb(p)->>'superseded_by' IS NOT NULL AS superseded
     FROM payments p WHERE session_id = $1 ORDER BY confirmed_at`,
    [session.id],
  );

/** A session in the columns that the backend knows. */
async function insertBackendSession(
  merchantId: string,
  status: string,
  reference: string,
): Promise<StoredSession> {
  const account = newAccount();
  const [row] = await database.rows<{ id: string }>(
    `INSERT INTO checkout_sessions (merchant_id, amount, asset_code, asset_issuer, receiving_account, memo, status,
       expires_at, created_at)
     VALUES ($1, '10', 'USDC', $2, $3, $4, $5, $6, $7) RETURNING id`,
    [merchantId, USDC.issuer, account, reference, status, minute(30), minute(0)],
  );
  return { id: row?.id ?? '', merchantId, account, reference };
}
