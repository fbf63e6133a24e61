import { pruneLedgers } from '../../db/ledgers.ts';
import { watchedAccounts, type WatchedAccount } from '../../db/watching.ts';
import type { Deps } from '../deps.ts';
import { createBeside, type Beside } from './beside.ts';
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
  /** What goes on from turn to turn; without it, a turn ends when everything that it began has ended. */
  readonly beside?: Beside;
};

/** What a turn did, and what ended beside it. */
export type TurnReport = {
  /** Pages of accounts, and ledgers read whole. */
  pages: number;
  payments: number;
  settled: number;
  problems: number;
  headLedger: number;
};

/**
 * One turn of the watcher: extends the chain (and dates cancellations by it), and reads every account that is due. Beside it,
 * and from one turn to the next, go on: what the backend wrote is followed, what is undecided is settled, accounts that are far
 * behind or slow are read on, and ledgers that endings need are read whole. Everything a turn needs to know is in the
 * database, so any worker can take the next one.
 */
export async function takeTurn(deps: Deps, options: TurnOptions): Promise<TurnReport> {
  const { isFirst, thorough, signal } = options;
  const { db } = deps.database;
  const beside = options.beside ?? createBeside(deps, signal);
  // What is undecided may be left from a worker that died.
  beside.settling.ask();
  if (options.beside === undefined) await beside.settling.ended();
  const { newest, isShown } = await advanceChain(deps);
  beside.follow(newest);
  if (options.beside === undefined) await beside.followed();
  if (isFirst) await beside.apart('prune', () => pruneLedgers(db), undefined);
  const accounts = await watchedAccounts(db);
  const due = accounts.filter((account) => isDue(account, deps));
  if (!signal.aborted) await beside.accounts.read(due, { newest, isShown, thorough, signal });
  if (deps.readStrategy === 'ledgers') {
    const names = accounts.map(({ account }) => account);
    const read = await readLedgers(deps, names, newest, signal);
    beside.add({
      pages: read.ledgers,
      payments: read.payments,
      problems: read.problem === null ? 0 : 1,
    });
  }
  if (options.beside === undefined) await beside.accounts.ended();
  beside.readMissing(newest);
  beside.settling.ask();
  if (options.beside === undefined) await beside.ended();
  return { ...beside.take(), headLedger: newest.sequence };
}

function isDue(
  { openSessions, msSinceRead, needsPages }: WatchedAccount,
  { pollIntervalMs, readStrategy }: Deps,
): boolean {
  if (msSinceRead === null) return true;
  if (readStrategy === 'ledgers' && !needsPages) return msSinceRead >= DAY_MS;
  return openSessions > 0 || msSinceRead >= pollIntervalMs * QUIET_FACTOR;
}
