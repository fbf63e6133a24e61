import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { openAttention, resolveAttention } from '../../../src/db/operator/attention.ts';
import { decidedBy } from '../../../src/db/operator/decision.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { settleTogether } from '../../support/settle.ts';
import { insertSession, newAccount, stateOf, type StoredSession } from '../build.ts';
import { ANN, decisionCount, decisions, decisionsAt, letSleep, toWake } from './journals.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());
beforeEach(async () => {
  await letSleep(database);
  await database.rows('DELETE FROM settlement.attention');
});

/** A session that somebody made `paid`, with nothing to show for it. */
async function unproven(): Promise<StoredSession> {
  const session = await insertSession(database, { status: 'paid', covered: [-1, 40] });
  await settleTogether(database.pool, [session.id]);
  await letSleep(database);
  return session;
}

test('the list has everything that is open, the oldest first, with what to do', async () => {
  const account = newAccount();
  await database.rows(
    `INSERT INTO settlement.attention (subject, kind, detail, opened_at) VALUES
     ($1, 'undecoded_record', 'a record', '2026-03-01T12:00:00Z'), ('network', 'of_tomorrow', 'news', '2026-02-01T12:00:00Z')`,
    [account],
  );
  const session = await unproven();
  expect(await openAttention(database.db)).toMatchObject([
    { subject: 'network', kind: 'of_tomorrow', whatToDo: 'docs/operations.md explains it.' },
    {
      subject: account,
      kind: 'undecoded_record',
      detail: 'a record',
      since: '2026-03-01T12:00:00.000Z',
      whatToDo: expect.stringContaining('settle payments re-decode'),
    },
    {
      subject: session.id,
      kind: 'paid_without_evidence',
      whatToDo: expect.stringContaining('settle session report'),
    },
  ]);
});

test('what is resolved is written down, wakes its session, and is not asked about again', async () => {
  const session = await unproven();
  const done = await resolveAttention(
    database.pool,
    { subject: session.id, kind: 'paid_without_evidence' },
    ANN,
  );
  expect(done).toMatchObject({ subject: session.id, kind: 'paid_without_evidence' });
  expect(await openAttention(database.db)).toEqual([]);
  expect(await toWake(database)).toEqual(new Set([session.id]));
  const entry = { attention: done.id, kind: done.kind, detail: expect.any(String) };
  expect(await decisions(database, `session ${session.id}`)).toEqual([
    { actor: 'ann', action: 'attention resolved', reason: ANN.reason, detail: entry },
  ]);
  expect(await decisionsAt(database, session.id)).toEqual([
    { cause: 'attention resolved', actor: 'ann', detail: { reason: ANN.reason, ...entry } },
  ]);
  await settleTogether(database.pool, [session.id]);
  expect(await stateOf(database, session.id)).toMatchObject({ status: 'paid', attention: [] });
});

test('is found by its number, too, and of an account it wakes the open sessions', async () => {
  const account = newAccount();
  const open = await insertSession(database, { account });
  const other = await insertSession(database);
  await database.rows(
    `INSERT INTO settlement.attention (subject, kind, detail) VALUES ($1, 'of_tomorrow', 'x')`,
    [account],
  );
  const [{ id } = { id: 0 }] = await openAttention(database.db);
  await resolveAttention(database.pool, { id }, ANN);
  const woken = await toWake(database);
  expect([open, other].map((s) => woken.has(s.id))).toEqual([true, false]);
  expect(await decisions(database, `account ${account}`)).toHaveLength(1);
});

test('of a session that is open it enters the work list whole, so that it still ends', async () => {
  const session = await insertSession(database, { active: false });
  await database.rows(
    `INSERT INTO settlement.attention (subject, kind, detail) VALUES ($1, 'of_tomorrow', 'x')`,
    [session.id],
  );
  await resolveAttention(database.pool, { subject: session.id, kind: 'of_tomorrow' }, ANN);
  const [row] = await database.rows(
    `SELECT a.account, a.asset = s.asset_code || ':' || s.asset_issuer AS asset, a.deadline = s.expires_at AS deadline
     FROM settlement.active_sessions a JOIN checkout_sessions s ON s.id = a.session_id WHERE s.id = $1`,
    [session.id],
  );
  expect(row).toEqual({ account: session.account, asset: true, deadline: true });
});

describe('is refused', () => {
  const refused = async (
    which: Parameters<typeof resolveAttention>[1],
    message: string,
  ): Promise<void> => {
    const before = await decisionCount(database);
    await expect(resolveAttention(database.pool, which, ANN)).rejects.toMatchObject({
      name: 'Refusal',
      message: expect.stringContaining(message),
    });
    expect(await decisionCount(database)).toBe(before);
  };

  test('when there is none', async () => {
    await refused({ id: 424242 }, 'There is no attention 424242.');
    const nobody = randomUUID();
    await refused(
      { subject: nobody, kind: 'paid_but_short' },
      `There is no attention paid_but_short of ${nobody}.`,
    );
  });

  test('when it was resolved before, and says by whom', async () => {
    const session = await unproven();
    const which = { subject: session.id, kind: 'paid_without_evidence' };
    await resolveAttention(database.pool, which, decidedBy('bob', 'seen'));
    await refused(which, 'was already resolved, by bob at 20');
  });

  test('while the records that it is about still hold back the endings', async () => {
    const account = newAccount();
    await database.rows(
      `INSERT INTO settlement.parked_records (account, operation_id, ledger, raw, problem) VALUES ($1, '1', 1, '{}', 'x')`,
      [account],
    );
    await database.rows(
      `INSERT INTO settlement.attention (subject, kind, detail) VALUES ($1, 'undecoded_record', 'x')`,
      [account],
    );
    await refused({ subject: account, kind: 'undecoded_record' }, 'still has 1 record(s)');
  });

  test('without a reason, or nobody to give it', () => {
    expect(() => decidedBy('ann', ' ')).toThrow('--reason is empty');
    expect(() => decidedBy('', 'because')).toThrow('--by is empty');
  });
});
