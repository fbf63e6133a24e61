/** What is there to be adopted: tables, columns, indexes, rights. */
import type { Client } from 'pg';

/** Tables without which this is no database of that backend. */
export const NEEDED = [
  'merchants',
  'checkout_sessions',
  'payments',
  'webhook_deliveries',
  'webhook_dead_letters',
];
/** All of that backend's tables: those that are absent are made. */
export const ADDED_TABLES = [
  ...NEEDED,
  'webhook_endpoints',
  'payment_links',
  'api_keys',
  'audit_logs',
];
/** Our columns on them. */
export const ADDED_COLUMNS = [
  'checkout_sessions.cancel_at',
  'checkout_sessions.closed_through_ledger',
  'checkout_sessions.processing_since',
  'checkout_sessions.payment_id',
  'checkout_sessions.legacy',
  'checkout_sessions.opened_after',
  'checkout_sessions.final_deadline',
  'checkout_sessions.seen_status',
  'checkout_sessions.seen_expires_at',
  'checkout_sessions.seen_memo',
  'checkout_sessions.seen_terms',
  'payments.superseded_by',
  'payments.settled_at',
  'webhook_deliveries.event_id',
  'webhook_deliveries.endpoint_id',
  'webhook_deliveries.redeliveries',
];
/** As server_version_num says it. */
export const OLDEST_POSTGRESQL = 150_000;

/** A database's structure, and what this role may do with it. */
export type Schema = {
  readonly migrated: boolean;
  readonly tables: ReadonlySet<string>;
  readonly columns: ReadonlySet<string>;
  readonly indexes: ReadonlySet<string>;
  /** Tables that this role may not alter. */
  readonly foreign: readonly string[];
  readonly mayCreate: boolean;
  readonly version: number;
};

/** Reads it from the catalogue: it needs no table to be there. */
export async function readSchema(client: Client): Promise<Schema> {
  const { rows } = await client.query<{
    migrated: boolean;
    tables: string[];
    columns: string[];
    indexes: string[];
    foreign: string[];
    may_create: boolean;
    version: number;
  }>(`SELECT to_regclass('settlement.network') IS NOT NULL AS migrated,
    coalesce((SELECT array_agg(table_name::text) FROM information_schema.tables WHERE table_schema = 'public'), '{}') AS tables,
    coalesce((SELECT array_agg(table_name || '.' || column_name) FROM information_schema.columns
      WHERE table_schema = 'public'), '{}') AS columns,
    coalesce((SELECT array_agg(indexname::text) FROM pg_indexes WHERE schemaname = 'public'), '{}') AS indexes,
    coalesce((SELECT array_agg(tablename::text) FROM pg_tables WHERE schemaname = 'public'
      AND tablename IN ('checkout_sessions', 'payments', 'webhook_deliveries', 'webhook_endpoints')
      AND NOT pg_has_role(tableowner, 'USAGE')), '{}') AS foreign,
    has_database_privilege(current_database(), 'CREATE') OR to_regclass('settlement.network') IS NOT NULL AS may_create,
    current_setting('server_version_num')::int AS version`);
  const {
    migrated,
    tables,
    columns,
    indexes,
    foreign,
    may_create: mayCreate,
    version,
  } = onlyOne(rows);
  return {
    migrated,
    tables: new Set(tables),
    columns: new Set(columns),
    indexes: new Set(indexes),
    foreign,
    mayCreate,
    version,
  };
}

/** The row of a statement that has exactly one. */
export function onlyOne<T>([row]: readonly T[]): T {
  if (row === undefined) throw new Error('PostgreSQL gave no row for a SELECT without FROM.');
  return row;
}
