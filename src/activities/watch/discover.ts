import { deletedSessions, forgetSessions, placeOpenings } from '../../db/care.ts';
import { asideAmong, forgetGone, isItsOwn } from '../../db/set-aside.ts';
import { forgetEndpointQuestions } from '../../db/subscribers.ts';
import { correctedSessions } from '../../db/session-row.ts';
import { Refusal } from '../../domain/failure.ts';
import type { Deps } from '../deps.ts';
import { asideIfOwn } from '../aside.ts';
import { followBackend, takeIntoCare } from './care.ts';
import { settleEach } from './settle-due.ts';

/**
 * Follows what the backend wrote by itself since the last turn: new sessions, edits, deletions. `newestLedger` is the
 * newest one before this is asked. Returns how many sessions were settled for it.
 */
export async function discoverForeignSessions(
  deps: Deps,
  newestLedger: number,
  signal: AbortSignal = deps.draining,
): Promise<number> {
  const { db } = deps.database;
  try {
    await placeOpenings(db, newestLedger);
  } catch (error) {
    // One row among them may be the reason: each is dated by itself below.
    if (!isItsOwn(error)) throw error;
    deps.log.error(
      { event: 'openings.not_dated', err: error },
      'Openings could not be dated together.',
    );
  }
  const followed = [...(await followBackend(deps, signal)), ...(await followCorrected(deps))];
  await forgetDeleted(deps);
  await forgetGone(db);
  await forgetEndpointQuestions(db);
  return settleEach(deps, followed);
}

/** Rows that were no sessions and are now. */
async function followCorrected(deps: Deps): Promise<string[]> {
  const { db } = deps.database;
  const found = await correctedSessions(db);
  const aside = await asideAmong(db, 'follow', found);
  const corrected = found.filter((id) => !aside.has(id));
  const taken: string[] = [];
  for (const id of corrected) {
    try {
      await takeIntoCare(deps, id);
      taken.push(id);
    } catch (error) {
      if (error instanceof Refusal || !(await asideIfOwn(deps, 'follow', id, error))) {
        deps.log.warn({ sessionId: id, err: error }, 'A corrected row could not be taken up.');
      }
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
