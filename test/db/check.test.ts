import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { schemaProblems } from '../../src/db/check.ts';
import { connect } from '../../src/db/connection.ts';
import { SANDBOX_PASSPHRASE } from '../../src/sandbox/ledger/start.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase({ max: 2 });
});
afterAll(() => database.close());

test('a migrated database has no problems', async () => {
  expect(await schemaProblems(database.db, SANDBOX_PASSPHRASE)).toEqual([]);
});

test('the database of another network is named, with both networks', async () => {
  expect(await schemaProblems(database.db, 'Test SDF Network ; September 2015')).toEqual([
    `The database settles the network "${SANDBOX_PASSPHRASE}", but NETWORK_PASSPHRASE is "Test SDF Network ; September 2015".`,
  ]);
});

test('a migration that did not come to its end is to be run again', async () => {
  const half = await createTestDatabase({ max: 2 });
  await half.rows('DROP INDEX payments_one_live_per_session');
  const [problem, ...others] = await schemaProblems(half.db, SANDBOX_PASSPHRASE);
  expect(others).toEqual([]);
  expect(problem).toContain('run `settle migrate`');
  await half.rows('DELETE FROM settlement.network');
  expect((await schemaProblems(half.db, SANDBOX_PASSPHRASE)).join()).toContain(
    'run `settle migrate`',
  );
  await half.close();
});

test('an empty database is to be migrated', async () => {
  const empty = await createTestDatabase({ template: null, max: 2 });
  expect(await schemaProblems(empty.db, SANDBOX_PASSPHRASE)).toEqual([
    'The database has no settlement tables: run `settle migrate`.',
  ]);
  await empty.close();
});

test('a database that cannot be used says why', async () => {
  const url = new URL(database.url);
  url.pathname = '/nothing_of_this_name';
  const missing = connect(url.toString(), { max: 1 });
  expect(await schemaProblems(missing.db, SANDBOX_PASSPHRASE)).toEqual([
    'DATABASE_URL cannot be used: database "nothing_of_this_name" does not exist',
  ]);
  await missing.close();
});
