/** The watcher's page commit without Horizon: a page into the inbox with its cursor, what it leaves undecided settled together. */
import { pino } from 'pino';
import { createBell, type Bell } from '../src/activities/bell.ts';
import { settleDue } from '../src/activities/watch/settle-due.ts';
import { connect, type Database } from '../src/db/connection.ts';
import { storePage } from '../src/db/inbox.ts';
import { createSettleQueue } from '../src/db/settle-queue.ts';
import { watchedAccount } from '../src/db/watching.ts';
import { AccountPage, type PageStart } from '../src/domain/account-page.ts';
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
  const starts = new Map<string, PageStart>();
  let last: Promise<void> = Promise.resolve();
  const commit = async (payments: readonly Payment[]): Promise<void> => {
    const account = payments[0]?.account ?? '';
    const start = starts.get(account) ?? (await watchedAccount(database.db, account))?.start;
    if (start === undefined) throw new Error(`Nobody watches ${account}.`);
    const page = pageOf(account, start, payments);
    if (!(await storePage(database.pool, page))) {
      starts.delete(account);
      throw new Error('Another page was stored meanwhile.');
    }
    starts.set(account, page.next);
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

/** A page as Horizon shows it: the known record, or the account's creation, and the payments behind it. */
function pageOf(account: string, start: PageStart, payments: readonly Payment[]): AccountPage {
  const decoded = payments.map((p) => toLedgerPayment(p, parseAmount(p.amount)));
  const known = start.known ?? String(1n << 32n);
  const first = { token: known, ledger: Number(BigInt(known) >> 32n), createsAccount: true };
  const records = decoded.map(({ operationId, ledger }) => {
    return { token: operationId, ledger, createsAccount: false };
  });
  const page = AccountPage.of(
    account,
    start,
    [first, ...records],
    { payments: decoded, undecoded: [] },
    Number.POSITIVE_INFINITY,
  );
  if (page === null) throw new Error('The payments of a page are not in order.');
  return page;
}
