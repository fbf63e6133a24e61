/** The writes that are not bound to what they began, by file. test/db/writers.test.ts demands that the list is whole. */

/** A write that is not bound, and why that is right. `lock`: what the file locks the row with, in the same transaction. */
export type Unbound = { readonly write: string; readonly why: string; readonly lock?: string };

const ASKS_FOR_A_WAKE = 'A wake only comes sooner. One too many is a look that changes nothing.';
const PERSON =
  'A person decides, in a SERIALIZABLE transaction that has read what it changes; the revision it counts up binds the machines.';
const IN_ORDER = 'Reports, or failures, and nothing else, count here, one statement each.';
const ONLY_GROWS = 'A union: whatever the order of writing, the set is the same.';
const UNDER_LOCK =
  'Computed from what the SERIALIZABLE transaction has read under the session lock.';
const RECOUNTED =
  'The same transaction has raised the count; a reader by the smaller one stores no coverage after that (`hasGrown`).';
const RESET =
  'A person decides that the network is another one, in a SERIALIZABLE transaction: all that was known of the old one goes.';

/** Every one of them. */
export const UNBOUND: Readonly<Record<string, readonly Unbound[]>> = {
  'src/db/attempts.ts': [
    {
      write: 'UPDATE settlement.active_sessions (wake_after)',
      why: 'Only with an attempt that was bound and begun, and for a minute: the view that follows it sees what else is due.',
    },
    {
      write: 'UPDATE webhook_deliveries (${BACK_IN_LINE})',
      why: 'A caller asks for the event again, whatever became of it; `redeliveries` counts up and unbinds the attempt under way.',
    },
    {
      write: 'UPDATE webhook_dead_letters (retried_at)',
      why: 'Part of the same request: the letter says when it was asked for again.',
    },
    {
      write: 'UPSERT webhook_dead_letters (attempts, reason, retried_at)',
      why: 'Takes its rows from the bound UPDATE of the same statement.',
    },
    { write: 'UPSERT settlement.active_sessions (wake_after)', why: ASKS_FOR_A_WAKE },
  ],
  'src/db/checkpoint.ts': [
    {
      write: 'UPDATE settlement.watched_accounts (problem)',
      why: 'Only while the ledger that was compared is still stored: an accepted reset takes it away.',
    },
  ],
  'src/db/care.ts': [
    {
      write: 'UPDATE checkout_sessions (seen_status, seen_expires_at, seen_memo, seen_terms)',
      why: 'Copies the row as it is in the same statement; an edit that comes later differs from the copy.',
    },
    {
      write: 'UPDATE settlement.network (discovered_after)',
      why: 'An older number only lengthens what is read for a session.',
    },
    {
      write: 'UPSERT settlement.active_sessions (account, asset, deadline, wake_after)',
      why: 'Follows the session row that the same statement has locked.',
    },
    {
      write: 'UPSERT settlement.attention (detail)',
      why: 'Adds to an open question what was edited since.',
    },
    {
      write: 'DELETE settlement.active_sessions (a)',
      why: 'Only of sessions that do not exist; ids are not used twice while a row is there.',
    },
    {
      write: 'DELETE settlement.cancel_requests',
      why: 'Takes its rows from the DELETE of the same statement.',
    },
  ],
  'src/db/coverage.ts': [{ write: 'UPSERT settlement.coverage (ledgers)', why: ONLY_GROWS }],
  'src/db/inbox.ts': [
    {
      write:
        'UPDATE settlement.watched_accounts (known_record, through_ledger, read_ledgers, read_at, problem)',
      why: 'Bound by where the page begins, ledger and record: of two watchers one finds it moved on.',
    },
    {
      write: 'DELETE settlement.recounted_ledgers',
      why: 'The same transaction stores the ledger by the present count, which it keeps from growing.',
      lock: 'WHERE sequence = ${whole.sequence} FOR SHARE',
    },
  ],
  'src/db/ledgers.ts': [
    {
      write: 'UPDATE settlement.coverage (ledgers)',
      why: RECOUNTED,
      lock: 'settlement.network_reading FOR UPDATE',
    },
    {
      write: 'UPDATE settlement.watched_accounts (network_from)',
      why: RECOUNTED,
      lock: 'settlement.network_reading FOR UPDATE',
    },
    { write: 'UPSERT settlement.coverage (ledgers)', why: ONLY_GROWS },
    {
      write: 'DELETE settlement.recounted_ledgers',
      why: 'Ledgers that are forgotten: nothing reads them again.',
    },
    {
      write: 'UPDATE settlement.ledgers (prev_hash)',
      why: 'The first ledger that is kept becomes the beginning of the chain; forgetting twice is the same.',
    },
    {
      write: 'DELETE settlement.ledgers',
      why: 'Ledgers never change: what no session in care needs is forgotten.',
    },
  ],
  'src/db/network-reading.ts': [
    {
      write: 'UPSERT settlement.coverage (ledgers)',
      why: 'Copies the coverage of the shared reading, in its transaction, as a union.',
    },
    {
      write: 'UPDATE settlement.network_reading (read_at, through_ledger)',
      why: 'Bound by the ledger before: of two watchers one finds it moved on.',
    },
    {
      write: 'UPDATE settlement.watched_accounts (network_from)',
      why: 'Every account has to join anew: this only takes coverage away that is written into the accounts before.',
    },
    {
      write: 'UPSERT settlement.network_reading (read_at, through_ledger)',
      why: 'Begins anew after no account takes part any more; what is read next is bound to the ledger before.',
    },
  ],
  'src/db/operator/assign.ts': [
    {
      write: 'UPDATE settlement.ledger_payments (assigned_to, verdict, session_id, decided_at)',
      why: PERSON,
      lock: 'findPayment(tx, key, true)',
    },
    {
      write: 'UPSERT settlement.undecided_payments (since)',
      why: 'The payment is to be judged; that it is on the list already is as good.',
    },
  ],
  'src/db/operator/attention.ts': [
    {
      write: 'UPDATE settlement.attention (resolved_at, resolved_by, reason)',
      why: 'Refuses what is resolved already, under its lock.',
      lock: 'LIMIT 1 FOR UPDATE',
    },
  ],
  'src/db/operator/decision.ts': [
    { write: 'UPDATE settlement.active_sessions (wake_after)', why: ASKS_FOR_A_WAKE },
  ],
  'src/db/operator/endpoint-secrets.ts': [
    {
      write: 'UPDATE settlement.endpoint_state (previous_secret, previous_secret_until)',
      why: PERSON,
    },
    {
      write: 'UPDATE settlement.endpoint_state (previous_secret, previous_secret_until)',
      why: 'Forgets only overlaps that are over by the same row; a rotation that begins meanwhile is not.',
    },
    {
      write: 'UPSERT settlement.endpoint_state (previous_secret, previous_secret_until)',
      why: PERSON,
      lock: 'FOR UPDATE`',
    },
    { write: 'UPDATE merchants (webhook_secret)', why: PERSON, lock: 'FOR UPDATE`' },
    { write: 'UPDATE webhook_endpoints (secret)', why: PERSON, lock: 'FOR UPDATE`' },
  ],
  'src/db/operator/endpoints.ts': [
    {
      write: 'UPSERT settlement.endpoint_state (consecutive_failures, paused_until, decisions)',
      why: PERSON,
    },
    {
      write: 'UPSERT settlement.endpoint_state (disabled_at, disabled_reason, decisions)',
      why: PERSON,
    },
    {
      write:
        'UPDATE settlement.endpoint_state (paused_until, disabled_at, disabled_reason, consecutive_failures, decisions)',
      why: PERSON,
    },
    { write: 'UPDATE webhook_deliveries (${BACK_IN_LINE})', why: PERSON },
  ],
  'src/db/operator/network.ts': [
    {
      write: 'UPDATE settlement.network (reset_at, discovered_after)',
      why: RESET,
    },
    { write: 'DELETE settlement.network_reading', why: RESET },
    { write: 'DELETE settlement.coverage', why: RESET },
    { write: 'DELETE settlement.history_holes', why: RESET },
    { write: 'DELETE settlement.ledgers', why: RESET },
    { write: 'DELETE settlement.recounted_ledgers', why: RESET },
    { write: 'UPDATE checkout_sessions (opened_after)', why: RESET },
    { write: 'UPDATE settlement.ledger_payments (placed_after)', why: RESET },
    {
      write:
        'UPDATE settlement.watched_accounts (known_record, read_ledgers, through_ledger, read_at, problem, network_from, recheck_cursor, rechecked_at)',
      why: RESET,
    },
  ],
  'src/db/operator/redeliver.ts': [
    { write: 'UPDATE webhook_deliveries (${BACK_IN_LINE})', why: PERSON },
    {
      write: 'UPDATE webhook_dead_letters (retried_at)',
      why: 'Takes its rows from the UPDATE of the same statement.',
    },
  ],
  'src/db/operator/returned.ts': [
    {
      write: 'UPDATE settlement.ledger_payments (resolved_at, resolved_by, resolution)',
      why: 'Refuses what is resolved already, under the locks of payment and session.',
      lock: 'findPayment(tx, key, true)',
    },
  ],
  'src/db/reconcile-runs.ts': [
    {
      write: 'DELETE settlement.reconcile_runs',
      why: 'Reports older than 30 days; no one changes them.',
    },
  ],
  'src/db/reports.ts': [{ write: 'UPSERT settlement.reported_payments (times)', why: IN_ORDER }],
  'src/db/sessions.ts': [
    {
      write: 'UPDATE settlement.active_sessions (deadline, wake_after)',
      why: 'Takes its row from the bound UPDATE of the same statement.',
    },
    {
      write: 'DELETE settlement.cancel_requests',
      why: 'Requests that were read before the ledger was asked; one that was made since has another session.',
    },
    {
      write: 'UPDATE checkoutSessions (memo)',
      why: 'Fills in a memo only where there is none; the row is checked again once it is locked.',
    },
    {
      write: 'DELETE settlement.session_references (r)',
      why: 'Only the reference of a session that does not exist any more.',
    },
  ],
  'src/db/set-aside.ts': [
    {
      write: 'UPSERT settlement.set_aside (failures, error, failed_at, until)',
      why: IN_ORDER,
    },
    {
      write: 'DELETE settlement.set_aside',
      why: 'A success forgets failures, whenever they came.',
    },
    { write: 'UPDATE settlement.active_sessions (wake_after)', why: ASKS_FOR_A_WAKE },
  ],
  'src/db/settle.ts': [
    {
      write: 'UPSERT settlement.session_totals (account, reference, price, deadline, totals)',
      why: UNDER_LOCK,
      lock: ".for('update')",
    },
    {
      write:
        'UPDATE checkout_sessions (status, final_deadline, closed_through_ledger, processing_since, payment_id, legacy, seen_status)',
      why: UNDER_LOCK,
      lock: ".for('update')",
    },
    {
      write: 'UPDATE payments (settled_at)',
      why: 'Marks the row that settle has found, under the session lock; marking it again is the same.',
      lock: ".for('update')",
    },
    {
      write: 'UPDATE settlement.ledger_payments (verdict, session_id, placed_after, decided_at)',
      why: 'Computed under the session lock; an assignment or a return of the payment conflicts (SERIALIZABLE).',
      lock: ".for('update')",
    },
    {
      write: 'DELETE settlement.undecided_payments',
      why: 'Decided by the same statement, under the session lock.',
      lock: ".for('update')",
    },
    {
      write: 'UPDATE settlement.active_sessions (deadline, wake_after)',
      why: 'Follows the session row of the same statement.',
      lock: ".for('update')",
    },
    {
      write: 'UPSERT settlement.active_sessions (deadline, wake_after, merchant_id)',
      why: 'Follows the session row of the same statement.',
      lock: ".for('update')",
    },
  ],
  'src/db/take-over.ts': [
    {
      write: 'UPDATE webhook_deliveries (event_id, endpoint_id)',
      why: 'Deliveries that were locked while they were open and not taken over.',
      lock: 'd.delivery_id FOR UPDATE`',
    },
    {
      write: 'UPDATE webhook_deliveries (status, next_retry_at)',
      why: 'Deliveries that were locked while they were open and not taken over.',
      lock: 'd.delivery_id FOR UPDATE`',
    },
  ],
  'src/db/unfinished.ts': [
    {
      write: 'UPDATE settlement.active_sessions (checked_at)',
      why: 'Takes rows that it locks in the same statement; the time is only their place in the queue.',
      lock: 'FOR UPDATE SKIP LOCKED',
    },
  ],
  'src/db/totals-check.ts': [
    {
      write: 'DELETE settlement.session_totals',
      why: 'Only totals that still stand as they were found wrong; a row that is gone is counted anew.',
    },
  ],
  'src/db/untrue-events.ts': [
    {
      write: 'UPDATE webhook_deliveries (${BACK_IN_LINE})',
      why: 'Only a dead delivery, whose event is true by now; `redeliveries` counts up as for a person.',
    },
  ],
  'src/db/holes.ts': [
    {
      write: 'DELETE settlement.history_holes',
      why: 'A ledger that is shown ends the hole that begins with it; what lies behind is asked for again.',
      lock: 'FOR UPDATE',
    },
    {
      write: 'UPDATE settlement.history_holes (asked_at, ledgers)',
      why: 'Says when a hole was last asked for, and only makes it smaller.',
    },
    {
      write: 'UPDATE settlement.history_holes (ledgers)',
      why: 'Only makes a hole smaller: it ends before a ledger that is shown.',
      lock: 'FOR UPDATE',
    },
  ],
  'src/db/watching.ts': [
    {
      write: 'UPDATE settlement.watched_accounts (problem, read_at)',
      why: 'Shown to operators, never acted on; the next reading of the account writes its own.',
    },
    {
      write: 'UPDATE settlement.watched_accounts (read_at, problem)',
      why: 'Says when the account was last looked at; a later look says so again.',
    },
    {
      write: 'UPDATE settlement.watched_accounts (through_ledger, known_record)',
      why: 'Compares where the pages stood when this reading began (through_ledger and known_record).',
    },
    {
      write: 'UPSERT settlement.watched_accounts (through_ledger, known_record, read_at)',
      why: 'Only goes back to an earlier ledger that nothing covers; reading forward again brings the same rows.',
    },
  ],
  'src/db/worklists.ts': [
    {
      write: 'UPDATE settlement.active_sessions (wake_after)',
      why: 'Takes wakes that are due, and locks them in the same statement.',
      lock: 'FOR UPDATE OF l SKIP LOCKED',
    },
    { write: 'UPDATE settlement.active_sessions (wake_after)', why: ASKS_FOR_A_WAKE },
    { write: 'UPDATE settlement.active_sessions (wake_after)', why: ASKS_FOR_A_WAKE },
    {
      write: 'UPDATE settlement.active_sessions (wake_after)',
      why: 'Puts off a wake that has just failed. One that is asked for meanwhile comes after the pause, at most 10 minutes later.',
    },
    { write: 'UPSERT settlement.active_sessions (wake_after)', why: ASKS_FOR_A_WAKE },
    {
      write: 'DELETE settlement.undecided_payments',
      why: 'A session that appears later finds its payments all the same: settle looks for them whatever their verdict.',
    },
    {
      write: 'DELETE settlement.active_sessions',
      why: 'Only of sessions that do not exist; ids are not used twice while a row is there.',
    },
  ],
  'src/sandbox/demo/listener.ts': [
    { write: 'DELETE webhook_endpoints', why: 'Its own endpoint, in the database of a demo.' },
  ],
};
