/** The waker goes on for as long as its stretch and its worker, ends with either, and is bounded whatever is due. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { watchLedger, type WatchReport } from '../../src/activities/watch/watch-ledger.ts';
import { wakeDue, WAKES_PER_TURN } from '../../src/activities/watch/wake-due.ts';
import { insertMerchant } from '../support/database.ts';
import { startReading, type Reading } from './reading.ts';

/** Sessions that are due; more than the waker wakes in a turn. */
const DUE = 500;
/** What the waker may have begun when its end comes (WAKES_AT_ONCE). */
const UNDER_WAY = 20;
/** Twice as many as a turn wakes, so that the waker's loop has gone round. */
const SEVERAL_TURNS = 2 * WAKES_PER_TURN + 10;

let reading: Reading;
beforeAll(async () => {
  reading = await startReading('accounts');
  const { database } = reading;
  await database.rows(
    `INSERT INTO checkout_sessions (merchant_id, amount, asset_code, receiving_account, memo, expires_at)
     SELECT $1, 10, 'XLM', 'GSHOP', i::text, now() + interval '1 hour' FROM generate_series(1, ${DUE}) i`,
    [await insertMerchant(database)],
  );
});
const allAreDue = () =>
  reading.database.rows(
    `INSERT INTO settlement.active_sessions (session_id, live_session, account, asset, wake_after)
     SELECT id, id, receiving_account, 'native', now() - interval '1 minute' FROM checkout_sessions
     ON CONFLICT (session_id) DO UPDATE SET wake_after = excluded.wake_after`,
  );
beforeEach(allAreDue);
afterAll(() => reading.close());

/** Wakes while somebody is always due, as under overload; `onWake` is told how many there were. */
function overload(onWake: (woken: number) => void = () => undefined) {
  const counted = { woken: 0 };
  const wake = async () => {
    counted.woken += 1;
    onWake(counted.woken);
    if (counted.woken % (DUE - WAKES_PER_TURN) === 0) await allAreDue();
  };
  return { counted, deps: { ...reading.deps, wake } };
}

/** A stretch of the watcher, of so many minutes. */
const stretch = (
  deps: Reading['deps'],
  minutes: number,
  environment = new MockActivityEnvironment(),
): Promise<WatchReport> =>
  environment.run(() => watchLedger(deps, { network: 'sandbox', minutes })) as never;

test('one turn wakes a bounded number, although all of them are due again', async () => {
  const { deps } = overload();
  expect(await wakeDue(deps)).toBe(WAKES_PER_TURN);
});

describe('turn after turn, until', () => {
  test('the worker is asked to end: no wake is begun after that', async () => {
    const drains = new AbortController();
    const { counted, deps } = overload((woken) => woken === SEVERAL_TURNS && drains.abort());
    const report = await stretch({ ...deps, draining: drains.signal }, 5);
    expect(counted.woken).toBeGreaterThanOrEqual(SEVERAL_TURNS);
    expect(counted.woken).toBeLessThan(SEVERAL_TURNS + UNDER_WAY);
    expect(report.woken).toBe(counted.woken);
  });

  test('the activity is cancelled: no wake is begun after that', async () => {
    const environment = new MockActivityEnvironment();
    const { counted, deps } = overload((woken) => woken === SEVERAL_TURNS && environment.cancel());
    await expect(stretch(deps, 5, environment)).rejects.toMatchObject({ name: 'CancelledFailure' });
    expect(counted.woken).toBeGreaterThanOrEqual(SEVERAL_TURNS);
    expect(counted.woken).toBeLessThan(SEVERAL_TURNS + UNDER_WAY);
  });

  test('the stretch is over, and then nothing goes on', async () => {
    const { counted, deps } = overload();
    const { woken } = await stretch(deps, 2 / 60);
    expect(woken).toBeGreaterThan(WAKES_PER_TURN);
    expect(counted.woken).toBe(woken);
    // The last wakes were taken by nobody: all are there to be taken by the next stretch.
    await allAreDue();
    expect(await wakeDue(deps)).toBe(WAKES_PER_TURN);
    expect(counted.woken).toBe(woken + WAKES_PER_TURN);
  });
});

test('a waking that fails is followed by the next turn', async () => {
  const drains = new AbortController();
  const { counted, deps } = overload((woken) => {
    if (woken === 1) throw new Error('Temporal is away.');
    if (woken === SEVERAL_TURNS) drains.abort();
  });
  await stretch({ ...deps, draining: drains.signal }, 5);
  expect(counted.woken).toBeGreaterThanOrEqual(SEVERAL_TURNS);
});
