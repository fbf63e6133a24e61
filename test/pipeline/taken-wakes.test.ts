/** What a watcher had taken in hand when it was killed. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { watchLedger } from '../../src/activities/watch/watch-ledger.ts';
import { takeDueWakes } from '../../src/db/worklists.ts';
import { insertSession, receive } from '../db/build.ts';
import { startReading, type Reading } from './reading.ts';

let reading: Reading;
beforeAll(async () => {
  reading = await startReading('accounts');
});
afterAll(() => reading.close());

test('the wakes that a killed watcher had taken and not sent are sent by the next one at once', async () => {
  const { deps, database } = reading;
  const session = await insertSession(database);
  await receive(database, session, '10');
  await deps.queue.settle(session.id);
  expect(await takeDueWakes(database.db, 10)).toEqual([session.id]); // and here it is killed

  const drains = new AbortController();
  const woken: string[] = [];
  await new MockActivityEnvironment().run(() =>
    watchLedger(
      {
        ...deps,
        draining: drains.signal,
        wake: (id) => {
          woken.push(id);
          drains.abort();
          return Promise.resolve();
        },
      },
      { network: 'sandbox', minutes: 0.5 },
    ),
  );
  expect(woken).toEqual([session.id]);
});
