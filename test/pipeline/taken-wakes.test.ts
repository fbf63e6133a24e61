/** What a watcher had taken in hand when it was killed. */
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createBell } from '../../src/activities/bell.ts';
import { settleDue } from '../../src/activities/watch/settle-due.ts';
import { watchLedger } from '../../src/activities/watch/watch-ledger.ts';
import { takeDueWakes } from '../../src/db/worklists.ts';
import { insertSession, receive } from '../db/build.ts';
import { startReading, type Reading } from './reading.ts';

let reading: Reading;
beforeAll(async () => {
  reading = await startReading('accounts');
});
// Nobody has anything in hand.
beforeEach(() => reading.database.rows('DELETE FROM settlement.active_sessions'));
afterAll(() => reading.close());

/** Watches for so many minutes, or until a session is woken, and tells which were. */
async function watchUntilWoken(
  minutes: number,
  settledBell = reading.deps.settledBell,
): Promise<string[]> {
  const drains = new AbortController();
  const woken: string[] = [];
  const wake = (id: string) => {
    woken.push(id);
    drains.abort();
    return Promise.resolve();
  };
  const deps = { ...reading.deps, draining: drains.signal, settledBell, wake };
  await new MockActivityEnvironment().run(() => watchLedger(deps, { network: 'sandbox', minutes }));
  return woken;
}

test('the wakes that a killed watcher had taken and not sent are sent by the next one at once', async () => {
  const { deps, database } = reading;
  const session = await insertSession(database);
  await receive(database, session, '10');
  await deps.queue.settle(session.id);
  expect(await takeDueWakes(database.db, 10)).toMatchObject([{ id: session.id }]); // and here it is killed

  const woken = await watchUntilWoken(0.5);
  expect(woken).toEqual([session.id]);
});

test('what a turn settles is woken by the bell, however long the waker would wait', async () => {
  const { database } = reading;
  const session = await insertSession(database);
  const bell = createBell();
  let isReceived = false;
  const woken = await watchUntilWoken(0.25, {
    ring: () => bell.ring(),
    // Its payment comes when the waker has nothing more to do.
    heard: async () => {
      if (!isReceived) await receive(database, session, '10');
      isReceived = true;
      await bell.heard(20_000);
    },
  });
  expect(woken).toEqual([session.id]);
});

/** Whether somebody who listens has heard the bell by now. */
const rings = (heard: Promise<void>) =>
  Promise.race([heard.then(() => true), setImmediate().then(() => false)]);

test('what is settled rings for the waker, which need not wait for its next look', async () => {
  const { deps, database } = reading;
  const session = await insertSession(database);
  await receive(database, session, '10');
  const settledBell = createBell();
  const heard = settledBell.heard(3_000);
  expect(await rings(heard)).toBe(false);
  expect(await settleDue({ ...deps, settledBell })).toBe(1);
  expect(await rings(heard)).toBe(true);
  expect(await takeDueWakes(database.db, 10)).toMatchObject([{ id: session.id }]);
});

test('a bell that rang while nobody listened is heard by the next who does, once', async () => {
  const bell = createBell();
  bell.ring();
  bell.ring();
  expect(await rings(bell.heard(3_000))).toBe(true);
  const next = bell.heard(3_000);
  expect(await rings(next)).toBe(false);
  bell.ring();
  expect(await rings(next)).toBe(true);
  await bell.heard(1); // nobody rings: it is over all the same
});
