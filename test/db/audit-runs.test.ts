/** P5: who is not at rest has a run. The part of Temporal is played by a set; test/cli-audit.test.ts asks the real one. */
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { auditRuns } from '../../src/db/audit-runs.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { insertSession } from './build.ts';

let database: TestDatabase;
const running = new Set<string>();
beforeAll(async () => {
  database = await createTestDatabase();
});
beforeEach(async () => {
  running.clear();
  await database.rows('TRUNCATE settlement.active_sessions');
});
afterAll(() => database.close());

const look = () => auditRuns(database.db, (id) => Promise.resolve(running.has(id)));
const wake = (id: string, at: string) =>
  database.rows(`UPDATE settlement.active_sessions SET wake_after = ${at} WHERE session_id = $1`, [
    id,
  ]);

test('a session that runs is in order, one that does not is found', async () => {
  const [one, other] = [await insertSession(database), await insertSession(database)];
  running.add(one.id);
  expect(await look()).toEqual({
    sessions: 2,
    dueWakes: 0,
    findings: [
      {
        promise: 'P5',
        check: 'no_run',
        subject: `session ${other.id}`,
        problem: 'It is not at rest, and no workflow runs for it.',
      },
    ],
    more: {},
  });
});

test.each([
  ['now()', 0],
  [`now() + interval '5 seconds'`, 0],
  [`now() + interval '1 minute'`, 1],
  [`now() - interval '2 minutes'`, 1],
])('one that is to be woken at %s lacks %i run', async (at, findings) => {
  const { id } = await insertSession(database);
  await wake(id, at);
  expect((await look()).findings).toHaveLength(findings);
});

test('one that comes to rest while it is looked at needs no run', async () => {
  await insertSession(database);
  const rests = async (id: string) => {
    await database.rows('DELETE FROM settlement.active_sessions WHERE session_id = $1', [id]);
    return false;
  };
  const { sessions, findings } = await auditRuns(database.db, rests, { patienceMs: 1 });
  expect({ sessions, findings }).toEqual({ sessions: 1, findings: [] });
});

test('more sessions than fit into one statement, never more than twenty questions at once', async () => {
  await database.rows(
    `INSERT INTO settlement.active_sessions (session_id, account, asset)
     SELECT gen_random_uuid(), 'G', 'native' FROM generate_series(1, 1100)`,
  );
  let [asking, most] = [0, 0];
  const { sessions, findings, more } = await auditRuns(database.db, async () => {
    most = Math.max(most, (asking += 1));
    await Promise.resolve();
    asking -= 1;
    return false;
  });
  expect({ sessions, found: findings.length, more, most }).toEqual({
    sessions: 1100,
    found: 1000,
    more: { no_run: 100 },
    most: 20,
  });
});
