import { forgetOldSecrets } from '../../db/operator/endpoint-secrets.ts';
import { beginRun, recordRun } from '../../db/reconcile-runs.ts';
import type { ReconcileReport } from '../../domain/discrepancy.ts';
import type { Deps } from '../deps.ts';

/** Says when a run begins, by the database's clock, and whether it is the one of the day that looks for everything. */
export function beginReconcile(deps: Deps): Promise<{ startedAt: string; thorough: boolean }> {
  return beginRun(deps.database.db);
}

/** Keeps the report of a finished run, forgets secrets that sign nothing more, and tells the metrics. */
export async function endReconcile(deps: Deps, report: ReconcileReport): Promise<void> {
  const { db } = deps.database;
  if (!report.dryRun) {
    await recordRun(db, report);
    await forgetOldSecrets(db);
  }
  deps.counters.reconcileEnded();
  deps.log.info({ report }, 'A run of reconciliation has ended.');
}
