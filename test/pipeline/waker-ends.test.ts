/** The waker ends with its stretch and with its worker, however much is due. */
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { watchLedger } from '../../src/activities/watch/watch-ledger.ts';
import { wakeDue, WAKES_PER_TURN } from '../../src/activities/watch/wake-due.ts';
import { insertMerchant } from '../support/database.ts';
import { startReading, type Reading } from './reading.ts';

let reading: Reading;
beforeAll(async () => {
  reading = await startReading('accounts');
  const { database } = reading;
  await database.rows(
    `INSERT INTO checkout_sessions (merchant_id, amount, asset_code, receiving_account, memo, expires_at)
     SELECT $1, 10, 'XLM', 'GSHOP', i::text, now() + interval '1 hour' FROM generate_series(1, 500) i`,
    [await insertMerchant(database)],
  );
});
beforeEach(() =>
  reading.database.rows(
    `INSERT INTO settlement.active_sessions (session_id, live_session, account, asset, wake_after)
     SELECT id, id, receiving_account, 'native', now() - interval '1 minute' FROM checkout_sessions
     ON CONFLICT (session_id) DO UPDATE SET wake_after = excluded.wake_after`,
  ),
);
afterAll(() => reading.close());

/** Whoever is woken is due again at once, as under overload. */
const dueAgain = async (id: string) => {
  await reading.database.rows(
    `UPDATE settlement.active_sessions SET wake_after = now() - interval '1 minute' WHERE session_id = $1`,
    [id],
  );
};

test('one turn wakes a bounded number, although all of them are due again', async () => {
  expect(await wakeDue({ ...reading.deps, wake: dueAgain })).toBe(WAKES_PER_TURN);
});

test('no wake is begun after the worker was asked to end', async () => {
  const drains = new AbortController();
  let woken = 0;
  const wake = async (id: string) => {
    woken += 1;
    drains.abort();
    await dueAgain(id);
  };
  const deps = { ...reading.deps, draining: drains.signal, wake };
  await new MockActivityEnvironment().run(() =>
    watchLedger(deps, { network: 'sandbox', minutes: 5 }),
  );
  expect(woken).toBeLessThanOrEqual(20);
});

test('waking ends with the stretch, although there is always somebody due', async () => {
  const deps = { ...reading.deps, wake: dueAgain };
  const report: unknown = await new MockActivityEnvironment().run(() =>
    watchLedger(deps, { network: 'sandbox', minutes: 1 / 60 }),
  );
  expect(report).toMatchObject({ woken: expect.any(Number) });
});
