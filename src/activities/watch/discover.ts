import { correctedSessions } from '../../db/session-row.ts';
import { discoverSessions } from '../../db/worklists.ts';
import { settleSession } from '../report-settled.ts';
import type { Deps } from '../deps.ts';
import { takeIntoCare } from './care.ts';

/** How far back the first turn of a stretch looks for sessions of the backend; older ones are reconciliation's to find. */
const FIRST_LOOK_BACK_MS = 24 * 60 * 60 * 1000;
/** Every later turn: longer than any transaction that might still insert a session with an older created_at. */
const LOOK_BACK_MS = 10 * 60 * 1000;

/**
 * Takes sessions into care that a backend wrote without telling anybody, and those whose row it has corrected. One that
 * cannot be taken keeps no other from it: the next turn tries again.
 */
export async function discoverForeignSessions(deps: Deps, firstTurn: boolean): Promise<void> {
  const since = new Date(Date.now() - (firstTurn ? FIRST_LOOK_BACK_MS : LOOK_BACK_MS));
  const { db } = deps.database;
  for (const id of await discoverSessions(db, since)) await carefully(deps, id, takeIntoCare);
  for (const id of await correctedSessions(db)) {
    await carefully(deps, id, async () => {
      await takeIntoCare(deps, id);
      await settleSession(deps, id);
    });
  }
}

async function carefully(
  deps: Deps,
  sessionId: string,
  take: (deps: Deps, sessionId: string) => Promise<void>,
): Promise<void> {
  try {
    await take(deps, sessionId);
  } catch (error) {
    deps.log.warn({ sessionId, err: error }, 'A session of the backend could not be taken up.');
  }
}
