/** What we know of sessions beside the backend's own rows. */
import { sql } from 'drizzle-orm';
import {
  bigint,
  index,
  integer,
  jsonb,
  numeric,
  primaryKey,
  text,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';
import { checkoutSessions } from './backend.ts';
import { instant, ledgerNumber, settlement } from './columns.ts';

/** Work list: sessions not at rest. The watcher closes by `deadline` and wakes by `wakeAfter`. */
export const activeSessions = settlement.table(
  'active_sessions',
  {
    sessionId: uuid('session_id').primaryKey(),
    /** Whose session it is: wakes go round by merchant. Zero: an earlier version entered it, which did not say. */
    merchantId: uuid('merchant_id').notNull().default('00000000-0000-0000-0000-000000000000'),
    account: text('account').notNull(),
    asset: text('asset').notNull(),
    /** When the ledger must be covered to for an ending; null once the session is closed or paid. */
    deadline: instant('deadline'),
    /** When the session's workflow is to be woken if it has not come to rest; null: nothing to wake for. */
    wakeAfter: instant('wake_after'),
    /** When reconciliation last made sure that its workflow runs. */
    checkedAt: instant('checked_at'),
    /** The session again; null as soon as the backend deletes its row. */
    liveSession: uuid('live_session').references(() => checkoutSessions.id, {
      onDelete: 'set null',
    }),
  },
  (t) => [
    index('active_sessions_by_deadline').on(t.account, t.deadline),
    index('active_sessions_by_wake').on(t.wakeAfter),
    // The wakes of each merchant, and from one merchant to the next: as many entries as there are sessions not at rest.
    index('active_sessions_wakes_of_merchant')
      .on(t.merchantId, t.wakeAfter)
      .where(sql`${t.wakeAfter} is not null`),
    index('active_sessions_overdue').on(t.deadline),
    index('active_sessions_unchecked').on(t.checkedAt.asc().nullsFirst()),
    // The foreign key, and what was deleted: both by one index.
    index('active_sessions_by_live_session').on(t.liveSession),
  ],
);

/**
 * Cancellations that were requested and have no `cancel_at` yet: it is the close time of the newest ledger, and that
 * has to be asked for after the request is committed.
 */
export const cancelRequests = settlement.table('cancel_requests', {
  sessionId: uuid('session_id').primaryKey(),
  requestedAt: instant('requested_at').notNull().defaultNow(),
  actor: text('actor').notNull(),
});

/**
 * Running totals over the judged payments of a session that has too many to read them all (db/many-payments.ts). A
 * row that is gone is computed anew; a trigger deletes it when a payment that was judged is changed by anything but the settle
 * that writes the totals.
 */
export const sessionTotals = settlement.table('session_totals', {
  sessionId: uuid('session_id').primaryKey(),
  /** Account, reference, price and deadline by which they were judged: another one makes the totals void. */
  account: text('account').notNull(),
  reference: text('reference'),
  price: numeric('price').notNull(),
  deadline: instant('deadline').notNull(),
  totals: jsonb('totals').notNull(),
});

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
    /** A session's id, a merchant's id, an account, or what else the kind is about. */
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
    index('attention_by_subject').on(t.subject, t.kind),
    index('attention_by_kind').on(t.kind, t.subject),
  ],
);

/** Append-only: what operators decided, who and why. What concerns a session stands in its journal, too. */
export const operatorJournal = settlement.table(
  'operator_journal',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    at: instant('at').notNull().defaultNow(),
    actor: text('actor').notNull(),
    action: text('action').notNull(),
    /** `session <id>`, `payment <key>`, `account <G…>`, `merchant <id>`, `endpoint <id>`, `webhooks` or `network`. */
    subject: text('subject').notNull(),
    reason: text('reason').notNull(),
    detail: jsonb('detail'),
  },
  (t) => [index('operator_journal_by_subject').on(t.subject)],
);

/** The finished runs of reconciliation of the last 30 days, and what each found. */
export const reconcileRuns = settlement.table('reconcile_runs', {
  id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
  startedAt: instant('started_at').notNull().defaultNow(),
  finishedAt: instant('finished_at').notNull(),
  /** Found, repaired and left, by class. */
  report: jsonb('report').notNull(),
});

/**
 * Ledgers that were read whole for an account while their header counted too few operations: they are read once more. A
 * work list; the row goes when the ledger is read by its present count.
 */
export const recountedLedgers = settlement.table(
  'recounted_ledgers',
  {
    ledger: ledgerNumber('ledger').notNull(),
    account: text('account').notNull(),
    notedAt: instant('noted_at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.ledger, t.account] })],
);
