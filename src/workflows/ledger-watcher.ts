import { continueAsNew, log, proxyActivities, setCurrentDetails } from '@temporalio/workflow';
import type { WatcherActivities } from '../activities/index.ts';
import { WATCH_FOR_MINUTES, WATCH_OPTIONS } from './options.ts';

const { watchLedger } = proxyActivities<WatcherActivities>(WATCH_OPTIONS);

/**
 * The one reader of a network's ledger. All its memory is in the database (cursors, coverage, work lists), so the
 * run is nothing but the promise that somebody reads: a worker that dies is replaced, and the history stays short.
 */
export async function ledgerWatcher({ network }: { network: string }): Promise<void> {
  const stretch = await watchLedger({ network, minutes: WATCH_FOR_MINUTES });
  log.info('The watcher has read a stretch.', stretch);
  setCurrentDetails(`Last stretch: ${JSON.stringify(stretch)}`);
  await continueAsNew<typeof ledgerWatcher>({ network });
}
