/** One moment of the database, for reads that must agree with each other. */
import { Pool } from 'pg';
import { onClient, type Db } from './connection.ts';

/**
 * Runs reads in one REPEATABLE READ READ ONLY transaction. A `Db` on a client is used as it is: its transaction, where
 * there is one, is the caller's.
 */
export async function inSnapshot<T>(db: Db, read: (db: Db) => Promise<T>): Promise<T> {
  const { $client } = db;
  if (!($client instanceof Pool)) return read(db);
  const client = await $client.connect();
  let broken: Error | undefined;
  try {
    // What the audit reads grows with what strangers send; a page of it may take longer than a settle ever does.
    await client.query(
      `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = '60s'`,
    );
    const value = await read(onClient(client));
    await client.query('COMMIT');
    return value;
  } catch (error) {
    // A connection that may still be in a transaction does not go back into the pool.
    broken = error instanceof Error ? error : new Error(String(error), { cause: error });
    throw error;
  } finally {
    client.release(broken);
  }
}
