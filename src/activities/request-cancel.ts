import { requestCancel as storeCancel } from '../db/sessions.ts';
import { reasonOf } from '../domain/failure.ts';
import type { Deps } from './deps.ts';
import { advanceChain } from './watch/chain.ts';

/**
 * Requests that the session stops taking payments, and asks the ledger from when on: the close time of the newest ledger
 * that a node shows after the request is committed. Without an answer the request stands, and the watcher completes it.
 * Doing it again changes nothing.
 */
export async function requestCancel(
  deps: Deps,
  { sessionId }: { sessionId: string; now: string },
): Promise<void> {
  await storeCancel(deps.database.pool, sessionId);
  deps.log.info({ sessionId }, 'A cancellation was requested.');
  try {
    await advanceChain(deps);
  } catch (error) {
    deps.log.warn(
      { sessionId, reason: reasonOf(error) },
      'The ledger could not be asked for the time of a cancellation; the watcher asks again.',
    );
  }
}
