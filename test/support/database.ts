/** A database for one test file: a copy of the migrated template, on the run's PostgreSQL. */
import { randomBytes, randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { Client } from 'pg';
import { connect, type Database } from '../../src/db/connection.ts';

export type TestDatabase = Database & {
  readonly url: string;
  /** Rows of one statement, as they come. */
  rows<T extends Record<string, unknown>>(statement: string, values?: unknown[]): Promise<T[]>;
};

/** Creates and connects. `close()` it in afterAll; the server throws the database away at the end of the run. */
export async function createTestDatabase(
  options: { template?: string | null; max?: number } = {},
): Promise<TestDatabase> {
  const server = process.env['TEST_POSTGRES'];
  if (!server) throw new Error('test/support/global-setup.ts has not run.');
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
  return {
    ...database,
    url: url.toString(),
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
