/** PostgreSQL as it was before: a backup that is restored, or a replica that had not received the last commits. */
import type { TestDatabase } from '../support/database.ts';

/** What is restored, each table before those that refer to it. Journals only grow, and nothing is decided by them. */
const TABLES = [
  'public.checkout_sessions',
  'public.payments',
  'public.webhook_deliveries',
  'settlement.active_sessions',
  'settlement.attention',
  'settlement.cancel_requests',
  'settlement.coverage',
  'settlement.events',
  'settlement.history_holes',
  'settlement.ledger_payments',
  'settlement.ledgers',
  'settlement.parked_records',
  'settlement.reported_payments',
  'settlement.undecided_payments',
  'settlement.watched_accounts',
];

/** The rows of these tables at a moment. */
export type Snapshot = ReadonlyMap<string, readonly unknown[]>;

/** Reads them in one transaction. */
export async function takeSnapshot(database: TestDatabase): Promise<Snapshot> {
  const [row] = await database.rows<{ tables: Record<string, unknown[] | null> }>(
    `SELECT json_build_object(${TABLES.map(
      (table) => `'${table}', (SELECT json_agg(t) FROM ${table} t)`,
    ).join(', ')}) AS tables`,
  );
  return new Map(Object.entries(row?.tables ?? {}).map(([table, rows]) => [table, rows ?? []]));
}

/** Puts them back: what was written since is gone. */
export async function restore(database: TestDatabase, snapshot: Snapshot): Promise<void> {
  const client = await database.pool.connect();
  try {
    await client.query('BEGIN');
    for (const table of TABLES.toReversed()) await client.query(`DELETE FROM ${table}`);
    for (const table of TABLES) {
      const { rows } = await client.query<{ columns: string }>(
        `SELECT string_agg(quote_ident(attname), ', ') AS columns FROM pg_attribute
         WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''`,
        [table],
      );
      const columns = rows[0]?.columns ?? '';
      // A session names its payment, and a payment its session.
      const values = table.endsWith('checkout_sessions')
        ? columns.replace('payment_id', 'NULL')
        : columns;
      await client.query(
        `INSERT INTO ${table} (${columns}) OVERRIDING SYSTEM VALUE SELECT ${values} FROM json_populate_recordset(NULL::${table}, $1)`,
        [JSON.stringify(snapshot.get(table) ?? [])],
      );
    }
    await client.query(
      `UPDATE checkout_sessions s SET payment_id = x.payment_id
       FROM json_populate_recordset(NULL::checkout_sessions, $1) x WHERE s.id = x.id AND x.payment_id IS NOT NULL`,
      [JSON.stringify(snapshot.get('public.checkout_sessions') ?? [])],
    );
    await client.query('COMMIT');
  } finally {
    client.release(true);
  }
}
