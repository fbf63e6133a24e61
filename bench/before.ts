/** What is there before anything is measured. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import type { Stage } from './stage.ts';

const here = fileURLToPath(new URL('.', import.meta.url));

/** The peers are installed in bench/ only, by their own lock file; their install scripts are not run. */
export function installPeers(say: (line: string) => void): void {
  if (existsSync(join(here, 'node_modules', '.package-lock.json'))) return;
  say('installing the peers …');
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const { status } = spawnSync('npm', args, { cwd: here, stdio: 'inherit' });
  if (status === 0) return;
  console.error(`\`npm ci\` in ${here} ended with ${status}.`);
  process.exit(2);
}

/** As PostgreSQL tells it. */
export async function postgresVersion({ postgres }: Stage): Promise<string> {
  const client = new Client({ connectionString: postgres.url });
  await client.connect();
  const { rows } = await client.query<{ version: string }>(
    `SELECT current_setting('server_version') AS version`,
  );
  await client.end();
  return `PostgreSQL ${rows[0]?.version ?? ''}`;
}
