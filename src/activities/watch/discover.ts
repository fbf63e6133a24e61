import { deletedSessions, forgetSessions, placeOpenings } from '../../db/care.ts';
import { correctedSessions } from '../../db/session-row.ts';
import type { Deps } from '../deps.ts';
import { followBackend, takeIntoCare } from './care.ts';

/**
 * Follows what the backend wrote by itself since the last turn: new sessions, edits, deletions. `newestLedger` is the
 * newest one before this is asked. Returns the sessions that are to be settled for it.
 */
export async function discoverForeignSessions(
  deps: Deps,
  newestLedger: number,
  signal: AbortSignal = deps.draining,
): Promise<string[]> {
  const { db } = deps.database;
  await placeOpenings(db, newestLedger);
  const followed = [...(await followBackend(deps, signal)), ...(await followCorrected(deps))];
  await forgetDeleted(deps);
  return followed;
}

/** Rows that were no sessions and are now. */
async function followCorrected(deps: Deps): Promise<string[]> {
  const corrected = await correctedSessions(deps.database.db);
  const taken: string[] = [];
  for (const id of corrected) {
    try {
      await takeIntoCare(deps, id);
      taken.push(id);
    } catch (error) {
      deps.log.warn({ sessionId: id, err: error }, 'A corrected row could not be taken up.');
    }
  }
  return taken;
}

async function forgetDeleted(deps: Deps): Promise<void> {
  const deleted = await deletedSessions(deps.database.db);
  if (deleted.length === 0) return;
  await forgetSessions(deps.database.db, deleted);
  deps.log.warn({ sessionIds: deleted }, 'The backend deleted sessions in care.');
  // Their runs look once more, find no session and end.
  await Promise.allSettled(deleted.map((id) => deps.wake(id)));
}
