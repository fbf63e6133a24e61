/** Rights that came by another way than `settle migrate`, and code of others on our tables: named, and refused. */
import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { Client } from 'pg';
import { migrate } from '../../src/db/migrate.ts';
import { rightsProblems } from '../../src/db/rights-check.ts';
import { SANDBOX_PASSPHRASE } from '../../src/sandbox/ledger/start.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { BACKEND_SCHEMA } from './backend.ts';

const NETWORK = SANDBOX_PASSPHRASE;
/** Roles belong to the server: each run of this file has its own. */
const suffix = randomBytes(4).toString('hex');
const [APP, READ, GROUP, BACKEND] = ['app', 'read', 'group', 'backend'].map(
  (name) => `${name}_${suffix}`,
) as [string, string, string, string];
const ROLES = { app: APP, read: READ };

let database: TestDatabase;
let superuser: Client;
let owner: string;
beforeAll(async () => {
  database = await createTestDatabase();
  owner = new URL(database.url).username;
  superuser = await asSuperuser(database);
  await superuser.query(
    [APP, READ, GROUP, BACKEND].map((role) => `CREATE ROLE ${role} LOGIN`).join(';'),
  );
  await migrate(database.url, { networkPassphrase: NETWORK, roles: ROLES });
});
afterAll(async () => {
  await superuser.end();
  await database.close();
});

async function asSuperuser({ url }: TestDatabase): Promise<Client> {
  const address = new URL(url);
  address.username = 'postgres';
  const client = new Client({ connectionString: address.toString() });
  await client.connect();
  return client;
}

const problems = () => rightsProblems(database.url, { roles: ROLES });
const migrated = () =>
  migrate(database.url, { networkPassphrase: NETWORK, roles: ROLES }).then(
    () => 'migrated',
    ({ name, message }: Error) => `${name}: ${message}`,
  );

let undo: string | null = null;
afterEach(async () => {
  if (undo !== null) await superuser.query(undo);
  undo = null;
  expect(await problems()).toEqual([]);
});

test('a fresh migration leaves nothing to name', async () => {
  expect(await problems()).toEqual([]);
});

describe('what a role may do more', () => {
  test.each([
    ['is a superuser', `ALTER ROLE ${APP} SUPERUSER`, `ALTER ROLE ${APP} NOSUPERUSER`],
    ['has BYPASSRLS', `ALTER ROLE ${READ} BYPASSRLS`, `ALTER ROLE ${READ} NOBYPASSRLS`],
    ['has CREATEROLE', `ALTER ROLE ${APP} CREATEROLE`, `ALTER ROLE ${APP} NOCREATEROLE`],
    [
      'is a member of pg_read_all_data',
      `GRANT pg_read_all_data TO ${READ}`,
      `REVOKE pg_read_all_data FROM ${READ}`,
    ],
    [
      'is a member of pg_write_all_data',
      `GRANT ${GROUP} TO ${APP}; GRANT pg_write_all_data TO ${GROUP}`,
      `REVOKE ${GROUP} FROM ${APP}; REVOKE pg_write_all_data FROM ${GROUP}`,
    ],
    [
      'owns the function settlement.refuse_change() as OWNER',
      `GRANT OWNER TO ${APP} WITH INHERIT FALSE, SET TRUE`,
      `REVOKE OWNER FROM ${APP}`,
    ],
    [
      'DELETE on settlement.session_journal as GROUP',
      `GRANT DELETE ON settlement.session_journal TO ${GROUP}; GRANT ${GROUP} TO ${APP} WITH INHERIT FALSE, SET TRUE`,
      `REVOKE ${GROUP} FROM ${APP}; REVOKE ALL ON settlement.session_journal FROM ${GROUP}`,
    ],
    [
      'SELECT on public.api_keys',
      `GRANT SELECT ON api_keys TO PUBLIC`,
      `REVOKE SELECT ON api_keys FROM PUBLIC`,
    ],
    [
      'SELECT (webhook_secret) on public.merchants',
      `GRANT SELECT (webhook_secret) ON merchants TO PUBLIC`,
      `REVOKE SELECT (webhook_secret) ON merchants FROM PUBLIC`,
    ],
    [
      'INSERT (at) on settlement.session_journal',
      `GRANT INSERT (at) ON settlement.session_journal TO ${GROUP}; GRANT ${GROUP} TO ${APP}`,
      `REVOKE ${GROUP} FROM ${APP}; REVOKE INSERT (at) ON settlement.session_journal FROM ${GROUP}`,
    ],
    [
      'CREATE on the schema public',
      `GRANT CREATE ON SCHEMA public TO PUBLIC`,
      `REVOKE CREATE ON SCHEMA public FROM PUBLIC`,
    ],
    [
      'SELECT on secrets_of_all',
      `CREATE VIEW secrets_of_all AS SELECT webhook_secret FROM merchants; GRANT SELECT ON secrets_of_all TO ${READ}`,
      `DROP VIEW secrets_of_all`,
    ],
    [
      'may set the parameter session_replication_role',
      `GRANT SET ON PARAMETER session_replication_role TO ${APP}`,
      `REVOKE SET ON PARAMETER session_replication_role FROM ${APP}`,
    ],
  ])('%s: is named and refused', async (name, doIt, undoIt) => {
    undo = undoIt.replaceAll('OWNER', owner);
    await superuser.query(doIt.replaceAll('OWNER', owner));
    const said = name.replace('OWNER', owner).replace('GROUP', GROUP);
    expect(await problems()).toContainEqual(expect.stringContaining(said));
    expect(await migrated()).toContain(said);
    expect(await migrated()).toMatch(/^UnfitRole: /);
  });
});

describe('code of others', () => {
  const FUNCTION = `CREATE FUNCTION public.theirs() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    ALTER FUNCTION public.theirs() OWNER TO ${BACKEND};`;
  const DROP = 'DROP FUNCTION public.theirs() CASCADE';
  test.each([
    [
      `trigger gift on public.payments: runs public.theirs, owned by ${BACKEND}`,
      `${FUNCTION} CREATE TRIGGER gift BEFORE UPDATE ON payments FOR EACH ROW EXECUTE FUNCTION theirs()`,
      DROP,
    ],
    [
      'rule quiet on settlement.session_journal',
      `CREATE RULE quiet AS ON INSERT TO settlement.session_journal DO INSTEAD NOTHING`,
      `DROP RULE quiet ON settlement.session_journal`,
    ],
    [
      'policy partly on public.checkout_sessions',
      `CREATE POLICY partly ON checkout_sessions USING (status = 'paid')`,
      `DROP POLICY partly ON checkout_sessions`,
    ],
    [
      'row security on public.payments',
      `ALTER TABLE payments ENABLE ROW LEVEL SECURITY`,
      `ALTER TABLE payments DISABLE ROW LEVEL SECURITY`,
    ],
    [
      'event trigger watching',
      `CREATE FUNCTION public.seen() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
       CREATE EVENT TRIGGER watching ON ddl_command_end EXECUTE FUNCTION public.seen()`,
      `DROP EVENT TRIGGER watching; DROP FUNCTION public.seen()`,
    ],
    [
      'constraint checked on public.payments: calls public.checks',
      `CREATE FUNCTION public.checks(text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
       ALTER TABLE payments ADD CONSTRAINT checked CHECK (public.checks(tx_hash))`,
      `ALTER TABLE payments DROP CONSTRAINT checked; DROP FUNCTION public.checks`,
    ],
    [
      'child grown of public.payments',
      `CREATE TABLE grown () INHERITS (payments)`,
      `DROP TABLE grown`,
    ],
    [
      'function now(text): has the name of one of PostgreSQL',
      `CREATE FUNCTION public.now(text) RETURNS text LANGUAGE sql AS 'SELECT $1'`,
      `DROP FUNCTION public.now(text)`,
    ],
    [
      'function ours(): runs with the rights of its owner',
      `CREATE FUNCTION public.ours() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'`,
      `DROP FUNCTION public.ours()`,
    ],
    [
      'default privileges of OWNER',
      `ALTER DEFAULT PRIVILEGES FOR ROLE OWNER GRANT SELECT ON TABLES TO PUBLIC`,
      `ALTER DEFAULT PRIVILEGES FOR ROLE OWNER REVOKE SELECT ON TABLES FROM PUBLIC`,
    ],
    [
      'operator <=>(text,text): has the name of one of PostgreSQL',
      `CREATE OPERATOR public.<=> (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq)`,
      `DROP OPERATOR public.<=> (text, text)`,
    ],
    [
      'function settlement.more(): is in the schema of this system',
      `CREATE FUNCTION settlement.more() RETURNS int LANGUAGE sql AS 'SELECT 1'`,
      `DROP FUNCTION settlement.more()`,
    ],
    [
      'relation settlement.seen: is in the schema of this system',
      `CREATE VIEW settlement.seen AS SELECT 1; ALTER VIEW settlement.seen OWNER TO ${BACKEND}`,
      `DROP VIEW settlement.seen`,
    ],
    [
      'kind of public.payment_links: is no plain table',
      `ALTER TABLE payment_links RENAME TO moved; CREATE VIEW payment_links AS SELECT * FROM moved`,
      `DROP VIEW payment_links; ALTER TABLE moved RENAME TO payment_links`,
    ],
    [
      'index odd on public.payments: calls public.odd',
      `CREATE FUNCTION public.odd(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1';
       CREATE INDEX odd ON payments (public.odd(tx_hash))`,
      `DROP INDEX odd; DROP FUNCTION public.odd`,
    ],
    [
      'schema settlement: belongs to',
      `ALTER SCHEMA settlement OWNER TO ${BACKEND}`,
      `ALTER SCHEMA settlement OWNER TO OWNER`,
    ],
  ])('%s: is named and refused', async (name, doIt, undoIt) => {
    undo = undoIt
      .replaceAll('OWNER TO OWNER', `OWNER TO ${owner}`)
      .replaceAll('ROLE OWNER', `ROLE ${owner}`);
    await superuser.query(doIt.replaceAll('ROLE OWNER', `ROLE ${owner}`));
    const said = name.replace('OWNER', owner);
    expect(await problems()).toContainEqual(expect.stringContaining(said));
    expect(await migrated()).toMatch(/^ForeignCode: /);
    expect(await migrated()).toContain(said);
  });

  test('that an operator trusts by name stays', async () => {
    undo = DROP;
    await superuser.query(
      `${FUNCTION} CREATE TRIGGER gift BEFORE UPDATE ON payments FOR EACH ROW EXECUTE FUNCTION theirs()`,
    );
    const trusted = ['trigger gift on public.payments'];
    expect(await rightsProblems(database.url, { roles: ROLES, trusted })).toEqual([]);
    await migrate(database.url, { networkPassphrase: NETWORK, roles: ROLES, trusted });
  });

  test("does not run as our owner: a backend's trigger on its own table, waiting for the first migration", async () => {
    const adopted = await createTestDatabase({ template: null });
    const admin = await asSuperuser(adopted);
    await adopted.rows(BACKEND_SCHEMA);
    await admin.query(`GRANT ${BACKEND} TO ${owner}; GRANT ALL ON SCHEMA public TO ${BACKEND};
      ALTER TABLE payments OWNER TO ${BACKEND}`);
    const backend = new URL(adopted.url);
    backend.username = BACKEND;
    await admin.query(`SET ROLE ${BACKEND};
      CREATE FUNCTION climb() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN EXECUTE ''GRANT ${owner} TO ${BACKEND}''; RETURN NEW; END';
      CREATE TRIGGER climb BEFORE INSERT OR UPDATE ON payments FOR EACH ROW EXECUTE FUNCTION climb();
      RESET ROLE`);
    await expect(migrate(adopted.url, { networkPassphrase: NETWORK })).rejects.toThrow(
      `trigger climb on public.payments: runs public.climb, owned by ${BACKEND}`,
    );
    const made = await adopted.rows(`SELECT to_regclass('settlement.network') AS made`);
    expect(made).toEqual([{ made: null }]);
    await admin.query(`REVOKE ${BACKEND} FROM ${owner}`);
    await admin.end();
    await adopted.close();
  });
});
