/**
 * What was read of the ledger, and how far. The promises of docs/guarantees.md stand in our tables as keys and checks
 * wherever a database can hold them.
 */
import { sql } from 'drizzle-orm';
import {
  bigint,
  check,
  index,
  integer,
  numeric,
  primaryKey,
  smallint,
  text,
  unique,
  uuid,
} from 'drizzle-orm/pg-core';
import { instant, ledgerNumber, settlement } from './columns.ts';

/** The one network this database belongs to; `settle migrate` writes it and refuses another. */
export const network = settlement.table(
  'network',
  {
    id: smallint('id').primaryKey(),
    passphrase: text('passphrase').notNull(),
    /** A ledger and its hash, as they were: after a reset of a test network the hash is another one. */
    checkpointLedger: ledgerNumber('checkpoint_ledger'),
    checkpointHash: text('checkpoint_hash'),
    /** Sessions that had ended before this are judged by their row alone; null: none are. */
    historyFrom: instant('history_from'),
    /** When a worker first ran: what an older backend writes after this is somebody's mistake. */
    adoptedAt: instant('adopted_at'),
    /** When an operator accepted that the (test) network began anew; endings before it prove nothing about it. */
    resetAt: instant('reset_at'),
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
    /** The first ledger that was read whole while this account was watched; null: none since the reading began. */
    networkFrom: ledgerNumber('network_from'),
    /** Horizon's paging token up to which what was read has been read once more (reconciliation). */
    recheckCursor: text('recheck_cursor'),
    /** When that second reading last reached the first one. */
    recheckedAt: instant('rechecked_at'),
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

/**
 * How far the network's ledgers were read whole, one after the other (DESIGN §6 c). What it covers, it covers for every
 * account whose own coverage reaches to `network_from`.
 */
export const networkReading = settlement.table(
  'network_reading',
  {
    id: smallint('id').primaryKey(),
    throughLedger: ledgerNumber('through_ledger').notNull(),
    throughTime: instant('through_time').notNull(),
    readAt: instant('read_at').notNull().defaultNow(),
  },
  (t) => [check('network_reading_is_one_row', sql`${t.id} = 1`)],
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
    /** The session that an operator gave it to, whatever its reference says. */
    assignedTo: uuid('assigned_to'),
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
    index('ledger_payments_by_assignment')
      .on(t.assignedTo)
      .where(sql`${t.assignedTo} is not null`),
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

/** What an operator sent back: the outgoing movement is proof for one ledger payment only. */
export const returnedPayments = settlement.table(
  'returned_payments',
  {
    txHash: text('tx_hash').notNull(),
    opIndex: integer('op_index').notNull(),
    subIndex: integer('sub_index').notNull(),
    returnTxHash: text('return_tx_hash').notNull(),
    returnOpIndex: integer('return_op_index').notNull(),
    returnSubIndex: integer('return_sub_index').notNull(),
    amount: numeric('amount', { precision: 19, scale: 7 }).notNull(),
    returnedTo: text('returned_to').notNull(),
    provenAt: instant('proven_at').notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ columns: [t.txHash, t.opIndex, t.subIndex] }),
    unique('return_proves_one_payment').on(t.returnTxHash, t.returnOpIndex, t.returnSubIndex),
    check('returned_amount_is_positive', sql`${t.amount} > 0`),
  ],
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
