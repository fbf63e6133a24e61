/** Reads accounts side by side: one that is far behind, or that Horizon is slow about, keeps no other waiting. */
import type { WatchedAccount } from '../../db/watching.ts';
import type { Deps } from '../deps.ts';
import { readAccount, type AccountReading, type ReadOptions } from './read-account.ts';

/** Accounts that a turn reads at once. Each has one answer of Horizon in memory at a time (`LARGEST_ANSWER`). */
export const ACCOUNTS_AT_ONCE = 4;
/** Accounts that are read on beside the turns at once, one page of each in turn. */
export const BEHIND_AT_ONCE = 2;
/** Pages of one account that a turn waits for: 400 payments. What lies behind them is read beside the turns. */
const PAGES_IN_TURN = 2;
/** Longer than a few pages of a healthy Horizon take; a turn waits no longer than this for one account, in milliseconds. */
export const SLOW_MS = 1_000;

/** What reading brought since it was last asked about. */
export type AccountsRead = { pages: number; payments: number; problems: number };

/** Reads accounts. One per stretch of the watcher; what it remembers makes no difference to what is read. */
export type AccountsReader = {
  /** Resolves when each of these is read to its end, or is left to be read beside the turns. One that still is, is not begun again. */
  read(accounts: readonly WatchedAccount[], options: Omit<ReadOptions, 'goOn'>): Promise<void>;
  /** Resolves when nothing is under way any more. */
  ended(): Promise<void>;
  /** What was read since the last call. */
  take(): AccountsRead;
};

/** Makes a reader; `onPayments` is called when payments have been stored. */
export function createAccountsReader(deps: Deps, onPayments: () => void): AccountsReader {
  const inTurn = createGate(ACCOUNTS_AT_ONCE);
  const beside = createGate(BEHIND_AT_ONCE);
  const underWay = new Map<string, Promise<void>>();
  /** Those that were too slow, or too far behind, when they were last read: no turn waits for them. */
  const behind = new Set<string>();
  let sum: AccountsRead = { pages: 0, payments: 0, problems: 0 };

  async function readOne(
    watched: WatchedAccount,
    options: Omit<ReadOptions, 'goOn'>,
    leaveTurn: () => void,
  ): Promise<void> {
    const { account } = watched;
    let gate: Gate | null = behind.has(account) ? beside : inTurn;
    let stored = 0;
    if (gate === beside) leaveTurn();
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
      await beside.enter();
      gate = beside;
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
          deps.log.error({ account, err: error }, 'The reading of an account broke off.');
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

type Gate = { enter(): Promise<void>; leave(): void };

/** Lets so many in at once, the others in the order in which they came. */
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
