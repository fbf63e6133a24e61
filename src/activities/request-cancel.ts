import { requestCancel as storeCancel } from '../db/sessions.ts';
import type { Deps } from './deps.ts';

/** Stores when the session stops taking payments. Doing it again changes nothing. */
export function requestCancel(
  deps: Deps,
  { sessionId, now }: { sessionId: string; now: string },
): Promise<void> {
  return storeCancel(deps.database.pool, sessionId, new Date(now));
}
