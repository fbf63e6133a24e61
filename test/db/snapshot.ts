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
  'settlement.parked_records',
  'settlement.reported_payments',
  'settlement.undecided_payments',
  'settlement.watched_accounts',
];

/** The rows of these tables at a moment, and how far the chain had come. */
export type Snapshot = { readonly tables: Record<string, unknown[] | null>; readonly tip: number };

/** Reads them in one statement. */
export async function takeSnapshot(database: TestDatabase): Promise<Snapshot> {
  const [row] = await database.rows<Snapshot>(
    `SELECT json_build_object(${TABLES.map(
      (table) => `'${table}', (SELECT json_agg(t) FROM ${table} t)`,
    ).join(', ')}) AS tables, (SELECT max(sequence)::int FROM settlement.ledgers) AS tip`,
  );
  if (row === undefined) throw new Error('PostgreSQL gave no row.');
  return row;
}

/** Puts them back: what was written since is gone, and so are the ledgers that the chain got since. */
export async function restore(database: TestDatabase, { tables, tip }: Snapshot): Promise<void> {
  const columns = await columnsOf(database);
  const client = await database.pool.connect();
  try {
    await client.query('BEGIN');
    await client.query(
      TABLES.toReversed()
        .map((table) => `DELETE FROM ${table}`)
        .join(';'),
    );
    await client.query(`DELETE FROM settlement.ledgers WHERE sequence > ${tip}`);
    for (const table of TABLES.filter((name) => (tables[name] ?? []).length > 0)) {
      const names = columns.get(table) ?? '';
      // A session names its payment, and a payment its session.
      const values = table.endsWith('checkout_sessions')
        ? names.replace('payment_id', 'NULL')
        : names;
      await client.query(
        `INSERT INTO ${table} (${names}) OVERRIDING SYSTEM VALUE
         SELECT ${values} FROM json_populate_recordset(NULL::${table}, $1)`,
        [JSON.stringify(tables[table])],
      );
    }
    await client.query(
      `UPDATE checkout_sessions s SET payment_id = x.payment_id
       FROM json_populate_recordset(NULL::checkout_sessions, $1) x WHERE s.id = x.id AND x.payment_id IS NOT NULL`,
      [JSON.stringify(tables['public.checkout_sessions'] ?? [])],
    );
    await client.query('COMMIT');
    client.release();
  } catch (error) {
    client.release(true);
    throw error;
  }
}

async function columnsOf(database: TestDatabase): Promise<Map<string, string>> {
  const rows = await database.rows<{ table: string; columns: string }>(
    `SELECT t AS table, string_agg(quote_ident(attname), ', ') AS columns
     FROM unnest($1::text[]) t JOIN pg_attribute ON attrelid = t::regclass
     WHERE attnum > 0 AND NOT attisdropped AND attgenerated = '' GROUP BY t`,
    [TABLES],
  );
  return new Map(rows.map(({ table, columns }) => [table, columns]));
}
