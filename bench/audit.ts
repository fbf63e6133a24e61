/**
 * What an audit costs: time and peak memory, by number of sessions, of a database in good order (bench/audit-rows.ts). Each
 * audit is a process of its own, so that its peak is its own. Memory varies little from machine to machine; times do.
 *   node_modules/.bin/node bench/audit.ts [sessions …]
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { auditDatabase } from '../src/db/audit.ts';
import { connect } from '../src/db/connection.ts';
import { migrate } from '../src/db/migrate.ts';
import { startPostgres } from '../src/sandbox/postgres.ts';
import { fillInOrder } from './audit-rows.ts';

type Measured = { sessions: number; findings: number; seconds: number; peakMb: number };

const [mode, url] = process.argv.slice(2);
if (mode === '--audit' && url !== undefined) {
  const started = performance.now();
  const { sessions, findings } = await auditDatabase(url);
  const measured: Measured = {
    sessions,
    findings: findings.length,
    seconds: (performance.now() - started) / 1000,
    peakMb: process.resourceUsage().maxRSS / 1024,
  };
  console.log(JSON.stringify(measured));
} else {
  const given = process.argv.slice(2).map(Number).filter(Number.isFinite);
  await measureAll(given.length > 0 ? given : [10_000, 100_000, 1_000_000]);
}

async function measureAll(sizes: readonly number[]): Promise<void> {
  const postgres = await startPostgres({ progress: () => undefined });
  console.log(' sessions  seconds  sessions/s  peak RSS  findings');
  for (const size of sizes) {
    const address = await postgres.createDatabase(`audit_${size}`);
    await migrate(address, { networkPassphrase: 'bench' });
    const started = performance.now();
    await fill(address, size);
    const filled = ((performance.now() - started) / 1000).toFixed(0);
    console.log(`# ${size} sessions are settled after ${filled} s`);
    const { sessions, findings, seconds, peakMb } = await measure(address);
    const rate = Math.round(sessions / seconds);
    console.log(
      `${String(sessions).padStart(9)}  ${seconds.toFixed(1).padStart(7)}  ${String(rate).padStart(10)}  ` +
        `${peakMb.toFixed(0).padStart(5)} MB  ${String(findings).padStart(8)}`,
    );
  }
  await postgres.stop();
}

async function fill(address: string, size: number): Promise<void> {
  const database = connect(address, { max: 2 });
  const client = new Client({ connectionString: address });
  await client.connect();
  await fillInOrder(client, database.pool, size);
  // As autovacuum leaves it.
  await client.query('VACUUM ANALYZE');
  await client.end();
  await database.close();
}

function measure(address: string): Promise<Measured> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), '--audit', address], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout.on('data', (chunk) => (out += String(chunk)));
  return new Promise((resolve, reject) => {
    child.once('close', (code) => {
      if (code === 0) resolve(JSON.parse(out) as Measured);
      else reject(new Error(`The audit ended with ${code}.`));
    });
  });
}
