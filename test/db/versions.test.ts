import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { databaseVersion } from '../../src/db/versions.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

test('a database that is migrated stands right; one that lacks the last migration is behind; one of a later version ahead', async () => {
  const right = await databaseVersion(database.db);
  expect(right).toMatchObject({ stands: 'right', migration: expect.stringMatching(/^\d{4}_/) });
  expect(right.postgresql).toMatch(/^\d+/);
  await database.rows(
    'INSERT INTO settlement.migrations (hash, created_at) SELECT hash, max(created_at) + 1 FROM settlement.migrations GROUP BY hash ORDER BY 2 DESC LIMIT 1',
  );
  expect(await databaseVersion(database.db)).toMatchObject({
    stands: 'ahead',
    migration: `newer than ${right.migration}`,
  });
  await database.rows(
    'DELETE FROM settlement.migrations WHERE created_at >= (SELECT created_at FROM settlement.migrations ORDER BY created_at DESC OFFSET 1 LIMIT 1)',
  );
  expect(await databaseVersion(database.db)).toMatchObject({ stands: 'behind' });
});
