/** The process as a whole: the SDK's log and metrics, and our own metrics beside them. */
import { DefaultLogger, Runtime } from '@temporalio/worker';
import type { Logger } from 'pino';
import { BOUNDS, onReached } from './metrics/bounds.ts';
import type { Counters } from './activities/deps.ts';
import type { SettleCost } from './db/settle-queue.ts';
import { sessionIdOf } from './workflows/contract.ts';

/** Makes the SDK log through ours and, with an address (`host:port`), serve metrics to Prometheus. Once in a process. */
export function installRuntime(log: Logger, metricsAddress: string | undefined): void {
  const levels = {
    TRACE: 'trace',
    DEBUG: 'debug',
    INFO: 'info',
    WARN: 'warn',
    ERROR: 'error',
  } as const;
  Runtime.install({
    logger: new DefaultLogger('WARN', ({ level, message, meta }) => {
      // Two of the four task queues have activities only, and that is as it should be.
      if (message.startsWith('No workflows registered')) return;
      const sessionId = sessionIdOf(String(meta?.['workflowId'] ?? ''));
      const about = sessionId === null ? {} : { sessionId };
      log[levels[level]]({ ...about, ...meta, sdk: true }, message);
    }),
    shutdownSignals: ['SIGTERM', 'SIGINT'],
    ...(metricsAddress === undefined
      ? {}
      : {
          telemetryOptions: {
            metrics: {
              prometheus: {
                bindAddress: metricsAddress,
                countersTotalSuffix: true,
                unitSuffix: true,
                useSecondsForDurations: true,
              },
            },
          },
        }),
  });
}

/** What this process counts: what activities tell, and what its own parts cost. */
export type ProcessCounters = Counters & {
  /** A settle transaction has committed. */
  committed(cost: SettleCost): void;
  /** Horizon has answered with this HTTP status; 0: it has not. */
  asked(status: number): void;
  /** What this process may ask Horizon in an hour; 0: no limit. */
  budget(requestsPerHour: number): void;
  /** A request to Horizon was not sent: the share of its use was used up. */
  notAsked(use: string): void;
};

/** Our own counters, beside the SDK's on the same page; a process without metrics counts into nothing. */
export function countersOf({ metricMeter: meter }: Runtime): ProcessCounters {
  const judged = meter.createCounter('settlement_payments_judged');
  const late = meter.createCounter('settlement_found_after_ending');
  const discrepancies = meter.createCounter('settlement_discrepancies');
  const commits = meter.createCounter('settlement_commits');
  const settled = meter.createCounter('settlement_sessions_settled');
  const retries = meter.createCounter('settlement_commit_retries');
  const attempts = meter.createCounter('settlement_webhook_attempts');
  const requests = meter.createCounter('settlement_horizon_requests');
  const budget = meter.createGauge('settlement_horizon_requests_budget', 'int');
  const notAsked = meter.createCounter('settlement_horizon_requests_not_sent');
  const reports = meter.createCounter('settlement_reports_limited');
  const asides = meter.createCounter('settlement_set_aside');
  const bounds = meter.createCounter('settlement_bounds_reached');
  // At zero, so that the first one is a rise.
  for (const bound of Object.keys(BOUNDS)) bounds.add(0, { bound });
  onReached((bound) => bounds.add(1, { bound }));
  return {
    reportLimited: (bound) => reports.add(1, { bound }),
    setAside: (kind) => asides.add(1, { kind }),
    notAsked: (use) => notAsked.add(1, { use }),
    judged: (verdict) => judged.add(1, { verdict }),
    foundAfterEnding: () => late.add(1),
    reconciled: (kind, { repaired, left }) => {
      if (repaired > 0) discrepancies.add(repaired, { kind, outcome: 'repaired' });
      if (left > 0) discrepancies.add(left, { kind, outcome: 'left' });
    },
    attempted: (outcome) => attempts.add(1, { outcome }),
    committed: (cost) => {
      commits.add(1);
      settled.add(cost.sessions);
      if (cost.retries > 0) retries.add(cost.retries);
    },
    budget: (requestsPerHour) => budget.set(requestsPerHour),
    asked: (status) => requests.add(1, { status: String(status) }),
  };
}
