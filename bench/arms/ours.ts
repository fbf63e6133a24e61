/** What both of our arms have in common: the real worker, in this process. */
import { Client, Connection } from '@temporalio/client';
import type { Bell } from '../../src/activities/bell.ts';
import { sessionWorkflowId } from '../../src/workflows/contract.ts';
import { runWorker } from '../../src/worker.ts';
import { POOL, type ArmClient, type Place } from './arm.ts';
import { historyLengths } from './history.ts';

/** Runs the product's worker; resolves when it works. The bell rings for its waker. */
export async function startRealWorker(place: Place, settledBell?: Bell): Promise<void> {
  Object.assign(process.env, { TEMPORAL_ADDRESS: place.temporalAddress ?? '' });
  const env = {
    ...process.env,
    DATABASE_URL: place.databaseUrl,
    HORIZON_URL: place.horizonUrl,
    NETWORK_PASSPHRASE: place.networkPassphrase,
    HORIZON_REQUESTS_PER_HOUR: '0',
    POLL_INTERVAL_MS: String(place.pollIntervalMs),
    DATABASE_POOL: String(POOL),
    WEBHOOK_ALLOW: place.sink,
    WORKFLOW_BUNDLE: place.bundles.ours,
    LOG_LEVEL: 'error',
  };
  process.env['WORKFLOW_BUNDLE'] = place.bundles.ours;
  await new Promise<void>((resolve, reject) => {
    runWorker(env, resolve, settledBell).then(() => process.exit(0), reject);
  });
}

/** A client of the same Temporal server, and the count of history events. */
export async function temporalClient(
  place: Place,
): Promise<{ client: Client; events: NonNullable<ArmClient['events']>; close(): Promise<void> }> {
  const connection = await Connection.connect({ address: place.temporalAddress ?? '' });
  const client = new Client({ connection });
  return {
    client,
    events: (ids) => historyLengths(client.workflow, ids.map(sessionWorkflowId)),
    close: () => connection.close(),
  };
}
