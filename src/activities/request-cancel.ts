import { requestCancel as storeCancel } from '../db/sessions.ts';
import type { Deps } from './deps.ts';

/** Stores when the session stops taking payments. Doing it again changes nothing. */
export async function requestCancel(
  deps: Deps,
  { sessionId, now }: { sessionId: string; now: string },
): Promise<void> {
  await storeCancel(deps.database.pool, sessionId, new Date(now));
  deps.log.info({ sessionId }, 'A cancellation was asked for.');
}
