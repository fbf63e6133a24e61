import { markUnmatched, sessionsToClose, sessionsWithUndecided } from '../../db/worklists.ts';
import type { SettlingDeps } from '../deps.ts';
import { reportSettled } from '../report-settled.ts';

/**
 * Settles what the database says is undecided or can now be closed, until nothing of it is left. Returns how many
 * sessions that were. A session that cannot be settled does not stop the rest; the next turn tries it again.
 */
export async function settleDue(deps: SettlingDeps): Promise<number> {
  const { db } = deps.database;
  const tried = new Set<string>();
  let settled = 0;
  for (;;) {
    for (const unmatched of await markUnmatched(db)) {
      deps.counters.judged('unmatched');
      deps.log.warn(unmatched, 'A payment names no session.');
    }
    const due = [...(await sessionsWithUndecided(db)), ...(await sessionsToClose(db))].filter(
      (id) => !tried.has(id),
    );
    if (due.length === 0) return settled;
    for (const id of due) tried.add(id);
    settled += await settleEach(deps, due);
    deps.settledBell.ring();
  }
}

/** Settles these sessions; one that fails does not stop the rest. Returns how many were settled. */
export async function settleEach(
  deps: SettlingDeps,
  sessionIds: readonly string[],
): Promise<number> {
  let settled = 0;
  for (const [sessionId, result] of await deps.queue.settleAll(sessionIds)) {
    if (result instanceof Error) {
      deps.log.error(
        { sessionId, err: result },
        'A session could not be settled; it is tried again.',
      );
      continue;
    }
    settled += 1;
    reportSettled(deps, result);
  }
  return settled;
}
