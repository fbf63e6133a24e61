/** Tells Prometheus, every quarter of a minute, how the whole stands (db/standing.ts). Every worker tells the same. */
import type { Runtime } from '@temporalio/worker';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { Db } from './db/connection.ts';
import { readStanding, type Standing } from './db/standing.ts';

/** Prometheus asks about as often. */
const EVERY_MS = 15_000;

/** Begins to tell, of `pools` how many wait for a connection; returns how to end it. What cannot be read is logged, and the last numbers stay. */
export function tellStanding(
  { metricMeter: meter }: Runtime,
  db: Db,
  log: Logger,
  pools: Readonly<Record<string, Pick<Pool, 'waitingCount'>>> = {},
): () => void {
  const show = gauges(meter);
  const waiting = meter.createGauge('settlement_connections_waited_for', 'int');
  const tell = () => {
    for (const [pool, { waitingCount }] of Object.entries(pools))
      waiting.set(waitingCount, { pool });
    readStanding(db).then(show, (error: unknown) =>
      log.warn({ err: error }, 'How everything stands could not be read.'),
    );
  };
  tell();
  const timer = setInterval(tell, EVERY_MS);
  return () => clearInterval(timer);
}

function gauges(meter: Runtime['metricMeter']): (standing: Standing) => void {
  const due = meter.createGauge('settlement_events_due', 'int');
  const oldest = meter.createGauge('settlement_oldest_event_due_seconds', 'float');
  const letters = meter.createGauge('settlement_dead_letters', 'int');
  const undecided = meter.createGauge('settlement_undecided_payments', 'int');
  const open = meter.createGauge('settlement_open_sessions', 'int');
  const reading = meter.createGauge('settlement_since_reading_seconds', 'float');
  const unreadable = meter.createGauge('settlement_unreadable_accounts', 'int');
  const reconciled = meter.createGauge('settlement_reconcile_ended_at_seconds', 'float');
  const attention = byLabel(meter.createGauge('settlement_attention_open', 'int'), 'kind');
  const lag = byLabel(meter.createGauge('settlement_coverage_lag_seconds', 'float'), 'account');
  return (standing) => {
    due.set(standing.eventsDue);
    oldest.set(standing.oldestEventDue);
    letters.set(standing.deadLetters);
    undecided.set(standing.undecided);
    open.set(standing.openSessions);
    reading.set(standing.sinceReading);
    unreadable.set(standing.unreadable);
    if (standing.reconciledAt !== null) reconciled.set(standing.reconciledAt);
    attention(standing.attention);
    lag(standing.coverageLag);
  };
}

type Gauge = ReturnType<Runtime['metricMeter']['createGauge']>;

/** A gauge for each label that is told; one that is told no more goes to zero. */
function byLabel(gauge: Gauge, label: string): (values: Readonly<Record<string, number>>) => void {
  const told = new Set<string>();
  gauge.set(0, { [label]: 'any' });
  return (values) => {
    for (const name of told) if (!(name in values)) gauge.set(0, { [label]: name });
    for (const [name, value] of Object.entries(values)) {
      gauge.set(value, { [label]: name });
      told.add(name);
    }
  };
}
