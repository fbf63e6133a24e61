/** What each role may do with each table: one list, which a test holds against the tables that there are. */

/** The tables, with their schemas. */
export const TABLES = [
  'public.api_keys',
  'public.audit_logs',
  'public.checkout_sessions',
  'public.merchants',
  'public.payment_links',
  'public.payments',
  'public.webhook_dead_letters',
  'public.webhook_deliveries',
  'public.webhook_endpoints',
  'settlement.active_sessions',
  'settlement.attention',
  'settlement.cancel_requests',
  'settlement.coverage',
  'settlement.delivery_attempts',
  'settlement.endpoint_state',
  'settlement.events',
  'settlement.history_holes',
  'settlement.ledger_payments',
  'settlement.ledgers',
  'settlement.migrations',
  'settlement.network',
  'settlement.network_reading',
  'settlement.operator_journal',
  'settlement.parked_records',
  'settlement.reconcile_runs',
  'settlement.recounted_ledgers',
  'settlement.reported_payments',
  'settlement.returned_payments',
  'settlement.session_journal',
  'settlement.session_references',
  'settlement.session_totals',
  'settlement.set_aside',
  'settlement.undecided_payments',
  'settlement.watched_accounts',
] as const;

/** One of our tables, or of the backend's. */
export type Table = (typeof TABLES)[number];

/** Work lists, totals, what is known of the ledger (a network may be reset), and reports that age: nothing else is ever deleted. */
const WORK_LIST = 'SELECT, INSERT, UPDATE, DELETE';
const ROWS_THAT_CHANGE = 'SELECT, INSERT, UPDATE';

/**
 * Workers and operators' commands. Money cannot be rewritten by it: of a payment, a ledger payment and a session only
 * what settle decides can be changed, and neither they nor events and journals can be deleted. Ids and times of journals
 * and events are the database's: there is no right to insert into those columns.
 */
export const APP_RIGHTS: Readonly<Record<Table, string>> = {
  'public.api_keys': '',
  'public.audit_logs': '',
  'public.checkout_sessions':
    'SELECT, INSERT, UPDATE (memo, status, cancel_at, closed_through_ledger, processing_since, payment_id, legacy, ' +
    'opened_after, final_deadline, seen_status, seen_expires_at, seen_memo, seen_terms)',
  // A backend's further columns (a password, say) can be neither written nor changed.
  'public.merchants':
    'SELECT (id, wallet_address, business_name, email, role, webhook_url, webhook_secret, logo_url, cors_origins, created_at), ' +
    'INSERT (id, wallet_address, business_name, email, webhook_url, webhook_secret), UPDATE (webhook_secret)',
  'public.payment_links': '',
  // created_at is the database's: a row that claims to be older than this system would silence its event.
  'public.payments':
    'SELECT, INSERT (id, session_id, merchant_id, tx_hash, amount, asset_code, asset_issuer, sender_address, ' +
    'confirmed_at, settled_at), UPDATE (superseded_by, settled_at)',
  'public.webhook_dead_letters': ROWS_THAT_CHANGE,
  // A new delivery is one that waits: none can be inserted as delivered.
  'public.webhook_deliveries':
    'SELECT, INSERT (merchant_id, session_id, event, payload, delivery_id, sequence, priority, event_id, endpoint_id), UPDATE',
  'public.webhook_endpoints':
    'SELECT, INSERT (id, merchant_id, url, events, secret), UPDATE (secret)',
  'settlement.active_sessions': WORK_LIST,
  'settlement.attention':
    'SELECT, INSERT (subject, kind, detail), UPDATE (detail, resolved_at, resolved_by, reason)',
  'settlement.cancel_requests': WORK_LIST,
  'settlement.coverage': WORK_LIST,
  'settlement.delivery_attempts': ROWS_THAT_CHANGE,
  'settlement.endpoint_state': ROWS_THAT_CHANGE,
  'settlement.events':
    'SELECT, INSERT (id, session_id, merchant_id, type, fact, body, occurred_at)',
  'settlement.history_holes': WORK_LIST,
  'settlement.ledger_payments':
    'SELECT, INSERT (tx_hash, op_index, sub_index, inner_tx_hash, operation_id, ledger, closed_at, type, account, sender, ' +
    'asset_code, asset_issuer, amount, reference, reference_source), UPDATE (verdict, session_id, assigned_to, decided_at, placed_after, resolved_at, resolved_by, resolution)',
  'settlement.ledgers': WORK_LIST,
  'settlement.migrations': 'SELECT',
  'settlement.network': 'SELECT, UPDATE (reset_at, discovered_after, adopted_at)',
  'settlement.network_reading': WORK_LIST,
  'settlement.operator_journal': 'SELECT, INSERT (actor, action, subject, reason, detail)',
  // Decisions about them lock the table, which takes the right to update all of it.
  'settlement.parked_records':
    'SELECT, INSERT (account, operation_id, ledger, raw, problem), UPDATE',
  'settlement.reconcile_runs': 'SELECT, INSERT, DELETE',
  'settlement.recounted_ledgers': WORK_LIST,
  'settlement.reported_payments': ROWS_THAT_CHANGE,
  'settlement.returned_payments':
    'SELECT, INSERT (tx_hash, op_index, sub_index, return_tx_hash, return_op_index, return_sub_index, amount, returned_to)',
  'settlement.session_journal':
    'SELECT, INSERT (session_id, from_status, to_status, cause, ledger, actor, detail)',
  // A session that its backend deleted gives its reference back.
  'settlement.session_references': 'SELECT, INSERT, DELETE',
  'settlement.set_aside': WORK_LIST,
  // Computed anew when it is gone.
  'settlement.session_totals': WORK_LIST,
  'settlement.undecided_payments': WORK_LIST,
  'settlement.watched_accounts': ROWS_THAT_CHANGE,
};

/** Columns of ours and of the backend that hold secrets: the read role never sees them. */
export const HIDDEN: Readonly<Partial<Record<Table, readonly string[]>>> = {
  'public.merchants': ['webhook_secret'],
  'public.webhook_endpoints': ['secret'],
  'settlement.endpoint_state': ['previous_secret'],
};

/** Tables of which people and dashboards see nothing. */
export const CLOSED: readonly Table[] = ['public.api_keys'];

/**
 * The columns that people and dashboards see of a table, where they do not see the whole of it: each table that a backend
 * may add columns to, and each with a secret. A column that is not in this list is not shown.
 */
export const SHOWN: Readonly<Partial<Record<Table, readonly string[]>>> = {
  'public.audit_logs':
    'id merchant_id action resource_type resource_id ip_address user_agent details created_at'.split(
      ' ',
    ),
  'public.checkout_sessions': (
    'id merchant_id amount asset_code asset_issuer receiving_account memo status success_url cancel_url metadata ' +
    'expires_at created_at cancel_at closed_through_ledger processing_since payment_id legacy opened_after ' +
    'final_deadline seen_status seen_expires_at seen_memo seen_terms'
  ).split(' '),
  'public.merchants':
    'id wallet_address business_name email role webhook_url logo_url cors_origins created_at'.split(
      ' ',
    ),
  'public.payment_links':
    'id merchant_id amount asset_code asset_issuer description display_currency metadata active expires_at created_at'.split(
      ' ',
    ),
  'public.payments': (
    'id session_id merchant_id tx_hash amount asset_code asset_issuer sender_address confirmed_at created_at ' +
    'superseded_by settled_at'
  ).split(' '),
  'public.webhook_dead_letters':
    'id merchant_id delivery_id session_id event payload attempts reason retried_at created_at'.split(
      ' ',
    ),
  'public.webhook_deliveries': (
    'id merchant_id session_id event payload delivery_id sequence priority status response_status attempt_log ' +
    'delivered_at attempts next_retry_at created_at event_id endpoint_id redeliveries'
  ).split(' '),
  'public.webhook_endpoints': 'id merchant_id url events is_active created_at'.split(' '),
  'settlement.endpoint_state':
    'endpoint_id merchant_id consecutive_failures paused_until disabled_at disabled_reason previous_secret_until decisions'.split(
      ' ',
    ),
};

/** The rights of the read role on a table, as GRANT takes them; empty: none. */
export function readRights(table: Table): string {
  if (CLOSED.includes(table)) return '';
  const columns = SHOWN[table];
  return columns === undefined ? 'SELECT' : `SELECT (${columns.join(', ')})`;
}

/** What a list of rights allows: per privilege the columns, or all of them. */
export type Allowed = ReadonlyMap<string, '*' | ReadonlySet<string>>;

/** Reads a list of rights as GRANT takes it: privileges, each with its columns in parentheses or for the whole table. */
export function allowedBy(rights: string): Allowed {
  return new Map(
    [...rights.matchAll(/([A-Z]+)(?: \(([^)]*)\))?/g)].map(([, privilege = '', columns]) => [
      privilege,
      columns === undefined ? '*' : new Set(columns.split(/, */)),
    ]),
  );
}
