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
  'settlement.reported_payments',
  'settlement.returned_payments',
  'settlement.session_journal',
  'settlement.session_references',
  'settlement.session_totals',
  'settlement.undecided_payments',
  'settlement.watched_accounts',
] as const;

/** One of our tables, or of the backend's. */
export type Table = (typeof TABLES)[number];

/** Work lists, totals, what is known of the ledger (a network may be reset), and reports that age: nothing else is ever deleted. */
const WORK_LIST = 'SELECT, INSERT, UPDATE, DELETE';
const ROWS_THAT_CHANGE = 'SELECT, INSERT, UPDATE';
const APPEND_ONLY = 'SELECT, INSERT';

/**
 * Workers and operators' commands. Money cannot be rewritten by it: of a payment, a ledger payment and a session only
 * what settle decides can be changed, and neither they nor events and journals can be deleted.
 */
export const APP_RIGHTS: Readonly<Record<Table, string>> = {
  'public.api_keys': '',
  'public.audit_logs': '',
  'public.checkout_sessions':
    'SELECT, INSERT, UPDATE (memo, status, cancel_at, closed_through_ledger, processing_since, payment_id, legacy, ' +
    'opened_after, final_deadline, seen_status, seen_expires_at, seen_memo)',
  'public.merchants': ROWS_THAT_CHANGE,
  'public.payment_links': '',
  'public.payments': 'SELECT, INSERT, UPDATE (superseded_by, settled_at)',
  'public.webhook_dead_letters': ROWS_THAT_CHANGE,
  'public.webhook_deliveries': ROWS_THAT_CHANGE,
  'public.webhook_endpoints': ROWS_THAT_CHANGE,
  'settlement.active_sessions': WORK_LIST,
  'settlement.attention': ROWS_THAT_CHANGE,
  'settlement.cancel_requests': WORK_LIST,
  'settlement.coverage': WORK_LIST,
  'settlement.delivery_attempts': ROWS_THAT_CHANGE,
  'settlement.endpoint_state': ROWS_THAT_CHANGE,
  'settlement.events': APPEND_ONLY,
  'settlement.history_holes': WORK_LIST,
  'settlement.ledger_payments':
    'SELECT, INSERT, UPDATE (verdict, session_id, assigned_to, decided_at, placed_after, resolved_at, resolved_by, resolution)',
  'settlement.ledgers': WORK_LIST,
  'settlement.migrations': 'SELECT',
  'settlement.network': 'SELECT, UPDATE',
  'settlement.network_reading': WORK_LIST,
  'settlement.operator_journal': APPEND_ONLY,
  'settlement.parked_records': ROWS_THAT_CHANGE,
  'settlement.reconcile_runs': 'SELECT, INSERT, DELETE',
  'settlement.reported_payments': ROWS_THAT_CHANGE,
  'settlement.returned_payments': APPEND_ONLY,
  'settlement.session_journal': APPEND_ONLY,
  // A session that its backend deleted gives its reference back.
  'settlement.session_references': 'SELECT, INSERT, DELETE',
  // Computed anew when it is gone.
  'settlement.session_totals': WORK_LIST,
  'settlement.undecided_payments': WORK_LIST,
  'settlement.watched_accounts': ROWS_THAT_CHANGE,
};

/** Columns that people and dashboards do not see, by table; `api_keys` is closed to them as a whole. */
export const HIDDEN: Readonly<Partial<Record<Table, readonly string[]>>> = {
  'public.merchants': ['webhook_secret'],
  'public.webhook_endpoints': ['secret'],
  'settlement.endpoint_state': ['previous_secret'],
};

/** Tables of which people and dashboards see nothing. */
export const CLOSED: readonly Table[] = ['public.api_keys'];
