/** Events on their way to merchants. */
import { integer, primaryKey, text, uniqueIndex, uuid } from 'drizzle-orm/pg-core';
import { instant, settlement } from './columns.ts';

/** The outbox: one row per fact (P3). Id and body derive from the fact; the body is the exact text that is signed. */
export const events = settlement.table(
  'events',
  {
    id: uuid('id').primaryKey(),
    sessionId: uuid('session_id').notNull(),
    merchantId: uuid('merchant_id').notNull(),
    type: text('type').notNull(),
    fact: text('fact').notNull(),
    body: text('body').notNull(),
    occurredAt: instant('occurred_at').notNull(),
    createdAt: instant('created_at').notNull().defaultNow(),
  },
  (t) => [uniqueIndex('events_one_per_fact').on(t.sessionId, t.type, t.fact)],
);

/** One row per POST: written before it (so that a crash leaves its trace) and completed after it. */
export const deliveryAttempts = settlement.table(
  'delivery_attempts',
  {
    deliveryId: uuid('delivery_id').notNull(),
    attempt: integer('attempt').notNull(),
    startedAt: instant('started_at').notNull().defaultNow(),
    finishedAt: instant('finished_at'),
    outcome: text('outcome'),
    responseStatus: integer('response_status'),
    detail: text('detail'),
    durationMs: integer('duration_ms'),
  },
  (t) => [primaryKey({ columns: [t.deliveryId, t.attempt] })],
);

/** What we know about an endpoint: its failures, pauses, and the old secret while one rotates. */
export const endpointState = settlement.table('endpoint_state', {
  endpointId: uuid('endpoint_id').primaryKey(),
  merchantId: uuid('merchant_id').notNull(),
  consecutiveFailures: integer('consecutive_failures').notNull().default(0),
  pausedUntil: instant('paused_until'),
  disabledAt: instant('disabled_at'),
  disabledReason: text('disabled_reason'),
  previousSecret: text('previous_secret'),
  previousSecretUntil: instant('previous_secret_until'),
  /** How often a person has paused, disabled or resumed it. An attempt that began before changes nothing of the endpoint. */
  decisions: integer('decisions').notNull().default(0),
});
