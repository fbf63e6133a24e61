import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { noteAdoption, recordRun } from '../../src/db/reconcile-runs.ts';
import { readStanding } from '../../src/db/standing.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

const reconciledAt = async () => (await readStanding(database.db)).reconciledAt;

test('reconciliation that never ran is missed from when a worker first ran, whichever worker is asked', async () => {
  expect(await reconciledAt()).toBeNull();
  await noteAdoption(database.db);
  await database.rows(`UPDATE settlement.network SET adopted_at = '2026-03-01T12:00:00Z'`);
  expect(await reconciledAt()).toBe(Date.parse('2026-03-01T12:00:00Z') / 1000);
  const report = { startedAt: '2026-03-01T13:00:00Z', dryRun: false, thorough: false };
  await recordRun(database.db, { ...report, classes: {}, failed: {} });
  await database.rows(`UPDATE settlement.reconcile_runs SET finished_at = '2026-03-01T13:00:05Z'`);
  expect(await reconciledAt()).toBe(Date.parse('2026-03-01T13:00:05Z') / 1000);
});
