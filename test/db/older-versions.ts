/** A database as an earlier version left it: its migrations, and nothing of the later ones. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { drizzle } from 'drizzle-orm/node-postgres';
import { migrate } from 'drizzle-orm/node-postgres/migrator';
import { Client } from 'pg';
import { SEARCH_PATH } from '../../src/db/connection.ts';

const MIGRATIONS = fileURLToPath(new URL('../../drizzle', import.meta.url));

type Journal = { entries: { idx: number }[] };

/** Runs the migrations up to and including the n-th, and writes down the network. */
export async function migrateThrough(url: string, n: number, network: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'settle-migrations-'));
  const client = new Client({ connectionString: url, options: SEARCH_PATH });
  await client.connect();
  try {
    cpSync(MIGRATIONS, folder, { recursive: true });
    const file = join(folder, 'meta/_journal.json');
    const journal = JSON.parse(readFileSync(file, 'utf8')) as Journal;
    const entries = journal.entries.filter(({ idx }) => idx <= n);
    writeFileSync(file, JSON.stringify({ ...journal, entries }));
    await migrate(drizzle(client), {
      migrationsFolder: folder,
      migrationsSchema: 'settlement',
      migrationsTable: 'migrations',
    });
    await client.query('INSERT INTO settlement.network (id, passphrase) VALUES (1, $1)', [network]);
  } finally {
    await client.end();
    rmSync(folder, { recursive: true });
  }
}
