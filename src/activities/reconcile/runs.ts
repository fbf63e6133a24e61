import { forgetOldSecrets } from '../../db/operator/endpoint-secrets.ts';
import { beginRun, recordRun } from '../../db/reconcile-runs.ts';
import type { ReconcileReport } from '../../domain/discrepancy.ts';
import type { Deps } from '../deps.ts';

/** Says when a run begins, by the database's clock, and whether it is the one of the day that looks for everything. */
export function beginReconcile(deps: Deps): Promise<{ startedAt: string; thorough: boolean }> {
  return beginRun(deps.database.db);
}

/**
 * Keeps the report of a finished run, and forgets secrets that sign nothing more. A kind that could not be looked for counts
 * as left: nobody knows what is.
 */
export async function endReconcile(deps: Deps, report: ReconcileReport): Promise<void> {
  const { db } = deps.database;
  if (!report.dryRun) {
    await recordRun(db, report);
    await forgetOldSecrets(db);
    for (const kind of Object.keys(report.failed)) {
      deps.counters.reconciled(kind, { found: 1, repaired: 0, left: 1 });
    }
  }
  deps.log.info({ report }, 'A run of reconciliation has ended.');
}
