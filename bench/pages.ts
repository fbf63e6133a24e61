/** The watcher's page commit without Horizon: a page into the inbox with its cursor, what it leaves undecided settled together. */
import { pino } from 'pino';
import { createBell, type Bell } from '../src/activities/bell.ts';
import { settleDue } from '../src/activities/watch/settle-due.ts';
import { connect, type Database } from '../src/db/connection.ts';
import { storePage } from '../src/db/inbox.ts';
import { createSettleQueue } from '../src/db/settle-queue.ts';
import { findAccount } from '../src/db/watching.ts';
import { parseAmount } from '../src/domain/money.ts';
import { POOL, toLedgerPayment, type Payment } from './arms/arm.ts';
import { NO_COUNTERS } from './reading-stage.ts';

/** Commits pages of one account, one after the other, as the watcher reads them. */
export type Pages = {
  commit(payments: readonly Payment[]): Promise<void>;
  /** Settle transactions, and how often one was run again. */
  readonly cost: { commits: number; retries: number };
  readonly database: Database;
  close(): Promise<void>;
};

/** Connects with a pool of its own. With the bell of a worker in this process, that wakes what a page has settled. */
export function createPages(databaseUrl: string, settledBell: Bell = createBell()): Pages {
  const database = connect(databaseUrl, { max: POOL });
  const cost = { commits: 0, retries: 0 };
  const queue = createSettleQueue(database, ({ retries }) => {
    cost.commits += 1;
    cost.retries += retries;
  });
  const deps = {
    database,
    queue,
    settledBell,
    log: pino({ level: 'error' }),
    counters: NO_COUNTERS,
  };
  const cursors = new Map<string, string>();
  let last: Promise<void> = Promise.resolve();
  const commit = async (payments: readonly Payment[]): Promise<void> => {
    const account = payments[0]?.account ?? '';
    const known = cursors.get(account) ?? (await findAccount(database.db, account))?.cursor;
    if (known === undefined) throw new Error(`Nobody watches ${account}.`);
    const stored = await storePage(database.pool, {
      account,
      cursor: known,
      nextCursor: (BigInt(known) + 1n).toString(),
      payments: payments.map((p) => toLedgerPayment(p, parseAmount(p.amount))),
      undecoded: [],
      covers: null,
    });
    if (!stored) {
      cursors.delete(account);
      throw new Error('The cursor was moved meanwhile.');
    }
    cursors.set(account, (BigInt(known) + 1n).toString());
    await settleDue(deps);
  };
  return {
    commit: (payments) => {
      const done = last.then(() => commit(payments));
      last = done.catch(() => undefined);
      return done;
    },
    cost,
    database,
    close: () => database.close(),
  };
}
