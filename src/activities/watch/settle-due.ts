import type { Db } from '../../db/connection.ts';
import { isItsOwn, setAside, takeBack } from '../../db/set-aside.ts';
import { markUnmatched, sessionsToClose, sessionsWithUndecided } from '../../db/worklists.ts';
import type { SettlingDeps } from '../deps.ts';
import { reportSettled } from '../report-settled.ts';

/**
 * Settles what the database says is undecided or can now be closed, until nothing of it is left. Returns how many
 * sessions that were. A session that cannot be settled is set aside for a while, and does not stop the rest; nor does a list
 * that cannot be read stop another.
 */
export async function settleDue(deps: SettlingDeps, signal?: AbortSignal): Promise<number> {
  const tried = new Set<string>();
  let settled = 0;
  for (;;) {
    const unmatched = await listed(deps, markUnmatched);
    for (const payment of unmatched) {
      deps.counters.judged('unmatched');
      deps.log.warn(payment, 'A payment names no session.');
    }
    const lists = [await listed(deps, sessionsWithUndecided), await listed(deps, sessionsToClose)];
    const due = lists.flat().filter((id) => !tried.has(id));
    if (signal?.aborted === true) return settled;
    if (due.length === 0) {
      // Where many name no session, only a part of them was marked.
      if (unmatched.length > 0) continue;
      return settled;
    }
    for (const id of due) tried.add(id);
    settled += await settleEach(deps, due);
    deps.settledBell.ring();
  }
}

/** A list that fails by itself is empty this time. @throws when the database is away */
async function listed<T>(
  { database, log }: SettlingDeps,
  list: (db: Db) => Promise<T[]>,
): Promise<T[]> {
  try {
    return await list(database.db);
  } catch (error) {
    if (!isItsOwn(error)) throw error;
    log.error(
      { err: error },
      'A list of what is to be settled could not be read; it is tried again.',
    );
    return [];
  }
}

/** Settles these sessions; one that fails does not stop the rest. Returns how many were settled. */
export async function settleEach(
  deps: SettlingDeps,
  sessionIds: readonly string[],
): Promise<number> {
  const settled: string[] = [];
  for (const [sessionId, result] of await deps.queue.settleAll(sessionIds)) {
    if (result instanceof Error) {
      deps.log.error(
        { sessionId, err: result },
        'A session could not be settled; it is tried again.',
      );
      if (isItsOwn(result)) {
        deps.counters.setAside('settle');
        await setAside(deps.database.db, 'settle', sessionId, result);
      }
      continue;
    }
    settled.push(sessionId);
    reportSettled(deps, result);
  }
  await takeBack(deps.database.db, 'settle', settled);
  return settled.length;
}
