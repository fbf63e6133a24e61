/** The process as a whole: the SDK's log and metrics, and our own metrics beside them. */
import { DefaultLogger, Runtime } from '@temporalio/worker';
import type { Logger } from 'pino';
import type { Counters } from './activities/deps.ts';

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
      // Two of the three task queues have activities only, and that is as it should be.
      if (message.startsWith('No workflows registered')) return;
      log[levels[level]]({ ...meta, sdk: true }, message);
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

/** Our own counters, beside the SDK's on the same page; a process without metrics counts into nothing. */
export function countersOf({ metricMeter }: Runtime): Counters {
  const judged = metricMeter.createCounter('settlement_payments_judged');
  const late = metricMeter.createCounter('settlement_found_after_ending');
  const discrepancies = metricMeter.createCounter('settlement_discrepancies');
  const ended = metricMeter.createGauge('settlement_reconcile_ended_at', 'float', 's');
  const attention = metricMeter.createGauge('settlement_attention_open', 'int');
  return {
    judged: (verdict) => judged.add(1, { verdict }),
    foundAfterEnding: () => late.add(1),
    reconciled: (kind, { repaired, left }) => {
      if (repaired > 0) discrepancies.add(repaired, { kind, outcome: 'repaired' });
      if (left > 0) discrepancies.add(left, { kind, outcome: 'left' });
    },
    reconcileEnded: (openAttention) => {
      ended.set(Date.now() / 1000);
      attention.set(openAttention);
    },
  };
}
