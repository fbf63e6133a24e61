/**
 * The watcher's way: pages go into the inbox with their cursor, and what they leave undecided is settled together. The
 * worker in the same process then wakes each session, whose workflow sends the webhook. Horizon is left out: see the
 * watcher's own measurement.
 */
import { createBell } from '../../src/activities/bell.ts';
import { createPages } from '../pages.ts';
import type { Arm } from './arm.ts';
import { startRealWorker, temporalClient } from './ours.ts';

/** The arm. */
export const arm: Arm = {
  needs: 'temporal',
  work: async (place) => {
    const settledBell = createBell();
    await startRealWorker(place, settledBell);
    const pages = createPages(place.databaseUrl, settledBell);
    return { pay: (payments) => pages.commit(payments), counted: () => ({ ...pages.cost }) };
  },
  client: async (place, ipc) => {
    const temporal = await temporalClient(place);
    return {
      open: async () => undefined,
      pay: ipc,
      events: temporal.events,
      close: () => temporal.close(),
    };
  },
};
