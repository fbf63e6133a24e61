/** Sessions that cannot be settled or followed, many of them, with many payments; and others beside them. */
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { settleDue } from '../../src/activities/watch/settle-due.ts';
import { wakeDue } from '../../src/activities/watch/wake-due.ts';
import { storeFindings } from '../../src/db/inbox.ts';
import { openAttention, resolveAttention } from '../../src/db/operator/attention.ts';
import { forgetGone } from '../../src/db/set-aside.ts';
import { sessionsToClose, sessionsWithUndecided, takeDueWakes } from '../../src/db/worklists.ts';
import { insertMerchant } from '../support/database.ts';
import { insertSession, newAccount, paymentFor, receive } from '../db/build.ts';
import { minute } from '../domain/build.ts';
import { startReading, type Reading } from './reading.ts';

let reading: Reading;
beforeEach(async () => {
  reading = await startReading('accounts');
});
afterEach(() => reading.close());

const statusOf = async (id: string) =>
  (await reading.database.rows('SELECT status FROM checkout_sessions WHERE id = $1', [id]))[0];

/** Every write of these sessions fails, for a reason of their own. */
async function refuse(ids: readonly string[]): Promise<void> {
  await reading.database.rows('CREATE TABLE broken (id uuid PRIMARY KEY)');
  await reading.database.rows('INSERT INTO broken SELECT unnest($1::uuid[])', [ids]);
  await reading.database
    .rows(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN IF EXISTS (SELECT FROM broken b WHERE b.id = NEW.id) THEN RAISE 'This row is broken.'; END IF;
    RETURN NEW; END $$`);
  await reading.database.rows(`CREATE TRIGGER broken BEFORE UPDATE ON checkout_sessions FOR EACH ROW
    EXECUTE FUNCTION refuse()`);
}

test('two thousand payments of a session that cannot be settled take one place in the list, and none after the first failure', async () => {
  const { database, deps } = reading;
  const poison = await insertSession(database);
  const payments = Array.from({ length: 2_000 }, (_, i) =>
    paymentFor(poison, '0.0000001', {
      txHash: randomBytes(32).toString('hex'),
      closedAt: minute(4),
      operationId: String((10_000n << 32n) + BigInt(i * 4096 + 1)),
    }),
  );
  await storeFindings(database.pool, { payments, undecoded: [] });
  await refuse([poison.id]);
  const other = await insertSession(database);
  await receive(database, other, '10');
  expect(await sessionsWithUndecided(database.db)).toEqual([poison.id, other.id]);
  await settleDue(deps);
  expect(await statusOf(other.id)).toEqual({ status: 'paid' });
  expect(await sessionsWithUndecided(database.db)).toEqual([]);
  expect(reading.counted.get('set aside settle')).toBe(1);
  const [aside] = await database.rows(
    `SELECT subject, failures, until > now() AS waits, error FROM settlement.set_aside`,
  );
  expect(aside).toEqual({
    subject: poison.id,
    failures: 1,
    waits: true,
    error: expect.stringContaining('This row is broken.'),
  });

  // Its pauses grow, and what is mended is forgotten.
  const over = () => database.rows('UPDATE settlement.set_aside SET until = now()');
  await over();
  await settleDue(deps);
  const [{ failures, pause } = {}] = await database.rows(
    'SELECT failures, until - failed_at = interval $$4 seconds$$ AS pause FROM settlement.set_aside',
  );
  expect({ failures, pause }).toEqual({ failures: 2, pause: true });
  await database.rows('DROP TRIGGER broken ON checkout_sessions');
  await over();
  await settleDue(deps);
  expect(await database.rows('SELECT * FROM settlement.set_aside')).toEqual([]);
  expect(await sessionsWithUndecided(database.db)).toEqual([]);
});

test('1,050 sessions that cannot end do not keep another from ending', async () => {
  const { database, deps } = reading;
  const merchantId = await insertMerchant(database);
  const account = newAccount();
  const poison: string[] = [];
  for (let i = 0; i < 1_050; i += 1) {
    const session = await insertSession(database, {
      merchantId,
      covered: i === 0 ? [-1, 31] : null,
      account,
      reference: `${i}`,
      expiresAt: minute(20),
    });
    poison.push(session.id);
  }
  await refuse(poison);
  const other = await insertSession(database, { merchantId, covered: [-1, 31] });
  expect(await sessionsToClose(database.db)).not.toContain(other.id);
  await settleDue(deps);
  expect(await statusOf(other.id)).toEqual({ status: 'expired' });
  expect(
    await database.rows(
      `SELECT subject FROM settlement.set_aside WHERE kind = 'settle' AND failures = 1`,
    ),
  ).toHaveLength(1_050);
  expect(reading.counted.get('set aside settle')).toBe(1_050);
});

test('a step of a turn that fails for a reason of its own keeps nothing else from being read', async () => {
  const { database } = reading;
  await reading.turn();
  const before = reading.ledger.chain.history.latest().sequence;
  // Nothing of what the backend wrote can be followed.
  await database.rows(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE 'It cannot be followed.'; END $$`);
  await database.rows(`CREATE TRIGGER broken BEFORE UPDATE ON settlement.network FOR EACH ROW
    EXECUTE FUNCTION refuse()`);
  reading.pass(5);
  const report = await reading.turn(true);
  expect(report.problems).toBe(1);
  expect(report.headLedger).toBeGreaterThan(before);
});

describe('a person', () => {
  const asked = async () =>
    (await openAttention(reading.database.db))
      .filter(({ kind }) => kind === 'set_aside')
      .map(({ subject, detail, whatToDo }) => ({ subject, detail, whatToDo }));
  const pauseIsOver = () => reading.database.rows('UPDATE settlement.set_aside SET until = now()');

  test('is asked about what is set aside until it goes through, and the session then comes to rest', async () => {
    const { database, deps } = reading;
    const poison = await insertSession(database);
    await receive(database, poison, '10');
    await refuse([poison.id]);
    await settleDue(deps);
    await settleDue(deps);
    expect(await asked()).toEqual([
      {
        subject: poison.id,
        detail: expect.stringContaining('It cannot be settled: This row is broken.'),
        whatToDo: expect.stringContaining('tried again by itself'),
      },
    ]);
    await pauseIsOver();
    await database.rows('DROP TRIGGER broken ON checkout_sessions');
    await settleDue(deps);
    expect(await statusOf(poison.id)).toEqual({ status: 'paid' });
    expect(await asked()).toEqual([]);
    expect(await takeDueWakes(database.db, 10)).toMatchObject([{ id: poison.id }]);
  });

  test('is asked no more when it was settled by another way, or is gone', async () => {
    const { database, deps } = reading;
    const [settled, deleted] = [await insertSession(database), await insertSession(database)];
    for (const session of [settled, deleted]) await receive(database, session, '10');
    await refuse([settled.id, deleted.id]);
    await settleDue(deps);
    expect(await asked()).toHaveLength(2);
    await database.rows('DROP TRIGGER broken ON checkout_sessions');
    await deps.queue.settle(settled.id);
    await database.rows('DELETE FROM checkout_sessions WHERE id = $1', [deleted.id]);
    await pauseIsOver();
    await settleDue(deps);
    await forgetGone(database.db);
    expect(await asked()).toEqual([]);
    expect(await database.rows('SELECT * FROM settlement.set_aside')).toEqual([]);
  });

  test('who has answered is not asked the same again', async () => {
    const { database, deps } = reading;
    const poison = await insertSession(database);
    await receive(database, poison, '10');
    await refuse([poison.id]);
    await settleDue(deps);
    const which = { subject: poison.id, kind: 'set_aside' };
    await resolveAttention(database.pool, which, { actor: 'ann', reason: 'it may stay so' });
    await pauseIsOver();
    await settleDue(deps);
    expect(await asked()).toEqual([]);
  });
});

test('wakes that fail beside others are set aside; the rest are sent', async () => {
  const { database, deps } = reading;
  const sessions = [];
  for (let i = 0; i < 30; i += 1) sessions.push((await insertSession(database)).id);
  await database.rows(
    `UPDATE settlement.active_sessions SET wake_after = now() - interval '1 hour'`,
  );
  const [poison = ''] = sessions;
  const woken: string[] = [];
  const wake = async (id: string) => {
    if (id === poison) throw new Error('This run cannot be woken.');
    woken.push(id);
  };
  await wakeDue({ ...deps, wake });
  expect(woken.sort()).toEqual(sessions.slice(1).sort());
  await wakeDue({ ...deps, wake });
  expect(woken).toHaveLength(29);
  expect(await openAttention(database.db)).toMatchObject([{ subject: poison, kind: 'set_aside' }]);
  await database.rows('UPDATE settlement.active_sessions SET wake_after = now()');
  await wakeDue(deps);
  expect(await openAttention(database.db)).toEqual([]);
});
