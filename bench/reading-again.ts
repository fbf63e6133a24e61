/** What reconciliation asks of Horizon: the requests of one run, by accounts that have an open session. */
import { readAgain } from '../src/activities/reconcile/read-again.ts';
import { createReader, watchAccounts } from './reading-stage.ts';
import { FIRST_LEDGER, type Stage } from './stage.ts';

/** One run beside `accounts` watched accounts, of which `open` have an open session; the others had their daily turn. */
export type ReadingAgain = { accounts: number; open: number; requests: number };

/** SDF's limit, of which reconciliation may have half. */
export const REQUESTS_PER_HOUR = 3_600;
/** A run every five minutes. */
export const RUNS_PER_HOUR = 12;

/** Counts them, against the sandbox ledger. */
export async function readingAgain(
  stage: Stage,
  accounts: number,
  open: number,
): Promise<ReadingAgain> {
  const reader = createReader(await stage.createDatabase(), stage.ledger, 'accounts');
  const { pool } = reader.deps.database;
  await watchAccounts(pool, { accounts, open, readTo: FIRST_LEDGER + 1 });
  await pool.query(
    `UPDATE settlement.watched_accounts SET rechecked_at = now() - interval '1 hour',
       recheck_cursor = ($1::bigint << 32)::text`,
    [FIRST_LEDGER],
  );
  const deps = {
    ...reader.deps,
    networkName: 'bench',
    runOf: () => Promise.resolve('runs' as const),
    endRun: () => Promise.resolve(),
    watcher: { isRunning: () => Promise.resolve(true), start: () => Promise.resolve() },
    requestsToReadAgain: REQUESTS_PER_HOUR / 2 / RUNS_PER_HOUR,
  };
  await readAgain(deps, { after: null, dryRun: false, thorough: false });
  await reader.close();
  return { accounts, open, requests: reader.asked.count };
}
