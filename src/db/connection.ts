import { Pool, type PoolClient } from 'pg';
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres';
import { databaseUrlProblem } from './database-url.ts';
import * as schema from './schema/index.ts';

/** Drizzle over our schema, on a pool or on one checked-out client. */
export type Db = NodePgDatabase<typeof schema> & { readonly $client: Pool | PoolClient };

/** A pool together with the Drizzle handle for single statements (READ COMMITTED). */
export type Database = { readonly pool: Pool; readonly db: Db; close(): Promise<void> };

/**
 * The backend's tables are in `public`, ours are named with their schema. Without this, a role that is called
 * `settlement` would look into our schema first ("$user"), and find or make the backend's tables there.
 */
export const SEARCH_PATH = '-c search_path=public';

/** Limits that PostgreSQL itself enforces on every connection of ours, so that no statement hangs a worker. */
const SERVER_LIMITS = [
  '-c statement_timeout=5000', // a settle of 200 sessions takes some 60 ms; 5 s is a sick database
  '-c lock_timeout=2000', // a row lock is held for one commit; longer means a foreign session sits on it
  '-c idle_in_transaction_session_timeout=10000', // a frozen worker (SIGSTOP) must let go of its locks
  SEARCH_PATH,
  '-c synchronous_commit=on', // an acknowledged commit survives a crash; a role's default must not weaken it
].join(' ');

/**
 * Opens a pool. A lost connection is reported to `onError` and never thrown at the process: node-postgres raises
 * 'error' on idle clients and on checked-out ones, and an unhandled one ends the worker.
 * @throws RangeError for a URL whose parameters would override our limits
 */
export function connect(
  url: string,
  options: { max?: number; onError?: (error: Error) => void; applicationName?: string } = {},
): Database {
  const problem = databaseUrlProblem(url);
  if (problem !== null) throw new RangeError(`DATABASE_URL ${problem}.`);
  const report = options.onError ?? (() => undefined);
  const pool = new Pool({
    connectionString: url,
    max: options.max ?? 10,
    options: SERVER_LIMITS,
    application_name: options.applicationName ?? 'settlement',
    connectionTimeoutMillis: 5_000,
    query_timeout: 15_000, // longer than statement_timeout: the server gives up first, so the client is never reused dirty
    keepAlive: true,
  });
  pool.on('error', report);
  pool.on('connect', (client) => client.on('error', report));
  return { pool, db: drizzle(pool, { schema }), close: () => pool.end() };
}

/** Drizzle on one client, for the statements of one transaction. */
export function onClient(client: PoolClient): Db {
  return drizzle(client, { schema });
}
