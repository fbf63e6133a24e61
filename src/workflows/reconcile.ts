import {
  ActivityFailure,
  continueAsNew,
  patched,
  proxyActivities,
  setCurrentDetails,
  workflowInfo,
} from '@temporalio/workflow';
import type { ReconcileActivities } from '../activities/index.ts';
import {
  addTallies,
  DISCREPANCIES,
  NOTHING,
  reportInWords,
  type Discrepancy,
  type ReconcileReport,
} from '../domain/discrepancy.ts';
import { readable } from '../doors/unreadable.ts';
import { RECONCILE_FRAME_OPTIONS, RECONCILE_OPTIONS } from './options.ts';

const { beginReconcile, endReconcile } =
  proxyActivities<ReconcileActivities>(RECONCILE_FRAME_OPTIONS);
/** One page, with a summary, by which an operator tells one page from another in the history. */
const pageOf = (kind: Discrepancy) =>
  proxyActivities<ReconcileActivities>({ ...RECONCILE_OPTIONS, summary: kind });

/** What a run is to do; `resume` is where the run before this one, of the same work, stood. */
export type ReconcileInput = {
  dryRun?: boolean;
  resume?: { report: ReconcileReport; kind: Discrepancy; after: string | null };
};

/**
 * One pass over the closed list of discrepancies, page by page. A kind that cannot be looked for (PostgreSQL or Temporal
 * away) is named in the report and does not stop the others. The result is what an operator sees in the Temporal UI.
 */
export async function reconcile(given?: ReconcileInput | null): Promise<ReconcileReport> {
  const input = given ?? {};
  const { dryRun = false } = input;
  let report = input.resume?.report ?? {
    ...readable(await beginReconcile()),
    dryRun,
    classes: {},
    failed: {},
  };
  const first = input.resume === undefined ? 0 : DISCREPANCIES.indexOf(input.resume.kind);
  let after = input.resume?.after ?? null;
  for (const kind of DISCREPANCIES.slice(first)) {
    // A run that an earlier version began did not look for these.
    if (kind === 'wrong_totals' && !patched('wrong-totals')) continue;
    do {
      if (workflowInfo().continueAsNewSuggested) {
        return continueAsNew<typeof reconcile>({ dryRun, resume: { report, kind, after } });
      }
      try {
        const asked = { kind, after, dryRun, thorough: report.thorough };
        const page = readable(await pageOf(kind).repairPage(asked));
        after = page.next;
        report = withPage(report, kind, page);
      } catch (error) {
        if (!(error instanceof ActivityFailure)) throw error;
        after = null;
        const failed = { ...report.failed, [kind]: error.cause?.message ?? error.message };
        report = { ...report, failed };
      }
      setCurrentDetails(reportInWords(report));
    } while (after !== null);
  }
  await endReconcile(report);
  return report;
}

function withPage(
  report: ReconcileReport,
  kind: Discrepancy,
  page: Awaited<ReturnType<ReconcileActivities['repairPage']>>,
): ReconcileReport {
  if (page.found === 0) return report;
  const sum = addTallies(report.classes[kind] ?? NOTHING, page);
  return { ...report, classes: { ...report.classes, [kind]: sum } };
}
