import type { Client } from 'pg';
import { FOREIGN, OPEN, UNSEEN, UNSETTLED, WRONG } from './suspects.ts';

/**
 * The indexes we need on the backend's tables. They are built CONCURRENTLY, outside of any transaction, so that a
 * live table is never locked against writes; an index that a killed build left invalid is dropped and built again.
 */
const INDEXES: readonly { name: string; ddl: string }[] = [
  {
    // A payment finds its session by receiving account and reference.
    name: 'checkout_sessions_by_reference',
    ddl: 'ON checkout_sessions (receiving_account, memo)',
  },
  {
    // The watcher finds what the backend wrote by itself: new sessions, and edits of those in care.
    name: 'checkout_sessions_to_follow',
    ddl: `ON checkout_sessions (id) WHERE ${UNSEEN}`,
  },
  {
    // P2: the database refuses a second live payment of one session.
    name: 'payments_one_live_per_session',
    ddl: 'ON payments (session_id) WHERE superseded_by IS NULL',
  },
  {
    // Those of a session, the first and the last without the others.
    name: 'webhook_deliveries_of_session',
    ddl: 'ON webhook_deliveries (session_id, sequence, created_at)',
  },
  {
    name: 'webhook_deliveries_one_per_endpoint',
    ddl: 'ON webhook_deliveries (event_id, endpoint_id) WHERE event_id IS NOT NULL',
  },
  {
    // The lines of a session: its first open delivery at each endpoint, however many wait (src/db/lines.ts).
    name: 'webhook_deliveries_waiting',
    ddl:
      'ON webhook_deliveries (session_id, endpoint_id, sequence, created_at) ' +
      "WHERE event_id IS NOT NULL AND status IN ('pending', 'failed')",
  },
  {
    // What is not delivered yet, oldest first: as many entries as there is work.
    name: 'webhook_deliveries_open',
    ddl: "ON webhook_deliveries ((coalesce(next_retry_at, created_at))) WHERE status IN ('pending', 'failed')",
  },
  {
    // Reconciliation: states that settle never leaves behind, by kind. src/db/discrepancies.ts asks in the same words.
    name: 'checkout_sessions_discrepancy',
    ddl: `ON checkout_sessions ((${WRONG}), id) WHERE (${WRONG}) IS NOT NULL`,
  },
  {
    // Reconciliation: what is open, by its deadline. What lies far in the past is overdue.
    name: 'checkout_sessions_open',
    ddl: `ON checkout_sessions (expires_at, id) WHERE ${OPEN}`,
  },
  {
    // The foreign key of payment_id: deleting a payment must not scan the sessions.
    name: 'checkout_sessions_by_payment',
    ddl: 'ON checkout_sessions (payment_id) WHERE payment_id IS NOT NULL',
  },
  {
    // Reconciliation: payments that somebody else has written.
    name: 'payments_unsettled',
    ddl: `ON payments (session_id) WHERE ${UNSETTLED}`,
  },
  {
    // Reconciliation: deliveries that an older backend has left open.
    name: 'webhook_deliveries_foreign',
    ddl: `ON webhook_deliveries (delivery_id) WHERE ${FOREIGN}`,
  },
  {
    // Those of a merchant that get events, the oldest first, however many others there are (src/db/subscribers.ts).
    name: 'webhook_endpoints_oldest',
    ddl: 'ON webhook_endpoints (merchant_id, created_at, id) WHERE is_active',
  },
  {
    name: 'webhook_endpoints_by_merchant',
    ddl: 'ON webhook_endpoints (merchant_id)',
  },
];

/** Their names, for who asks what a migration would add. */
export const INDEX_NAMES: readonly string[] = INDEXES.map(({ name }) => name);

const UNIQUE = new Set(['payments_one_live_per_session', 'webhook_deliveries_one_per_endpoint']);

/** Indexes of earlier versions, which asked in other words or for what nothing asks any more. */
const DROPPED = [
  'checkout_sessions_by_created_at',
  'checkout_sessions_wrong',
  'checkout_sessions_unseen',
  'webhook_deliveries_by_session',
];

/** Builds what is missing, and drops what earlier versions needed. Safe to stop and to run again. */
export async function ensureIndexes(client: Client): Promise<void> {
  for (const name of DROPPED) {
    await client.query(`DROP INDEX CONCURRENTLY IF EXISTS public.${name}`);
  }
  for (const { name, ddl } of INDEXES) {
    const { rows } = await client.query<{ valid: boolean }>(
      'SELECT indisvalid AS valid FROM pg_index WHERE indexrelid = to_regclass($1)',
      [`public.${name}`],
    );
    if (rows[0]?.valid) continue;
    if (rows[0]) await client.query(`DROP INDEX CONCURRENTLY public.${name}`);
    await client.query(
      `CREATE ${UNIQUE.has(name) ? 'UNIQUE ' : ''}INDEX CONCURRENTLY ${name} ${ddl}`,
    );
  }
}

/** The foreign key that migration 2 adds without reading the table. Validating locks out no reader and no writer. */
export async function validateForeignKey(client: Client): Promise<void> {
  const name = 'checkout_sessions_payment_id_payments_id_fk';
  const { rows } = await client.query<{ valid: boolean }>(
    'SELECT convalidated AS valid FROM pg_constraint WHERE conname = $1',
    [name],
  );
  if (rows[0]?.valid === false) {
    await client.query(`ALTER TABLE public.checkout_sessions VALIDATE CONSTRAINT ${name}`);
  }
}

/**
 * The older backend could insert two payments for one session. The earliest one counts; the others point to it, so
 * that the unique index can be built. Nothing is deleted.
 */
export async function supersedeDoubledPayments(client: Client): Promise<number> {
  const { rowCount } = await client.query(`
    UPDATE payments p SET superseded_by = first.id
    FROM (
      SELECT DISTINCT ON (session_id) id, session_id FROM payments
      WHERE superseded_by IS NULL ORDER BY session_id, confirmed_at, created_at, id
    ) first
    WHERE p.session_id = first.session_id AND p.id <> first.id AND p.superseded_by IS NULL`);
  return rowCount ?? 0;
}
