/** The reads of what strangers can grow that have no limit of their own, by file. test/db/readers.test.ts demands that the list is whole. */

/** Reads, as the test names them, and why each gives no more than fits. */
export type Unlimited = { readonly reads: readonly string[]; readonly why: string };

export const UNLIMITED: Readonly<Record<string, Unlimited>> = {
  'src/db/adopt.ts': {
    why: '`settle adopt` counts what an older backend left open, in one statement; it gives a row for each kind of event.',
    reads: ['webhook_deliveries: SELECT event, count(*) AS n FROM webhook_deliveries d WHERE '],
  },
  'src/db/audit-events.ts': {
    why: 'Deliveries of one event: one for each endpoint of its merchant.',
    reads: [`webhook_deliveries: SELECT json_agg(json_build_object('delivery_id', d.delivery_`],
  },
  'src/db/audit-horizon-rows.ts': {
    why: 'Of the records of one page of Horizon.',
    reads: ['parked_records: SELECT operation_id AS id FROM settlement.parked_records WHE'],
  },
  'src/db/audit-inbox.ts': {
    why: 'Of the payments of one page.',
    reads: ['undecided_payments: SELECT json_agg(json_build_array(lp.tx_hash, lp.op_index, lp'],
  },
  'src/db/audit-lines.ts': {
    why: 'One row for each session of a page, and kind of event.',
    reads: [
      'events: SELECT session_id, type, count(*)::int AS count FROM settlem',
      'webhook_deliveries: SELECT d.session_id FROM webhook_deliveries d WHERE d.sessio',
    ],
  },
  'src/db/audit-outbox.ts': {
    why: 'Of the deliveries or events of one page; the line of a merchant stays in PostgreSQL.',
    reads: [
      `events: SELECT d.delivery_id AS id, CASE WHEN e.id IS NULL THEN '{de`,
      'events: SELECT e.created_at AS at, bool_or(d.id IS NOT NULL) AS sent',
      'webhook_deliveries: SELECT e.created_at AS at, bool_or(d.id IS NOT NULL) AS sent',
      'events: WITH made AS ( SELECT e.created_at AS at, bool_or(d.id IS NO',
    ],
  },
  'src/db/audit-payments.ts': {
    why: 'From a cursor, or the payments that the events of one page name, by their keys.',
    reads: [
      `PAYMENTS_OF_SESSION: SELECT p.* FROM checkout_sessions s, LATERAL \${PAYMENTS_OF_S`,
      `ledger_payments: SELECT k.session, \${SEEN} AS payment FROM jsonb_to_recordset`,
    ],
  },
  'src/db/audit-undecided.ts': {
    why: 'Of the payments of one page, by their keys.',
    reads: [
      'ledger_payments: SELECT json_build_array(lp.tx_hash, lp.op_index, lp.sub_inde',
      'undecided_payments: SELECT json_build_array(lp.tx_hash, lp.op_index, lp.sub_inde',
    ],
  },
  'src/db/facts.ts': {
    why: 'What is told of a session: twenty payments for each reason, and then one event for each doubling (TOLD_ONE_BY_ONE).',
    reads: [
      `events: SELECT e.type || ' ' || e.fact AS told FROM settlement.event`,
      `webhook_deliveries: SELECT 'payment.confirmed paid' FROM webhook_deliveries d WH`,
      'webhook_deliveries: SELECT endpoint_id, max(sequence) AS last FROM webhook_deliv',
      'ledger_payments: SELECT * FROM settlement.ledger_payments WHERE false',
    ],
  },
  'src/db/inbox-payment.ts': {
    why: 'A fragment: each statement that reads PAYMENTS_OF_SESSION is listed by itself.',
    reads: [
      'ledger_payments: SELECT p.* FROM settlement.ledger_payments p WHERE p.account',
      'ledger_payments: SELECT p.* FROM settlement.ledger_payments p WHERE p.assigne',
    ],
  },
  'src/db/operator/endpoints.ts': {
    why: 'One row for each endpoint.',
    reads: ['webhook_deliveries: SELECT endpoint_id, count(*)::int AS waiting FROM webhook_de'],
  },
  'src/db/operator/inbox-row.ts': {
    why: 'One payment, by its key.',
    reads: [`ledger_payments: SELECT \${INBOX_PAYMENT} AS payment, lp.session_id, \${ORPHANE`],
  },
  'src/db/operator/merchants.ts': {
    why: 'One row for each merchant.',
    reads: ['webhook_dead_letters: SELECT merchant_id, count(*) AS n FROM webhook_dead_letters '],
  },
  'src/db/operator/parked.ts': {
    why: 'One record, by its key.',
    reads: ['parked_records: SELECT problem, resolved_by FROM settlement.parked_records W'],
  },
  'src/db/operator/redeliver.ts': {
    why: 'An operator asks for these deliveries again; the statement above says how many at most.',
    reads: ['webhook_deliveries: FROM webhook_deliveries d JOIN merchants m ON m.id = d.merch'],
  },
  'src/db/operator/webhooks.ts': {
    why: 'One delivery with its attempts, by its id, or a list that its caller cuts off.',
    reads: [
      'webhook_deliveries: SELECT delivery_id FROM webhook_deliveries WHERE status IN (',
      'webhook_dead_letters: SELECT delivery_id FROM webhook_dead_letters',
      `events: SELECT body FROM settlement.events WHERE id = \${found.eventI`,
      'delivery_attempts: SELECT attempt, started_at::text AS at, outcome, response_st',
      'webhook_dead_letters: SELECT l.reason FROM webhook_dead_letters l WHERE l.delivery',
      'webhook_deliveries: SELECT d.delivery_id AS "deliveryId", d.event, d.event_id AS',
    ],
  },
  'src/db/payments.ts': {
    why: 'The movements of one transaction: a hundred operations, each with the trades of one path at most.',
    reads: [
      'ledger_payments: SELECT DISTINCT session_id AS id FROM settlement.ledger_paym',
      `ledger_payments: SELECT \${INBOX_PAYMENT} AS payment, CASE WHEN NOT \${ORPHANED`,
      `ledger_payments: SELECT \${INBOX_PAYMENT} AS payment, lp.session_id AS gone, (`,
    ],
  },
  'src/db/reports.ts': {
    why: 'The movements of one transaction into one account.',
    reads: [`ledger_payments: SELECT concat_ws(':', tx_hash, op_index, sub_index) AS payme`],
  },
  'src/db/session-totals.ts': {
    why: 'Sums of all payments of a session, which PostgreSQL makes one row of, or one payment, by its key.',
    reads: [
      `ledger_payments: SELECT \${INBOX_PAYMENT} AS payment FROM settlement.ledger_pa`,
      'PAYMENTS_OF_SESSION: SELECT lp.tx_hash, lp.op_index, lp.sub_index, lp.operation_i',
    ],
  },
  'src/db/settle.ts': {
    why: 'Of what the same statement judged or made: one portion.',
    reads: [
      'undecided_payments: DELETE FROM settlement.undecided_payments u USING doc, jsonb',
      'events: SELECT e.id FROM settlement.events e WHERE e.session_id = x.',
    ],
  },
  'src/db/take-over.ts': {
    why: 'Of the deliveries that reconciliation gave, a page of them.',
    reads: [
      'webhook_deliveries: SELECT DISTINCT session_id AS id FROM webhook_deliveries WHE',
      'webhook_deliveries: SELECT d.delivery_id AS id, d.session_id, d.event, coalesce(',
      'webhook_deliveries: SELECT DISTINCT ON (x.event_id) x.delivery_id FROM x JOIN we',
    ],
  },
  'src/db/true-event.ts': {
    why: 'One event, by its id.',
    reads: ['events: SELECT id, type, fact, body, created_at::text AS made_at FRO'],
  },
  'src/db/unfinished.ts': {
    why: 'The query around it has a LIMIT.',
    reads: ['webhook_deliveries: SELECT *, coalesce(next_retry_at, created_at) AS at FROM web'],
  },
  'src/db/unsent-events.ts': {
    why: 'Of what is told of a session: twenty payments for each reason, and then one event for each doubling.',
    reads: [
      'ledger_payments: SELECT lp.decided_at FROM settlement.ledger_payments lp WHER',
      `events: SELECT json_agg(e.type || ' ' || e.fact) FROM settlement.eve`,
      'events: SELECT o.id FROM settlement.events o WHERE o.session_id = s.',
      'webhook_deliveries: SELECT o.id FROM settlement.events o WHERE o.session_id = s.',
    ],
  },
  'src/db/worklists.ts': {
    why: 'Sums of the work list, one row for each account, reference and asset; the query around it has a LIMIT.',
    reads: [
      'undecided_payments: SELECT lp.account, lp.reference, lp.assigned_to, lp.asset_co',
      'ledger_payments: SELECT lp.account, lp.reference, lp.assigned_to, lp.asset_co',
      'undecided_payments: DELETE FROM settlement.undecided_payments u USING nameless W',
    ],
  },
};
