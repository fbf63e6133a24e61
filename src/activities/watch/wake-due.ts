import { returnWakes, takeDueWakes } from '../../db/worklists.ts';
import type { Deps } from '../deps.ts';

/** Wakes under way at once: enough to keep up, few enough not to exhaust the server's namespace limits. */
const WAKES_AT_ONCE = 20;

/** Wakes the sessions that are due in the database. Those that cannot be woken now are found again by the next turn. */
export async function wakeDue(deps: Deps): Promise<number> {
  let woken = 0;
  for (;;) {
    const due = await takeDueWakes(deps.database.db, WAKES_AT_ONCE);
    const results = await Promise.allSettled(due.map((id) => deps.wake(id)));
    const failed = due.filter((_, i) => results[i]?.status === 'rejected');
    woken += due.length - failed.length;
    if (failed.length > 0) {
      await returnWakes(deps.database.db, failed);
      const first = results.find((r) => r.status === 'rejected');
      deps.log.warn({ sessionIds: failed, err: first?.reason }, 'Sessions could not be woken.');
    }
    if (due.length < WAKES_AT_ONCE || failed.length > 0) return woken;
  }
}
