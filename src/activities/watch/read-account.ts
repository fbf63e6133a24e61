import { storePage } from '../../db/inbox.ts';
import { reasonOf } from '../../domain/failure.ts';
import { noteProblem, type WatchedAccount } from '../../db/watching.ts';
import type { Deps } from '../deps.ts';

/** Horizon's largest page. */
const PAGE = 200;
/** Pages of one account in one turn, so that a backlog of one does not starve the others for long. */
const PAGES_PER_TURN = 50;

/** What reading one account brought. */
export type AccountReading = {
  pages: number;
  payments: number;
  /** Nothing more was there. */
  isAtEnd: boolean;
  problem: string | null;
};

/**
 * Reads an account from its cursor to the end, page by page; each page is stored with its proof before the next is
 * asked for. A problem is written down for the operator and ends this account's turn, never the watcher's.
 */
export async function readAccount(
  deps: Deps,
  { account, cursor: start }: Pick<WatchedAccount, 'account' | 'cursor'>,
  oldestLedger: number,
  signal: AbortSignal,
): Promise<AccountReading> {
  const reading: AccountReading = { pages: 0, payments: 0, isAtEnd: false, problem: null };
  let cursor = start;
  try {
    refuseGap(account, cursor, oldestLedger);
    while (reading.pages < PAGES_PER_TURN && !signal.aborted) {
      const page = await deps.source.page(account, cursor, PAGE);
      const stored = await storePage(deps.database.pool, { account, cursor, ...page });
      // Another watcher moved the cursor meanwhile: what it read is what we would read.
      if (!stored) break;
      reading.pages += 1;
      reading.payments += page.payments.length;
      for (const { operationId, problem } of page.undecoded) {
        deps.log.error(
          { account, operationId, problem },
          'A record could not be decoded; it is kept.',
        );
      }
      cursor = page.nextCursor;
      reading.isAtEnd = page.records < PAGE;
      if (reading.isAtEnd) break;
    }
  } catch (error) {
    reading.problem = reasonOf(error);
    deps.log.warn(
      { account, cursor, err: error },
      'An account could not be read; it is tried again.',
    );
    await noteProblem(deps.database.db, account, reading.problem);
  }
  return reading;
}

/**
 * Horizon silently moves a cursor below its oldest ledger to that ledger (facts: stellar-horizon, asc paging), so a
 * gap would go unseen. It is refused here; what lies in it must be read from another Horizon.
 */
function refuseGap(account: string, cursor: string, oldestLedger: number): void {
  const ledger = Number(BigInt(cursor) >> 32n);
  if (ledger >= oldestLedger) return;
  throw new Error(
    `Horizon's history begins at ledger ${oldestLedger}, but ${account} is read only up to ${ledger}. ` +
      'Point HORIZON_URL at a Horizon with older history; nothing is skipped.',
  );
}
