/**
 * What reading costs: requests to Horizon and time for one turn of the watcher, by strategy and number of watched
 * accounts, each with one open session. Counts do not vary; times are of this machine, against the sandbox ledger.
 *   node_modules/.bin/node bench/reading.ts [accounts …]
 */
import type { Pool } from 'pg';
import { takeTurn } from '../src/activities/watch/turn.ts';
import { migrate } from '../src/db/migrate.ts';
import type { ReadStrategy } from '../src/db/watching.ts';
import { startSandboxLedger } from '../src/sandbox/ledger/start.ts';
import { startPostgres } from '../src/sandbox/postgres.ts';
import { createReader, watchAccounts } from './reading-stage.ts';

const sizes = process.argv.slice(2).map(Number);
/** Turns that are measured, after one that warms up. */
const TURNS = 3;

const postgres = await startPostgres({ progress: () => undefined });
const ledger = await startSandboxLedger({ closeEveryMs: null });
console.log(
  'strategy  accounts  requests/turn  ms/turn (median)  requests/hour at a turn every 5 s',
);
for (const accounts of sizes.length > 0 ? sizes : [1, 100, 10_000]) {
  for (const strategy of ['accounts', 'ledgers'] as const) await measure(strategy, accounts);
}
await ledger.stop();
await postgres.stop();

async function measure(strategy: ReadStrategy, accounts: number): Promise<void> {
  const url = await postgres.createDatabase(`reading_${strategy}_${accounts}`);
  await migrate(url, { networkPassphrase: ledger.networkPassphrase });
  const reader = createReader(url, ledger, strategy);
  const { deps, asked } = reader;
  const { pool } = deps.database;
  await watchAccounts(pool, { accounts, open: accounts, readTo: 1 });
  const turn = async () => {
    ledger.closeLedger();
    asked.count = 0;
    const started = performance.now();
    await takeTurn(deps, { isFirst: false, thorough: false, signal: deps.draining });
    return { requests: asked.count, ms: performance.now() - started };
  };
  await turn();
  if (strategy === 'ledgers') await joined(pool);
  const turns = [];
  for (let i = 0; i < TURNS; i += 1) turns.push(await turn());
  const ms = turns.map((t) => t.ms).sort((a, b) => a - b)[Math.floor(TURNS / 2)] ?? 0;
  const requests = Math.max(...turns.map((t) => t.requests));
  console.log(
    `${strategy.padEnd(8)}  ${String(accounts).padStart(8)}  ${String(requests).padStart(13)}  ${ms.toFixed(0).padStart(16)}  ${String(requests * 720).padStart(12)}`,
  );
  await reader.close();
}

/** As after the evidence of the first minute: every account's coverage reaches to where the network's reading begins. */
async function joined(pool: Pool): Promise<void> {
  await pool.query(
    `UPDATE settlement.watched_accounts w SET network_from = n.through_ledger, through_ledger = n.through_ledger
     FROM settlement.network_reading n`,
  );
}
