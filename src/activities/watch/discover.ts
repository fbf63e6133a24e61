import { discoverSessions } from '../../db/worklists.ts';
import type { Deps } from '../deps.ts';
import { takeIntoCare } from './care.ts';

/** How far back the first turn of a stretch looks for sessions of the backend; older ones are reconciliation's to find. */
const FIRST_LOOK_BACK_MS = 24 * 60 * 60 * 1000;
/** Every later turn: longer than any transaction that might still insert a session with an older created_at. */
const LOOK_BACK_MS = 10 * 60 * 1000;

/** Takes sessions into care that a backend wrote without telling anybody. */
export async function discoverForeignSessions(deps: Deps, firstTurn: boolean): Promise<void> {
  const since = new Date(Date.now() - (firstTurn ? FIRST_LOOK_BACK_MS : LOOK_BACK_MS));
  for (const id of await discoverSessions(deps.database.db, since)) await takeIntoCare(deps, id);
}
