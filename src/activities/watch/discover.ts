import { deletedSessions, forgetSessions, placeOpenings } from '../../db/care.ts';
import { asideAmong, forgetGone, isItsOwn } from '../../db/set-aside.ts';
import { forgetEndpointQuestions } from '../../db/subscribers.ts';
import { correctedSessions } from '../../db/session-row.ts';
import { Refusal } from '../../domain/failure.ts';
import type { Deps } from '../deps.ts';
import { asideIfOwn } from '../aside.ts';
import { followBackend, takeIntoCare } from './care.ts';

/**
 * Follows the backend's own writes since the last turn: new sessions, edits, deletions. `newestLedger` is the newest ledger
 * before this call. `onFollowed` is called for each session that is to be settled for it.
 */
export async function discoverForeignSessions(
  deps: Deps,
  newestLedger: number,
  onFollowed: (sessionId: string) => void,
  signal: AbortSignal = deps.draining,
): Promise<void> {
  const { db } = deps.database;
  let notDated: unknown = null;
  try {
    await placeOpenings(db, newestLedger);
  } catch (error) {
    // One row among them may be the reason: each is dated by itself below. The turn has a problem all the same.
    if (!isItsOwn(error)) throw error;
    notDated = error;
  }
  await followBackend(deps, onFollowed, signal);
  await followCorrected(deps, onFollowed);
  await forgetDeleted(deps);
  await forgetGone(db);
  await forgetEndpointQuestions(db);
  if (notDated !== null) throw notDated;
}

/** Follows rows that were not sessions before their correction. */
async function followCorrected(deps: Deps, onFollowed: (sessionId: string) => void): Promise<void> {
  const { db } = deps.database;
  const found = await correctedSessions(db);
  const aside = await asideAmong(db, 'follow', found);
  for (const id of found.filter((one) => !aside.has(one))) {
    try {
      await takeIntoCare(deps, id);
      onFollowed(id);
    } catch (error) {
      if (error instanceof Refusal || !(await asideIfOwn(deps, 'follow', id, error))) {
        deps.log.warn({ sessionId: id, err: error }, 'A corrected row could not be taken up.');
      }
    }
  }
}

async function forgetDeleted(deps: Deps): Promise<void> {
  const deleted = await deletedSessions(deps.database.db);
  if (deleted.length === 0) return;
  await forgetSessions(deps.database.db, deleted);
  deps.log.warn({ sessionIds: deleted }, 'The backend deleted sessions in care.');
  // Their runs look once more, find no session and end.
  await Promise.allSettled(deleted.map((id) => deps.wake(id)));
}
