import { watchedAccounts, type WatchedAccount } from '../../db/watching.ts';
import type { Deps } from '../deps.ts';
import { discoverForeignSessions } from './discover.ts';
import { extendAwaitedCoverage } from './evidence.ts';
import { readAccount } from './read-account.ts';
import { readLedgers } from './read-ledgers.ts';
import { refuseReset } from './refuse-reset.ts';
import { settleDue } from './settle-due.ts';

/** Accounts without open sessions are still read (late and double payments come), but this much more rarely. */
const QUIET_FACTOR = 12;

/** What the network's ledgers show is read from an account's pages once a day all the same: history can be filled in. */
const DAY_MS = 24 * 60 * 60 * 1000;

/** How a turn is taken. */
export type TurnOptions = {
  /** The first one of a stretch looks further back for sessions that nobody told us of. */
  readonly isFirst: boolean;
  /** Take the evidence of account entries for every open session, not only for those that wait for it. */
  readonly thorough: boolean;
  readonly signal: AbortSignal;
};

/** What a turn did. */
export type TurnReport = {
  /** Pages of accounts, and ledgers of the network. */
  pages: number;
  payments: number;
  settled: number;
  problems: number;
  headLedger: number;
};

/**
 * One turn of the watcher: settles what is left, reads every account that is due, and closes what is covered.
 * Everything it needs to know is in the database, so any worker can take the next one.
 */
export async function takeTurn(deps: Deps, options: TurnOptions): Promise<TurnReport> {
  const { isFirst, thorough, signal } = options;
  // What is undecided is settled first: it may be left from a worker that died.
  let settled = await settleDue(deps);
  const head = await deps.source.head();
  const report = { pages: 0, payments: 0, settled, problems: 0, headLedger: head.latestLedger };
  await refuseReset(deps, head, thorough);
  await discoverForeignSessions(deps, isFirst);
  const accounts = await watchedAccounts(deps.database.db);
  for (const account of accounts) {
    if (signal.aborted) break;
    if (!isDue(account, deps)) continue;
    const read = await readAccount(deps, account, head.oldestLedger, signal);
    report.pages += read.pages;
    report.payments += read.payments;
    report.problems += read.problem === null ? 0 : 1;
    if (read.payments > 0) settled += await settleDue(deps);
  }
  if (deps.readStrategy === 'ledgers') {
    const names = accounts.map(({ account }) => account);
    const read = await readLedgers(deps, names, head, signal);
    report.pages += read.ledgers;
    report.payments += read.payments;
    report.problems += read.problem === null ? 0 : 1;
    settled += await settleDue(deps);
  }
  await extendAwaitedCoverage(deps, head.latestClosedAt, thorough);
  settled += await settleDue(deps);
  return { ...report, settled };
}

function isDue(
  { openSessions, readAt, needsPages }: WatchedAccount,
  { pollIntervalMs, readStrategy }: Deps,
): boolean {
  if (readAt === null) return true;
  const age = Date.now() - readAt.getTime();
  if (readStrategy === 'ledgers' && !needsPages) return age >= DAY_MS;
  return openSessions > 0 || age >= pollIntervalMs * QUIET_FACTOR;
}
