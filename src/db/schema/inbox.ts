/**
 * What was read of the ledger, and how far. The promises of docs/guarantees.md stand in our tables as keys and checks
 * wherever a database can hold them.
 */
import { sql } from 'drizzle-orm';
import {
  bigint,
  check,
  foreignKey,
  index,
  integer,
  numeric,
  primaryKey,
  smallint,
  text,
  unique,
  uuid,
} from 'drizzle-orm/pg-core';
import { instant, ledgerInterval, ledgerNumber, ledgerSet, settlement } from './columns.ts';

/** The one network this database belongs to; `settle migrate` writes it and refuses another. */
export const network = settlement.table(
  'network',
  {
    id: smallint('id').primaryKey(),
    passphrase: text('passphrase').notNull(),
    /** The newest ledger of the chain when the backend's new sessions were last looked for. */
    discoveredAfter: ledgerNumber('discovered_after'),
    /** Sessions that had ended before this are judged by their row alone; null: none are. */
    historyFrom: instant('history_from'),
    /** When a worker first ran: what an older backend writes after this is a mistake. A trigger dates it, once. */
    adoptedAt: instant('adopted_at'),
    /** When an operator accepted that the (test) network began anew; endings before it prove nothing about it. */
    resetAt: instant('reset_at'),
    createdAt: instant('created_at').notNull().defaultNow(),
  },
  (t) => [check('network_is_one_row', sql`${t.id} = 1`)],
);

/** The chain: headers of ledgers, each named by the one after it. The database refuses one that does not fit. */
export const ledgers = settlement.table(
  'ledgers',
  {
    sequence: ledgerNumber('sequence').primaryKey(),
    hash: text('hash').notNull(),
    /** Null on an anchor: where the chain begins, nothing is known before it. */
    prevHash: text('prev_hash'),
    prevSequence: ledgerNumber('prev_sequence').generatedAlwaysAs(sql`sequence - 1`),
    /** Whole seconds; consecutive ledgers may share one. */
    closedAt: instant('closed_at').notNull(),
    /** Operations of successful transactions: as many as a ledger that is read whole must show. */
    operationCount: integer('operation_count').notNull(),
  },
  (t) => [
    unique('ledgers_by_hash').on(t.sequence, t.hash),
    foreignKey({
      name: 'ledgers_are_a_chain',
      columns: [t.prevSequence, t.prevHash],
      foreignColumns: [t.sequence, t.hash],
    }),
    index('ledgers_by_time').on(t.closedAt, t.sequence),
    // The foreign key: a ledger that is forgotten must not scan the chain for the one after it.
    index('ledgers_by_previous').on(t.prevSequence),
  ],
);

/**
 * An account we read page by page, and how far. Pages that overlap show what a node has of it: crediting rests on
 * that. Endings rest on `coverage`.
 */
export const watchedAccounts = settlement.table('watched_accounts', {
  account: text('account').primaryKey(),
  /** Its pages are read through this ledger; moved by compare-and-set only. */
  throughLedger: ledgerNumber('through_ledger').notNull(),
  /** Horizon's paging token of a record that the next page must begin with; null: the account had none. */
  knownRecord: text('known_record'),
  /** The ledgers that its pages were read through, all told. */
  readLedgers: ledgerSet('read_ledgers').notNull().default('{}'),
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
});

/**
 * Ledgers of which it is proven what they brought an account in one asset (`native`, CODE:ISSUER), or in all (`*`): read
 * whole, or between the last change of the entry and the ledger it was asked for. In any order, holes included.
 */
export const coverage = settlement.table(
  'coverage',
  {
    account: text('account').notNull(),
    asset: text('asset').notNull(),
    ledgers: ledgerSet('ledgers').notNull(),
  },
  (t) => [primaryKey({ columns: [t.account, t.asset] })],
);

/**
 * Ledgers that no node shows any more. Crediting goes on behind them, in the ledger's order; a session across one ends
 * by a person only.
 */
export const historyHoles = settlement.table(
  'history_holes',
  {
    account: text('account').notNull(),
    ledgers: ledgerInterval('ledgers').notNull(),
    notedAt: instant('noted_at').notNull().defaultNow(),
    /** When they were last asked for. */
    askedAt: instant('asked_at').notNull().defaultNow(),
    problem: text('problem').notNull(),
  },
  (t) => [primaryKey({ columns: [t.account, t.ledgers] })],
);

/**
 * How far the network's ledgers were read whole, one after the other. What it covers, it covers for every account from
 * its `network_from` on.
 */
export const networkReading = settlement.table(
  'network_reading',
  {
    id: smallint('id').primaryKey(),
    throughLedger: ledgerNumber('through_ledger').notNull(),
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
    /**
     * It sorts behind this ledger, not at its own place: found, or given to the session by a person, when what lies
     * there was decided already.
     */
    placedAfter: ledgerNumber('placed_after'),
    resolvedAt: instant('resolved_at'),
    resolvedBy: text('resolved_by'),
    resolution: text('resolution'),
  },
  (t) => [
    primaryKey({ columns: [t.txHash, t.opIndex, t.subIndex] }),
    // In ledger order, so that the first and the last of a session are found without the others.
    index('ledger_payments_by_reference').on(t.account, t.reference, t.operationId, t.subIndex),
    // What has no session of its own yet: the undecided of a session, the unmatched, the ambiguous.
    index('ledger_payments_without_session')
      .on(t.account, t.reference, t.verdict, t.operationId, t.subIndex)
      .where(sql`${t.sessionId} is null`),
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
