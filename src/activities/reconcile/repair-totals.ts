import { findWrongTotals, forgetTotals } from '../../db/totals-check.ts';
import { NOTHING, tally, untouched } from '../../domain/discrepancy.ts';
import { reasonOf } from '../../domain/failure.ts';
import type { Deps } from '../deps.ts';
import { reportSettled } from '../report-settled.ts';
import type { PageOutcome, PageRequest } from './page.ts';

/**
 * Forgets running totals that are not those of their payments (rows that an owner edited or truncated, past the triggers),
 * and settles their sessions, which counts anew. It counts every payment of sessions that have many: once a day.
 */
export async function repairTotals(
  deps: Deps,
  { after, dryRun, thorough }: PageRequest,
): Promise<PageOutcome> {
  if (!thorough) return { ...NOTHING, next: null };
  const { db } = deps.database;
  const { found, next } = await findWrongTotals(db, after);
  const ids = found.map(({ sessionId }) => sessionId);
  const subjects = ids.map(nameOf);
  if (dryRun || found.length === 0) return { ...untouched('wrong_totals', subjects), next };
  await forgetTotals(db, found);
  const left = new Map<string, string>();
  for (const [id, result] of await deps.queue.settleAll(ids)) {
    if (!(result instanceof Error)) {
      reportSettled(deps, result);
      continue;
    }
    deps.log.error({ sessionId: id, err: result }, 'A session could not be repaired.');
    left.set(nameOf(id), reasonOf(result));
  }
  return { ...tally(subjects, left), next };
}

const nameOf = (sessionId: string) => `session ${sessionId}`;
