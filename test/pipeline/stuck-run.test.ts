/** A run whose workflow tasks fail again and again holds nothing that is not in the database: another takes its place. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { startReconciling, type Reconciling } from './reconciling.ts';

let it: Reconciling;
beforeEach(async () => {
  it = await startReconciling();
});
afterEach(() => it.close());

test('a session whose run cannot go on gets another one', async () => {
  const session = await it.insert({ openedMinutesAgo: 5 });
  await it.catchUp();
  await it.database.rows('UPDATE settlement.active_sessions SET wake_after = NULL');
  it.running.add(session.id);
  it.stuck.add(session.id);
  it.woken.length = 0;
  expect((await it.reconcile({ dryRun: true })).no_run).toMatchObject({ found: 1, left: 1 });
  expect([it.stuck.size, it.woken]).toEqual([1, []]);
  expect((await it.reconcile()).no_run).toMatchObject({ found: 1, repaired: 1, left: 0 });
  expect([it.stuck.size, it.woken]).toEqual([0, [session.id]]);
});
