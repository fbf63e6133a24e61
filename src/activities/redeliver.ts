import { redeliver as putBack } from '../db/attempts.ts';
import type { Deps } from './deps.ts';

/** Which delivery of which session. */
export type RedeliverInput = { sessionId: string; deliveryId: string };

/** Puts an event back in line under its old id; the session's run sends it. */
export async function redeliver(
  deps: Deps,
  { sessionId, deliveryId }: RedeliverInput,
): Promise<void> {
  await putBack(deps.database.db, sessionId, deliveryId);
  deps.log.info({ sessionId, deliveryId }, 'An event is to be sent again.');
}
