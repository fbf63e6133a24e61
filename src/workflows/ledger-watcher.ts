import {
  ApplicationFailure,
  log,
  makeContinueAsNewFunc,
  proxyActivities,
  setCurrentDetails,
} from '@temporalio/workflow';
import { partOf } from '../doors/messages.ts';
import { readable } from '../doors/unreadable.ts';
import type { WatcherActivities } from '../activities/index.ts';
import { WATCHER_QUEUE } from './contract.ts';
import { WATCH_FOR_MINUTES, WATCH_OPTIONS } from './options.ts';

const { watchLedger } = proxyActivities<WatcherActivities>(WATCH_OPTIONS);
/** A run that an earlier version started on the sessions' queue goes on here, on the watcher's. */
const goOn = makeContinueAsNewFunc<typeof ledgerWatcher>({ taskQueue: WATCHER_QUEUE });

/**
 * The one reader of a network's ledger. All its memory is in the database (cursors, coverage, work lists), so the
 * run is nothing but the promise that somebody reads: a worker that dies is replaced, and the history stays short.
 */
export async function ledgerWatcher(input: { network: string }): Promise<void> {
  const network = requireNetwork(input);
  const stretch = readable(await watchLedger({ network, minutes: WATCH_FOR_MINUTES }));
  log.info('The watcher has read a stretch.', stretch);
  setCurrentDetails(`Last stretch: ${JSON.stringify(stretch)}`);
  await goOn({ network });
}

/** @throws ApplicationFailure WrongStart: a run that reads nothing must not hold the watcher's workflow id */
function requireNetwork(input: unknown): string {
  const network = partOf(input, 'network');
  if (typeof network === 'string' && network !== '') return network;
  throw ApplicationFailure.nonRetryable(
    'A run of ledgerWatcher needs the name of its network as its argument.',
    'WrongStart',
  );
}
