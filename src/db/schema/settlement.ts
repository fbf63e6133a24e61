/**
 * Our own tables, in the PostgreSQL schema `settlement`, so that no table of the backend can collide with them.
 * The promises of docs/guarantees.md stand here as keys and checks wherever a database can hold them.
 */
import { sql } from 'drizzle-orm';
import {
  bigint,
  check,
  index,
  integer,
  jsonb,
  numeric,
  pgSchema,
  primaryKey,
  smallint,
  text,
  timestamp,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';

export const settlement = pgSchema('settlement');

const instant = (name: string) => timestamp(name, { withTimezone: true });
const ledgerNumber = (name: string) => bigint(name, { mode: 'number' });

/** The one network this database belongs to; `settle migrate` writes it and refuses another. */
export const network = settlement.table(
  'network',
  {
    id: smallint('id').primaryKey(),
    passphrase: text('passphrase').notNull(),
    createdAt: instant('created_at').notNull().defaultNow(),
  },
  (t) => [check('network_is_one_row', sql`${t.id} = 1`)],
);

/** An account we read, how far we read it, and what that proves. Coverage is [from, through] and only grows. */
export const watchedAccounts = settlement.table(
  'watched_accounts',
  {
    account: text('account').primaryKey(),
    /** Horizon's paging token of the last record stored; moved by compare-and-set only. */
    cursor: text('cursor').notNull(),
    fromLedger: ledgerNumber('from_ledger').notNull(),
    /** Every ledger payment that closed after this time is within the coverage. */
    fromTime: instant('from_time').notNull(),
    throughLedger: ledgerNumber('through_ledger').notNull(),
    /** Every ledger payment that closed at or before this time is in the inbox. */
    throughTime: instant('through_time').notNull(),
    registeredAt: instant('registered_at').notNull().defaultNow(),
    readAt: instant('read_at'),
    /** Why the account cannot be read right now, in words; null while all is well. */
    problem: text('problem'),
  },
  (t) => [check('coverage_is_an_interval', sql`${t.throughLedger} >= ${t.fromLedger}`)],
);

/** Coverage of one asset on one account, where its ledger entry proves more than the pages did (DESIGN §6 b, c). */
export const assetCoverage = settlement.table(
  'asset_coverage',
  {
    account: text('account').notNull(),
    asset: text('asset').notNull(),
    throughLedger: ledgerNumber('through_ledger').notNull(),
    throughTime: instant('through_time').notNull(),
  },
  (t) => [primaryKey({ columns: [t.account, t.asset] })],
);

/** The inbox: one row per movement into a watched account (P1), and the one meaning it has. */
export const ledgerPayments = settlement.table(
  'ledger_payments',
  {
    txHash: text('tx_hash').notNull(),
    opIndex: integer('op_index').notNull(),
    subIndex: integer('sub_index').notNull(),
    innerTxHash: text('inner_tx_hash'),
    operationId: bigint('operation_id', { mode: 'bigint' }).notNull(),
    ledger: ledgerNumber('ledger').notNull(),
    closedAt: instant('closed_at').notNull(),
    type: text('type').notNull(),
    account: text('account').notNull(),
    sender: text('sender').notNull(),
    assetCode: text('asset_code').notNull(),
    assetIssuer: text('asset_issuer'),
    amount: numeric('amount', { precision: 19, scale: 7 }).notNull(),
    reference: text('reference'),
    referenceSource: text('reference_source'),
    seenAt: instant('seen_at').notNull().defaultNow(),
    /** What it means (domain/judge.ts); null only until its first settle. */
    verdict: text('verdict'),
    sessionId: uuid('session_id'),
    decidedAt: instant('decided_at'),
    resolvedAt: instant('resolved_at'),
    resolvedBy: text('resolved_by'),
    resolution: text('resolution'),
  },
  (t) => [
    primaryKey({ columns: [t.txHash, t.opIndex, t.subIndex] }),
    index('ledger_payments_by_reference').on(t.account, t.reference),
    index('ledger_payments_by_order').on(t.account, t.operationId),
    index('ledger_payments_by_inner_hash')
      .on(t.innerTxHash)
      .where(sql`${t.innerTxHash} is not null`),
    check('received_amount_is_not_negative', sql`${t.amount} >= 0`),
    check(
      'verdict_is_known',
      sql`${t.verdict} in ('credited','unmatched','ambiguous','wrong_asset','nothing','late','duplicate','after_cancellation')`,
    ),
    check(
      'verdict_has_its_session',
      sql`${t.verdict} is null or ${t.verdict} in ('unmatched','ambiguous') or ${t.sessionId} is not null`,
    ),
  ],
);

/** Work list: ledger payments that no settle has judged yet. Narrow, so that judging updates no index of the inbox. */
export const undecidedPayments = settlement.table(
  'undecided_payments',
  {
    txHash: text('tx_hash').notNull(),
    opIndex: integer('op_index').notNull(),
    subIndex: integer('sub_index').notNull(),
    since: instant('since').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.txHash, t.opIndex, t.subIndex] })],
);

/** Records that could not be decoded, kept whole. An unresolved one holds back every ending on its account. */
export const parkedRecords = settlement.table(
  'parked_records',
  {
    account: text('account').notNull(),
    operationId: text('operation_id').notNull(),
    ledger: ledgerNumber('ledger').notNull(),
    raw: text('raw').notNull(),
    problem: text('problem').notNull(),
    parkedAt: instant('parked_at').notNull().defaultNow(),
    resolvedAt: instant('resolved_at'),
    resolvedBy: text('resolved_by'),
    resolution: text('resolution'),
  },
  (t) => [primaryKey({ columns: [t.account, t.operationId] })],
);

/** Work list: sessions not at rest. The watcher closes by `deadline` and wakes by `wakeAfter`. */
export const activeSessions = settlement.table(
  'active_sessions',
  {
    sessionId: uuid('session_id').primaryKey(),
    account: text('account').notNull(),
    asset: text('asset').notNull(),
    /** When the ledger must be covered to for an ending; null once the session is closed or paid. */
    deadline: instant('deadline'),
    /** When the session's workflow is to be woken if it has not come to rest; null: nothing to wake for. */
    wakeAfter: instant('wake_after'),
  },
  (t) => [
    index('active_sessions_by_deadline').on(t.account, t.deadline),
    index('active_sessions_by_wake').on(t.wakeAfter),
  ],
);

/** The references we gave out: unique per account, so no two sessions of ours can claim one payment. */
export const sessionReferences = settlement.table(
  'session_references',
  {
    account: text('account').notNull(),
    reference: text('reference').notNull(),
    sessionId: uuid('session_id').notNull().unique(),
  },
  (t) => [primaryKey({ columns: [t.account, t.reference] })],
);

/** What backends reported ("this transaction pays that session"), and what we answered. */
export const reportedPayments = settlement.table(
  'reported_payments',
  {
    sessionId: uuid('session_id').notNull(),
    txHash: text('tx_hash').notNull(),
    firstAt: instant('first_at').notNull().defaultNow(),
    times: integer('times').notNull().default(1),
    answer: text('answer'),
    asOfLedger: ledgerNumber('as_of_ledger'),
    answeredAt: instant('answered_at'),
  },
  (t) => [primaryKey({ columns: [t.sessionId, t.txHash] })],
);

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
});

/** Append-only: every change of a session's status and every decision of an operator, with its cause. */
export const sessionJournal = settlement.table(
  'session_journal',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    sessionId: uuid('session_id').notNull(),
    at: instant('at').notNull().defaultNow(),
    fromStatus: text('from_status').notNull(),
    toStatus: text('to_status').notNull(),
    cause: text('cause').notNull(),
    ledger: ledgerNumber('ledger'),
    actor: text('actor').notNull(),
    detail: jsonb('detail'),
  },
  (t) => [index('session_journal_by_session').on(t.sessionId)],
);

/** What needs a person. An open one keeps its session's run open. */
export const attention = settlement.table(
  'attention',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    /** A session's id, or an account. */
    subject: text('subject').notNull(),
    kind: text('kind').notNull(),
    detail: text('detail').notNull(),
    openedAt: instant('opened_at').notNull().defaultNow(),
    resolvedAt: instant('resolved_at'),
    resolvedBy: text('resolved_by'),
    reason: text('reason'),
  },
  (t) => [
    uniqueIndex('attention_open_once')
      .on(t.subject, t.kind)
      .where(sql`${t.resolvedAt} is null`),
  ],
);
