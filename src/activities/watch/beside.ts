/** What goes on beside the turns of a stretch, so that no turn waits for one session, one account or one ending. */
import { isItsOwn } from '../../db/set-aside.ts';
import type { LedgerHeader } from '../../domain/evidence.ts';
import type { Deps } from '../deps.ts';
import { createAccountsReader, type AccountsReader } from './accounts-reader.ts';
import { discoverForeignSessions } from './discover.ts';
import { readMissingLedgers } from './evidence.ts';
import { createSettling, type Settling } from './settle-due.ts';

/** What was done, as a turn reports it. */
export type Done = { pages: number; payments: number; settled: number; problems: number };

/** Work that outlives a turn. Of each kind one is under way at a time, beside the accounts. */
export type Beside = {
  readonly accounts: AccountsReader;
  readonly settling: Settling;
  /** Has followed what the backend wrote by itself, unless that is under way. */
  follow(newest: LedgerHeader): void;
  /** Resolves when that is not under way any more. @throws what ended it */
  followed(): Promise<void>;
  /** Has the ledgers read that keep sessions from ending, unless that is under way; and settles what they bring. */
  readMissing(newest: LedgerHeader): void;
  /** Resolves when nothing is under way any more. @throws what ended it, such as a database that is away */
  ended(): Promise<void>;
  /** One step that fails by itself keeps no other from being taken: it is logged and counted. @throws what is not its own */
  apart<T>(step: string, take: () => Promise<T>, otherwise: T): Promise<T>;
  add(done: Partial<Done>): void;
  /** What was done since the last call. */
  take(): Done;
};

const NOTHING: Done = { pages: 0, payments: 0, settled: 0, problems: 0 };

/** Makes what goes on beside turns, with nothing under way. Nothing new is begun once `signal` is aborted. */
export function createBeside(deps: Deps, signal: AbortSignal): Beside {
  let done = NOTHING;
  const add: Beside['add'] = ({ pages = 0, payments = 0, settled = 0, problems = 0 }) => {
    done = {
      pages: done.pages + pages,
      payments: done.payments + payments,
      settled: done.settled + settled,
      problems: done.problems + problems,
    };
  };
  const apart: Beside['apart'] = async (step, take, otherwise) => {
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
    const discover = () => discoverForeignSessions(deps, newest.sequence, signal);
    settling.ask(await apart('discover', discover, []));
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

/** Work of which one is under way at a time: it is not begun again until it has ended. */
function single(deps: Deps, step: string, work: (newest: LedgerHeader) => Promise<void>) {
  let underWay: Promise<void> | null = null;
  return {
    begin: (newest: LedgerHeader) => {
      if (underWay !== null) return;
      const begun = work(newest).finally(() => (underWay = null));
      underWay = begun;
      // Whoever waits for it hears of it, too.
      begun.catch((error: unknown) =>
        deps.log.error(
          { err: error, step },
          'Work beside the turns broke off; the next turn begins it again.',
        ),
      );
    },
    ended: async () => {
      for (let one = underWay; one !== null; one = underWay) await one;
    },
  };
}
