import { pruneLedgers } from '../../db/ledgers.ts';
import { isItsOwn } from '../../db/set-aside.ts';
import { watchedAccounts, type WatchedAccount } from '../../db/watching.ts';
import type { Deps } from '../deps.ts';
import { advanceChain } from './chain.ts';
import { discoverForeignSessions } from './discover.ts';
import { readMissingLedgers } from './evidence.ts';
import { readAccount } from './read-account.ts';
import { readLedgers } from './read-ledgers.ts';
import { settleDue } from './settle-due.ts';

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
};

/** What a turn did. */
export type TurnReport = {
  /** Pages of accounts, and ledgers read whole. */
  pages: number;
  payments: number;
  settled: number;
  problems: number;
  headLedger: number;
};

/**
 * One turn of the watcher: settles what is left, extends the chain (and dates cancellations by it), follows what the backend wrote, reads every account
 * that is due, and closes what is proven. Everything it needs to know is in the database, so any worker can take the
 * next one.
 */
export async function takeTurn(deps: Deps, options: TurnOptions): Promise<TurnReport> {
  const { isFirst, thorough, signal } = options;
  const { db } = deps.database;
  const report = { pages: 0, payments: 0, problems: 0, headLedger: 0 };
  /** One step that fails by itself keeps no other from being taken. */
  const apart = async <T>(step: string, take: () => Promise<T>, otherwise: T): Promise<T> => {
    try {
      return await take();
    } catch (error) {
      if (!isItsOwn(error)) throw error;
      report.problems += 1;
      deps.log.error(
        { err: error, step },
        'A step of a turn failed; the next turn takes it again.',
      );
      return otherwise;
    }
  };
  const settle = () => apart('settle', () => settleDue(deps, signal), 0);
  // What is undecided is settled first: it may be left from a worker that died.
  let settled = await settle();
  const { newest, isShown } = await advanceChain(deps);
  report.headLedger = newest.sequence;
  const discover = () => discoverForeignSessions(deps, newest.sequence, signal);
  settled += await apart('discover', discover, 0);
  if (isFirst) await apart('prune', () => pruneLedgers(db), undefined);
  const accounts = await watchedAccounts(db);
  for (const account of accounts) {
    if (signal.aborted) break;
    if (!isDue(account, deps)) continue;
    const read = await readAccount(deps, account, { newest, isShown, thorough, signal });
    report.pages += read.pages;
    report.payments += read.payments;
    report.problems += read.problem === null ? 0 : 1;
    if (read.payments > 0) settled += await settle();
  }
  if (deps.readStrategy === 'ledgers') {
    const names = accounts.map(({ account }) => account);
    const read = await readLedgers(deps, names, newest, signal);
    report.pages += read.ledgers;
    report.payments += read.payments;
    report.problems += read.problem === null ? 0 : 1;
    settled += await settle();
  }
  const readMissing = () => readMissingLedgers(deps, newest, signal);
  const missing = await apart('missing ledgers', readMissing, { ledgers: 0, payments: 0 });
  report.pages += missing.ledgers;
  report.payments += missing.payments;
  settled += await settle();
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
