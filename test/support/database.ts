/** A database for one test file: a copy of the migrated template, on the run's PostgreSQL. */
import { randomBytes, randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { Client } from 'pg';
import { connect, type Database } from '../../src/db/connection.ts';
import { given } from './given.ts';

export type TestDatabase = Database & {
  /** As its owner, who may do everything. */
  readonly url: string;
  /** As the role that workers and commands work with. */
  readonly appUrl: string;
  /** As the role of people and dashboards. */
  readonly readUrl: string;
  /** Rows of one statement, as they come. */
  rows<T extends Record<string, unknown>>(statement: string, values?: unknown[]): Promise<T[]>;
};

/** The roles of a deployment, on the run's PostgreSQL; the template, and so every copy, knows their rights. */
export const ROLES = { app: 'settlement_app', read: 'settlement_read' } as const;
/** Their password: nothing else contains it, so that it can be looked for. */
export const ROLE_PASSWORD = 'passwordOfTheRolesOfTheseTests';

/** The same database as another role. */
export function asRole(url: string, role: string): string {
  const other = new URL(url);
  other.username = role;
  other.password = ROLE_PASSWORD;
  return other.toString();
}

/** Creates and connects. `close()` it in afterAll; the server throws the database away at the end of the run. */
export async function createTestDatabase(
  options: { template?: string | null; max?: number } = {},
): Promise<TestDatabase> {
  const server = given('postgres');
  const { template = 'settlement_template' } = options;
  const name = `test_${randomBytes(6).toString('hex')}`;
  const client = new Client({ connectionString: server });
  await client.connect();
  try {
    await client.query(
      `CREATE DATABASE ${name}${template === null ? '' : ` TEMPLATE ${template}`}`,
    );
  } finally {
    await client.end();
  }
  const url = new URL(server);
  url.pathname = `/${name}`;
  const database = connect(url.toString(), { max: options.max ?? 10 });
  // A worker gives a database up after 5 s; here that long a wait says that the machine is busy.
  database.pool.options.connectionTimeoutMillis = 60_000;
  return {
    ...database,
    url: url.toString(),
    appUrl: asRole(url.toString(), ROLES.app),
    readUrl: asRole(url.toString(), ROLES.read),
    rows: async <T extends Record<string, unknown>>(statement: string, values: unknown[] = []) =>
      (await database.pool.query<T>(statement, values)).rows,
  };
}

/** A merchant with a webhook address, as the backend registers one. Returns its id. */
export async function insertMerchant(
  { db }: Pick<Database, 'db'>,
  merchant: { webhookUrl?: string | null; webhookSecret?: string | null } = {},
): Promise<string> {
  const id = randomUUID();
  const { webhookUrl = 'https://merchant.example/hook', webhookSecret = 'a'.repeat(64) } = merchant;
  await db.execute(sql`
    INSERT INTO merchants (id, wallet_address, business_name, email, webhook_url, webhook_secret)
    VALUES (${id}, ${id}, 'A shop', ${`${id}@example.com`}, ${webhookUrl}, ${webhookSecret})`);
  return id;
}
