/** What each role is refused. That the app's rights are enough is shown by the whole system, which works with them. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Client } from 'pg';
import { auditDatabase } from '../../src/db/audit.ts';
import { schemaProblems } from '../../src/db/check.ts';
import { connect, type Database } from '../../src/db/connection.ts';
import { migrate } from '../../src/db/migrate.ts';
import { lastRun } from '../../src/db/reconcile-runs.ts';
import { APP_RIGHTS, CLOSED, HIDDEN, SHOWN, TABLES } from '../../src/db/rights.ts';
import { grantRights } from '../../src/db/roles.ts';
import { readStanding } from '../../src/db/standing.ts';
import { SANDBOX_PASSPHRASE } from '../../src/sandbox/ledger/start.ts';
import { createTestDatabase, ROLES, type TestDatabase } from '../support/database.ts';
import { settleTogether } from '../support/settle.ts';
import { insertSession, receive } from './build.ts';

let database: TestDatabase;
let app: Database;
let reader: Database;
beforeAll(async () => {
  database = await createTestDatabase();
  [app, reader] = [connect(database.appUrl), connect(database.readUrl)];
  const session = await insertSession(database);
  await receive(database, session, '10');
  await settleTogether(app.pool, [session.id]);
});
afterAll(() => Promise.all([app.close(), reader.close(), database.close()]));

/** The SQLSTATE of a statement, or what it did. */
const outcomeOf = ({ pool }: Database, statement: string): Promise<string> =>
  pool.query(statement).then(
    ({ command }) => command,
    (error: Error & { code?: string }) => error.code ?? error.message,
  );

const REFUSED = '42501';

test('every table that there is has its line in the list of rights', async () => {
  const there = await database.rows<{ name: string }>(
    `SELECT schemaname || '.' || tablename AS name FROM pg_tables WHERE schemaname IN ('public', 'settlement') ORDER BY 1`,
  );
  expect([...TABLES].toSorted()).toEqual(there.map(({ name }) => name));
});

describe('the role of workers', () => {
  test('settles: it has written the payment of a session', async () => {
    expect(await database.rows('SELECT amount FROM payments')).toHaveLength(1);
    expect(await schemaProblems(app.db, SANDBOX_PASSPHRASE)).toEqual([]);
  });

  test.each([
    'DELETE FROM payments',
    'TRUNCATE payments CASCADE',
    'UPDATE payments SET amount = 1',
    "UPDATE payments SET tx_hash = ''",
    'DELETE FROM checkout_sessions',
    'UPDATE checkout_sessions SET amount = 1',
    "UPDATE checkout_sessions SET receiving_account = 'G'",
    'DELETE FROM settlement.ledger_payments',
    'UPDATE settlement.ledger_payments SET amount = 1',
    'DELETE FROM settlement.session_journal',
    'UPDATE settlement.session_journal SET actor = NULL',
    'TRUNCATE settlement.session_journal',
    'DELETE FROM settlement.operator_journal',
    'UPDATE settlement.operator_journal SET actor = NULL',
    "UPDATE settlement.events SET body = ''",
    'DELETE FROM settlement.events',
    'DELETE FROM settlement.returned_payments',
    'DELETE FROM webhook_deliveries',
    'DELETE FROM merchants',
    'SELECT FROM api_keys',
    'DROP TABLE payments',
    'ALTER TABLE payments DROP COLUMN settled_at',
    'DROP INDEX payments_one_live_per_session',
    'DROP TRIGGER session_journal_append_only ON settlement.session_journal',
    'ALTER TABLE settlement.session_journal DISABLE TRIGGER ALL',
    'CREATE TABLE public.another (id int)',
    'CREATE TABLE settlement.another (id int)',
    'CREATE SCHEMA another',
    'INSERT INTO settlement.migrations (hash) VALUES (NULL)',
    'DELETE FROM settlement.network',
    'CREATE ROLE another',
    // When something was decided is the database's to say.
    "INSERT INTO settlement.session_journal (session_id, at, from_status, to_status, cause, actor) VALUES (gen_random_uuid(), '2020-01-01', '', '', '', '')",
    "INSERT INTO settlement.session_journal (id, session_id, from_status, to_status, cause, actor) OVERRIDING SYSTEM VALUE VALUES (1, gen_random_uuid(), '', '', '', '')",
    "INSERT INTO settlement.operator_journal (at, actor, action, subject, reason) VALUES ('2020-01-01', '', '', '', '')",
    "INSERT INTO settlement.attention (subject, kind, detail, opened_at) VALUES ('', '', '', '2020-01-01')",
    'INSERT INTO settlement.events (created_at) VALUES (now())',
    'INSERT INTO settlement.returned_payments (proven_at) VALUES (now())',
    'INSERT INTO payments (created_at) VALUES (now())',
    'INSERT INTO settlement.ledger_payments (resolved_at) VALUES (now())',
    "UPDATE settlement.network SET passphrase = ''",
    "UPDATE merchants SET email = ''",
    "SELECT setval('settlement.session_journal_id_seq', 1)",
  ])('is refused %s', async (statement) => {
    expect(await outcomeOf(app, statement)).toBe(REFUSED);
  });

  test('cannot say when a person decided: the database does, and once', async () => {
    await app.pool.query(
      `INSERT INTO settlement.attention (subject, kind, detail) VALUES ('a test', 'a test', '')`,
    );
    const decide = (at: string | null) =>
      app.pool.query(
        `UPDATE settlement.attention SET resolved_at = $1 WHERE subject = 'a test' RETURNING resolved_at`,
        [at],
      );
    const { rows: decided } = await decide('2020-01-01');
    expect(decided[0].resolved_at.getFullYear()).toBeGreaterThan(2020);
    expect((await decide('2021-01-01')).rows).toEqual(decided);
    await decide(null);
    expect((await decide('2020-01-01')).rows[0].resolved_at >= decided[0].resolved_at).toBe(true);
  });

  test('is refused every deletion but those of work lists and of what is known of the ledger', async () => {
    const may = TABLES.filter((table) => APP_RIGHTS[table].includes('DELETE'));
    const done = [];
    for (const table of TABLES) {
      if ((await outcomeOf(app, `DELETE FROM ${table} WHERE false`)) !== REFUSED) done.push(table);
    }
    expect(done).toEqual(may);
    expect(may).toEqual([
      'settlement.active_sessions',
      'settlement.cancel_requests',
      'settlement.coverage',
      'settlement.history_holes',
      'settlement.ledgers',
      'settlement.network_reading',
      'settlement.reconcile_runs',
      'settlement.recounted_ledgers',
      'settlement.session_references',
      'settlement.session_totals',
      'settlement.set_aside',
      'settlement.undecided_payments',
    ]);
  });
});

describe('the role of people and dashboards', () => {
  test('may audit and see the status', async () => {
    expect((await auditDatabase(database.readUrl)).findings).toEqual([]);
    expect(await readStanding(reader.db)).toMatchObject({ undecided: 0 });
    expect(await lastRun(reader.db)).toBeNull();
  });

  test.each(TABLES)('is refused every change of %s', async (table) => {
    for (const statement of [
      `DELETE FROM ${table} WHERE false`,
      `INSERT INTO ${table} DEFAULT VALUES`,
      `TRUNCATE ${table}`,
    ]) {
      expect(await outcomeOf(reader, statement)).toBe(REFUSED);
    }
  });

  test('sees the columns that are listed, and no column that a backend adds', async () => {
    const columns = await database.rows<{ name: string }>(
      `SELECT table_schema || '.' || table_name || '.' || column_name AS name FROM information_schema.columns
       WHERE table_schema || '.' || table_name = ANY ($1)`,
      [Object.keys(SHOWN)],
    );
    const listed = [SHOWN, HIDDEN].flatMap((list) =>
      Object.entries(list).flatMap(([table, names]) => names.map((name) => `${table}.${name}`)),
    );
    expect(listed.toSorted()).toEqual(columns.map(({ name }) => name).toSorted());
    const backends = TABLES.filter(
      (table) => table.startsWith('public.') && !CLOSED.includes(table),
    );
    expect(Object.keys(SHOWN)).toEqual(expect.arrayContaining(backends));
    await database.rows('ALTER TABLE merchants ADD COLUMN password_hash text');
    await migrate(database.url, { networkPassphrase: SANDBOX_PASSPHRASE, roles: ROLES });
    for (const { pool } of [reader, app]) {
      await expect(pool.query('SELECT password_hash FROM merchants')).rejects.toThrow('permission');
    }
    expect(await outcomeOf(app, "UPDATE merchants SET password_hash = ''")).toBe(REFUSED);
    await database.rows('ALTER TABLE merchants DROP COLUMN password_hash');
  });

  test('sees no secret: not of merchants, not of endpoints, not one that rotates', async () => {
    for (const [table, columns] of Object.entries(HIDDEN)) {
      for (const column of columns) {
        expect(await outcomeOf(reader, `SELECT ${column} FROM ${table}`)).toBe(REFUSED);
      }
    }
    expect(await outcomeOf(reader, 'SELECT FROM api_keys')).toBe(REFUSED);
    expect(await outcomeOf(reader, 'SELECT id, business_name, webhook_url FROM merchants')).toBe(
      'SELECT',
    );
    const secrets = await database.rows<{ name: string }>(
      `SELECT table_schema || '.' || table_name || '.' || column_name AS name
       FROM information_schema.columns WHERE table_schema IN ('public', 'settlement')
         AND column_name ~ 'secret|password|token|hash$' AND column_name !~ 'tx_hash|previous_secret_until'`,
    );
    const known = Object.entries(HIDDEN).flatMap(([table, columns]) =>
      columns.map((column) => `${table}.${column}`),
    );
    const open = secrets.map(({ name }) => name).filter((name) => !known.includes(name));
    // api_keys is closed as a whole; the others are hashes of a migration and of ledgers.
    expect(open.toSorted()).toEqual([
      'public.api_keys.key_hash',
      'settlement.ledgers.hash',
      'settlement.ledgers.prev_hash',
      'settlement.migrations.hash',
    ]);
  });
});

describe('giving rights', () => {
  const asOwner = async <T>(use: (client: Client) => Promise<T>): Promise<T> => {
    const client = new Client({ connectionString: database.url });
    await client.connect();
    try {
      return await use(client);
    } finally {
      await client.end();
    }
  };
  const rights = () =>
    database.rows(`SELECT relname, relacl::text FROM pg_class
      WHERE relnamespace IN (to_regnamespace('public'), to_regnamespace('settlement')) AND relkind = 'r' ORDER BY 1`);

  test('again changes nothing, and takes back what is no longer given', async () => {
    const before = await rights();
    await asOwner((client) =>
      client.query(`GRANT DELETE ON payments TO ${ROLES.app};
        GRANT SELECT (webhook_secret) ON merchants TO ${ROLES.read}`),
    );
    await migrate(database.url, { networkPassphrase: SANDBOX_PASSPHRASE, roles: ROLES });
    expect(await rights()).toEqual(before);
    expect(await outcomeOf(app, 'DELETE FROM payments WHERE false')).toBe(REFUSED);
    expect(await outcomeOf(reader, 'SELECT webhook_secret FROM merchants')).toBe(REFUSED);
  });

  test('to a role that is not there, or to the owner itself, is refused, and nothing is given', async () => {
    const before = await rights();
    const give = (role: string) =>
      asOwner((client) => grantRights(client, { app: ROLES.app, read: role }));
    await expect(give('nobody_here')).rejects.toThrow('no role "nobody_here"');
    await expect(give(new URL(database.url).username)).rejects.toThrow('owns the table');
    expect(await rights()).toEqual(before);
  });

  test('to whoever owns one table of them, as an older backend may, is refused', async () => {
    const shared = await createTestDatabase();
    const url = new URL(shared.url);
    url.username = 'postgres';
    const superuser = new Client({ connectionString: url.toString() });
    await superuser.connect();
    await superuser.query(`ALTER TABLE merchants OWNER TO ${ROLES.app}`);
    await superuser.end();
    const asked = migrate(shared.url, { networkPassphrase: SANDBOX_PASSPHRASE, roles: ROLES });
    await expect(asked).rejects.toThrow('owns the table merchants');
    await shared.close();
  });

  test('is asked for by a worker whose role lacks some', async () => {
    await asOwner((client) => client.query(`REVOKE INSERT ON settlement.events FROM ${ROLES.app}`));
    expect(await schemaProblems(app.db, SANDBOX_PASSPHRASE)).toEqual([
      expect.stringContaining('lacks rights on settlement.events'),
    ]);
    await asOwner((client) => client.query(`REVOKE ALL ON settlement.network FROM ${ROLES.app}`));
    expect(await schemaProblems(app.db, SANDBOX_PASSPHRASE)).toEqual([
      expect.stringContaining('APP_ROLE'),
    ]);
    await asOwner((client) => grantRights(client, ROLES));
  });
});
