import { pruneLedgers } from '../../db/ledgers.ts';
import { watchedAccounts, type WatchedAccount } from '../../db/watching.ts';
import type { Deps } from '../deps.ts';
import { createBackground, type Background } from './background.ts';
import { advanceChain } from './chain.ts';
import { readLedgers } from './read-ledgers.ts';

/** Accounts without open sessions are still read (late and double payments come), but this much more rarely. */
export const QUIET_FACTOR = 12;

/** What the network's ledgers show is read from an account's pages once a day all the same: history can be filled in. */
const DAY_MS = 24 * 60 * 60 * 1000;

/** How a turn is taken. */
export type TurnOptions = {
  /** The first one of a stretch also forgets headers that nothing can need any more. */
  readonly isFirst: boolean;
  /** Read the pages of every account that is due, also where its entry says that nothing has moved. */
  readonly thorough: boolean;
  readonly signal: AbortSignal;
  /** Work that continues between turns. Without it, the turn waits for everything it has started. */
  readonly background?: Background;
};

/** What a turn did, and the background work that ended during it. */
export type TurnReport = {
  /** Pages of accounts, and ledgers read whole. */
  pages: number;
  payments: number;
  settled: number;
  problems: number;
  headLedger: number;
};

/**
 * One turn of the watcher: extends the chain (and dates cancellations by it), and reads every account that is due. In the
 * background, and across turns: the backend's own writes are followed, due sessions are settled, accounts with a backlog are read
 * further, and the ledgers that block endings are read whole. All state is in the database, so any worker can take the next turn.
 */
export async function takeTurn(deps: Deps, options: TurnOptions): Promise<TurnReport> {
  const { isFirst, thorough, signal } = options;
  const { db } = deps.database;
  const background = options.background ?? createBackground(deps, signal);
  // A worker that died may have left undecided payments.
  background.settling.ask();
  if (options.background === undefined) await background.settling.ended();
  const { newest, isShown } = await advanceChain(deps);
  background.follow(newest);
  if (options.background === undefined) await background.followed();
  if (isFirst) await background.apart('prune', () => pruneLedgers(db), undefined);
  const accounts = await watchedAccounts(db);
  const due = accounts.filter((account) => isDue(account, deps));
  if (!signal.aborted) await background.accounts.read(due, { newest, isShown, thorough, signal });
  if (deps.readStrategy === 'ledgers') {
    const names = accounts.map(({ account }) => account);
    const read = await readLedgers(deps, names, newest, signal);
    background.add({
      pages: read.ledgers,
      payments: read.payments,
      problems: read.problem === null ? 0 : 1,
    });
  }
  if (options.background === undefined) await background.accounts.ended();
  background.readMissing(newest);
  background.settling.ask();
  if (options.background === undefined) await background.ended();
  return { ...background.take(), headLedger: newest.sequence };
}

function isDue(
  { openSessions, msSinceRead, needsPages }: WatchedAccount,
  { pollIntervalMs, readStrategy }: Deps,
): boolean {
  if (msSinceRead === null) return true;
  if (readStrategy === 'ledgers' && !needsPages) return msSinceRead >= DAY_MS;
  return openSessions > 0 || msSinceRead >= pollIntervalMs * QUIET_FACTOR;
}
