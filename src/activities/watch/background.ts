/** Work that continues between turns, so that no turn waits for a single session, account or ending. */
import { isItsOwn } from '../../db/set-aside.ts';
import type { LedgerHeader } from '../../domain/evidence.ts';
import type { Deps } from '../deps.ts';
import { createAccountsReader, type AccountsReader } from './accounts-reader.ts';
import { discoverForeignSessions } from './discover.ts';
import { readMissingLedgers } from './evidence.ts';
import { createSettling, type Settling } from './settle-due.ts';

/** Counts for the turn's report. */
export type Done = { pages: number; payments: number; settled: number; problems: number };

/** Background work of one watcher. At most one job of each kind runs at a time; accounts have their own limits. */
export type Background = {
  readonly accounts: AccountsReader;
  readonly settling: Settling;
  /** Starts following the backend's own writes, unless that job is running. */
  follow(newest: LedgerHeader): void;
  /** Resolves when that job has ended. @throws the error that ended it */
  followed(): Promise<void>;
  /** Starts reading the ledgers that block endings, unless that job is running. The payments in them are then settled. */
  readMissing(newest: LedgerHeader): void;
  /** Resolves when all background work has ended. @throws the error that ended a job, such as a lost database */
  ended(): Promise<void>;
  /** Runs one step; a failure of its own is logged and counted, and `otherwise` is returned. @throws every other error */
  apart<T>(step: string, take: () => Promise<T>, otherwise: T): Promise<T>;
  add(done: Partial<Done>): void;
  /** Returns the counts since the last call. */
  take(): Done;
};

const NOTHING: Done = { pages: 0, payments: 0, settled: 0, problems: 0 };

/** Creates the background work of one watcher, idle. No new step starts after `signal` is aborted. */
export function createBackground(deps: Deps, signal: AbortSignal): Background {
  let done = NOTHING;
  const add: Background['add'] = ({ pages = 0, payments = 0, settled = 0, problems = 0 }) => {
    done = {
      pages: done.pages + pages,
      payments: done.payments + payments,
      settled: done.settled + settled,
      problems: done.problems + problems,
    };
  };
  const apart: Background['apart'] = async (step, take, otherwise) => {
    try {
      return await take();
    } catch (error) {
      if (!isItsOwn(error)) throw error;
      add({ problems: 1 });
      deps.log.error(
        { err: error, step },
        'A step of a turn failed; the next turn takes it again.',
      );
      return otherwise;
    }
  };
  const settling = createSettling(deps, signal);
  const accounts = createAccountsReader(deps, () => settling.ask());
  const following = single(deps, 'discover', async (newest) => {
    const settle = (sessionId: string) => settling.ask([sessionId]);
    const discover = () => discoverForeignSessions(deps, newest.sequence, settle, signal);
    await apart('discover', discover, undefined);
  });
  const missing = single(deps, 'missing ledgers', async (newest) => {
    if (signal.aborted) return;
    const read = () => readMissingLedgers(deps, newest, signal);
    const { ledgers, payments } = await apart('missing ledgers', read, { ledgers: 0, payments: 0 });
    add({ pages: ledgers, payments });
    if (ledgers > 0) settling.ask();
  });
  return {
    accounts,
    settling,
    follow: following.begin,
    followed: following.ended,
    readMissing: missing.begin,
    ended: async () => {
      await following.ended();
      await accounts.ended();
      await missing.ended();
      await settling.ended();
    },
    apart,
    add,
    take: () => {
      add({ ...accounts.take(), settled: settling.take() });
      const taken = done;
      done = NOTHING;
      return taken;
    },
  };
}

/** A job that runs at most once at a time: a start while it runs is ignored. */
function single(deps: Deps, step: string, work: (newest: LedgerHeader) => Promise<void>) {
  let underWay: Promise<void> | null = null;
  return {
    begin: (newest: LedgerHeader) => {
      if (underWay !== null) return;
      const begun = work(newest).finally(() => (underWay = null));
      underWay = begun;
      // The rejection is also delivered to callers of `ended`.
      begun.catch((error: unknown) =>
        deps.log.error(
          { event: 'watch.job_failed', err: error, step },
          'A background job failed. The next turn starts it again.',
        ),
      );
    },
    ended: async () => {
      for (let one = underWay; one !== null; one = underWay) await one;
    },
  };
}
