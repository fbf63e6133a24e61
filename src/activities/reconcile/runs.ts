import { beginRun, recordRun } from '../../db/reconcile-runs.ts';
import type { ReconcileReport } from '../../domain/discrepancy.ts';
import type { Deps } from '../deps.ts';

/** Says when a run begins, by the database's clock, and whether it is the one of the day that looks for everything. */
export function beginReconcile(deps: Deps): Promise<{ startedAt: string; thorough: boolean }> {
  return beginRun(deps.database.db);
}

/** Keeps the report of a finished run. A kind that could not be looked for counts as left: nobody knows what is. */
export async function endReconcile(deps: Deps, report: ReconcileReport): Promise<void> {
  if (!report.dryRun) {
    await recordRun(deps.database.db, report);
    for (const kind of Object.keys(report.failed)) {
      deps.counters.reconciled(kind, { found: 1, repaired: 0, left: 1 });
    }
  }
  deps.log.info({ report }, 'A run of reconciliation has ended.');
}
