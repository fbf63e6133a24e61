import { takeBack } from '../../db/set-aside.ts';
import { postponeWakes, returnWakes, takeDueWakes } from '../../db/worklists.ts';
import { reached } from '../../metrics/bounds.ts';
import type { Deps } from '../deps.ts';

/**
 * Wakes in one batch. Accounts take turns between batches, and a batch waits for its slowest wake: a smaller one delays the next
 * account less. Ten keep up with 400 wakes a second.
 */
const WAKES_AT_ONCE = 10;

/**
 * Wakes of one turn. What is due beyond that waits for the next turn, a quarter of a second later: the waker does not
 * keep Temporal busier than 400 wakes a second, and it looks up often enough to see that its stretch has ended.
 */
export const WAKES_PER_TURN = 100;

/**
 * Wakes the sessions that are due in the database, in rounds of one session of each merchant and account, up to
 * `WAKES_PER_TURN`. A session that cannot be woken is found again by the next turn; where others could be woken, it is set
 * aside. Begins nothing more once `signal` is aborted. Returns how many were woken.
 */
export async function wakeDue(deps: Deps, signal: AbortSignal = deps.draining): Promise<number> {
  const woken: string[] = [];
  let tried = 0;
  for (let taken = 0; taken < WAKES_PER_TURN && !signal.aborted; taken += WAKES_AT_ONCE) {
    const due = await takeDueWakes(deps.database.db, WAKES_AT_ONCE);
    tried += due.length;
    const results = await Promise.allSettled(due.map(({ id, account }) => deps.wake(id, account)));
    const failed = due.flatMap(({ id }, i) => (results[i]?.status === 'rejected' ? [id] : []));
    const others = due.flatMap(({ id }, i) => (results[i]?.status === 'fulfilled' ? [id] : []));
    woken.push(...others);
    if (failed.length > 0) {
      const first = results.find((r) => r.status === 'rejected');
      deps.log.warn({ sessionIds: failed, err: first?.reason }, 'Sessions could not be woken.');
      // Where nobody can be woken, Temporal is away; the next turn finds the same sessions.
      if (others.length === 0) {
        await returnWakes(deps.database.db, failed);
        break;
      }
      failed.forEach(() => deps.counters.setAside('wake'));
      await postponeWakes(deps.database.db, failed, first?.reason);
    }
    if (due.length < WAKES_AT_ONCE) break;
  }
  await takeBack(deps.database.db, 'wake', woken);
  if (tried >= WAKES_PER_TURN) reached('wakes');
  return woken.length;
}
