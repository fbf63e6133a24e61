/** Reads accounts concurrently. An account with a backlog, or with slow answers, delays no other account. */
import type { WatchedAccount } from '../../db/watching.ts';
import type { Deps } from '../deps.ts';
import { readAccount, type AccountReading, type ReadOptions } from './read-account.ts';

/** Accounts that a turn reads concurrently. Each holds one answer of Horizon in memory at a time (`LARGEST_ANSWER`). */
export const ACCOUNTS_AT_ONCE = 4;
/** Accounts with a backlog that are read concurrently in the background. They take turns, page by page. */
export const BEHIND_AT_ONCE = 2;
/** Pages of one account in one turn: 400 payments. Further pages are read in the background. */
const PAGES_IN_TURN = 2;
/** A turn waits this long for one account, in milliseconds. A healthy Horizon answers a few pages in less. */
export const SLOW_MS = 1_000;

/** Counts since the last `take`. */
export type AccountsRead = { pages: number; payments: number; problems: number };

/** Reads accounts. It remembers only which accounts were slow; this changes when an account is read, never what is stored. */
export type AccountsReader = {
  /** Resolves when each account has been read to its end, or continues in the background. An account under way is not started again. */
  read(accounts: readonly WatchedAccount[], options: Omit<ReadOptions, 'goOn'>): Promise<void>;
  /** Resolves when no account is under way. */
  ended(): Promise<void>;
  /** Returns the counts since the last call. */
  take(): AccountsRead;
};

/** Creates a reader; `onPayments` is called after payments have been stored. */
export function createAccountsReader(deps: Deps, onPayments: () => void): AccountsReader {
  const inTurn = createGate(ACCOUNTS_AT_ONCE);
  const background = createGate(BEHIND_AT_ONCE);
  const underWay = new Map<string, Promise<void>>();
  /** Accounts that were slow, or had a backlog, at their last reading. No turn waits for them. */
  const behind = new Set<string>();
  let sum: AccountsRead = { pages: 0, payments: 0, problems: 0 };

  async function readOne(
    watched: WatchedAccount,
    options: Omit<ReadOptions, 'goOn'>,
    leaveTurn: () => void,
  ): Promise<void> {
    const { account } = watched;
    let gate: Gate | null = behind.has(account) ? background : inTurn;
    let stored = 0;
    if (gate === background) leaveTurn();
    await gate.enter();
    const fallBehind = () => {
      if (gate !== inTurn) return;
      gate.leave();
      gate = null;
      behind.add(account);
      leaveTurn();
    };
    const note = ({ payments }: AccountReading) => {
      if (payments > stored) onPayments();
      stored = payments;
    };
    const goOn = async (reading: AccountReading) => {
      note(reading);
      if (gate === inTurn && reading.pages < PAGES_IN_TURN) return true;
      fallBehind();
      gate?.leave();
      gate = null;
      await background.enter();
      gate = background;
      return true;
    };
    const late = setTimeout(fallBehind, SLOW_MS);
    const started = performance.now();
    try {
      if (options.signal.aborted) return;
      const reading = await readAccount(deps, watched, { ...options, goOn });
      note(reading);
      sum.pages += reading.pages;
      sum.payments += reading.payments;
      sum.problems += reading.problem === null ? 0 : 1;
      const isQuick = performance.now() - started < SLOW_MS && reading.pages <= PAGES_IN_TURN;
      if (isQuick && reading.isAtEnd) behind.delete(account);
    } finally {
      clearTimeout(late);
      (gate as Gate | null)?.leave();
    }
  }

  return {
    read: async (accounts, options) => {
      const inThisTurn = accounts.map(async (watched) => {
        const { account } = watched;
        if (underWay.has(account)) return;
        const turn = Promise.withResolvers<void>();
        const reading = readOne(watched, options, turn.resolve).finally(() =>
          underWay.delete(account),
        );
        underWay.set(account, reading);
        reading.then(turn.resolve, (error: unknown) => {
          deps.log.error(
            { event: 'watch.account_failed', account, err: error },
            'The reading of an account failed.',
          );
          turn.reject(error);
        });
        await turn.promise;
      });
      await Promise.all(inThisTurn);
    },
    ended: async () => {
      while (underWay.size > 0) await Promise.all(underWay.values());
    },
    take: () => {
      const taken = sum;
      sum = { pages: 0, payments: 0, problems: 0 };
      return taken;
    },
  };
}

/** A semaphore; waiters enter in the order of their calls. */
type Gate = { enter(): Promise<void>; leave(): void };

function createGate(places: number): Gate {
  const waiting: (() => void)[] = [];
  let free = places;
  return {
    enter: async () => {
      if (free > 0) free -= 1;
      else await new Promise<void>((resolve) => waiting.push(resolve));
    },
    leave: () => {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    },
  };
}
