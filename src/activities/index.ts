import type { ReconcileReport } from '../domain/discrepancy.ts';
import { askingFor } from '../horizon/budget.ts';
import { deliverEvents } from './deliver-events.ts';
import type { Deps } from './deps.ts';
import { look } from './look.ts';
import { openSession, type OpenInput } from './open-session.ts';
import { proveReport, type ReportInput } from './prove-report.ts';
import type { LookInput } from './read-view.ts';
import type { ReconcileDeps } from './reconcile/deps.ts';
import { repairPage, type RepairInput } from './reconcile/repair-page.ts';
import { beginReconcile, endReconcile } from './reconcile/runs.ts';
import { redeliver, type RedeliverInput } from './redeliver.ts';
import { refusing } from './refuse.ts';
import { requestCancel } from './request-cancel.ts';
import { watchLedger, type WatchInput } from './watch/watch-ledger.ts';

/** Activities of the task queue `settlement`: they commit. */
export const settlementActivities = (deps: Deps) => ({
  look: (input: LookInput) => refusing(() => look(deps, input)),
  openSession: (input: OpenInput) =>
    askingFor('sessions', () => refusing(() => openSession(deps, input))),
  requestCancel: (input: LookInput) =>
    askingFor('sessions', () => refusing(() => requestCancel(deps, input))),
  redeliver: (input: RedeliverInput) => refusing(() => redeliver(deps, input)),
});

/** Activities of the task queue `webhooks`: they POST. */
export const webhookActivities = (deps: Deps) => ({
  deliverEvents: (input: LookInput) => refusing(() => deliverEvents(deps, input)),
});

/** Activities of the task queue `horizon`: reports. */
export const horizonActivities = (deps: Deps) => ({
  proveReport: (input: ReportInput) => refusing(() => proveReport(deps, input)),
});

/** The watcher's activity, on the task queue `watcher`. */
export const watcherActivities = (deps: Deps) => ({
  watchLedger: (input: WatchInput) => watchLedger(deps, input),
});

/** The activities of reconciliation, on the task queue `watcher`: it asks Horizon before it repairs. */
export const reconcileActivities = (deps: ReconcileDeps) => ({
  beginReconcile: () => beginReconcile(deps),
  repairPage: (input: RepairInput) => askingFor('reconciliation', () => repairPage(deps, input)),
  endReconcile: (report: ReconcileReport) => endReconcile(deps, report),
});

/** The types by which workflows call them. */
export type SettlementActivities = ReturnType<typeof settlementActivities>;
export type WebhookActivities = ReturnType<typeof webhookActivities>;
export type HorizonActivities = ReturnType<typeof horizonActivities>;
export type ReconcileActivities = ReturnType<typeof reconcileActivities>;
export type WatcherActivities = ReturnType<typeof watcherActivities>;
