import { storeUnmoved } from '../../db/coverage.ts';
import { storePage } from '../../db/inbox.ts';
import { isItsOwn } from '../../db/set-aside.ts';
import {
  movePageStart,
  noteKnownRecord,
  noteProblem,
  noteRead,
  type WatchedAccount,
} from '../../db/watching.ts';
import type { AccountEntries, LedgerHeader } from '../../domain/evidence.ts';
import type { AccountPage, PageStart } from '../../domain/account-page.ts';
import { reasonOf } from '../../domain/failure.ts';
import { asideIfOwn } from '../aside.ts';
import type { Deps } from '../deps.ts';
import { agreesWithChain } from './entry-check.ts';
import { ledgersBetween, readWholeLedgers } from './whole-ledgers.ts';

/** Horizon's largest page. */
const PAGE = 200;
/** Pages of one account before its entry is looked at again: ten thousand payments. */
const PAGES_AT_ONCE = 50;
/** Ledgers read whole in one turn where the pages of an account cannot be used: three minutes of them. */
const LEDGERS_PER_TURN = 36;
/** Pages are asked for again this long after an entry moved: another node may answer, and lag. */
const RECENT_LEDGERS = 12;

/** What reading one account brought. */
export type AccountReading = {
  pages: number;
  payments: number;
  /** Nothing more was there. */
  isAtEnd: boolean;
  problem: string | null;
};

/** How an account is read. */
export type ReadOptions = {
  /** The chain's newest ledger. */
  readonly newest: LedgerHeader;
  /** Whether a node has shown that one now. */
  readonly isShown: boolean;
  /** Pages are read even where the entry has not moved: a transfer of zero moves none, and an issuer has none. */
  readonly thorough: boolean;
  readonly signal: AbortSignal;
  /** Asked after each page behind which there may be more; may take its time. Nothing more is asked for when it says no. */
  readonly goOn?: (reading: Readonly<AccountReading>) => Promise<boolean>;
};

/**
 * Reads one account. Its entry says whether anything can have arrived since it last moved; if so, its pages say what, and
 * where those do not show that they begin where they were asked to, whole ledgers do. Every step is stored with its proof
 * before the next is asked for. A problem is written down for the operator and ends this account's turn, never the
 * watcher's.
 */
export async function readAccount(
  deps: Deps,
  watched: WatchedAccount,
  options: ReadOptions,
): Promise<AccountReading> {
  const reading: AccountReading = { pages: 0, payments: 0, isAtEnd: false, problem: null };
  const { account, aside } = watched;
  if (aside !== null) return { ...reading, problem: aside };
  try {
    const entries = await deps.source.accountEntries(account);
    const moved = entries === null ? null : await storeEntries(deps, entries, watched, options);
    if (!shouldReadPages(watched, moved, options)) {
      await noteRead(deps.database.db, account);
      return { ...reading, isAtEnd: true };
    }
    const isProven = await readPages(deps, watched, options, reading);
    if (!isProven) await readLedgersInstead(deps, watched, moved, options, reading);
  } catch (error) {
    reading.problem = reasonOf(error);
    deps.log.warn({ account, err: error }, 'An account could not be read; it is tried again.');
    await asideIfOwn(deps, 'read', account, error);
    await noteProblem(deps.database.db, account, reading.problem).catch((own: unknown) => {
      // Its row may be what is broken.
      if (!isItsOwn(own)) throw own;
    });
  }
  return reading;
}

/** Stores what the entry proves for the assets that sessions ask for. Returns the last ledger in which any of it moved. */
async function storeEntries(
  deps: Deps,
  entries: AccountEntries,
  { account, assets }: WatchedAccount,
  { newest }: ReadOptions,
): Promise<number | null> {
  const { db } = deps.database;
  if (!(await agreesWithChain(db, entries, newest))) return null;
  for (const asset of assets.length > 0 ? assets : ['native']) {
    const unmoved = entries.unmoved(asset);
    if (unmoved !== null) await storeUnmoved(db, account, unmoved, newest.sequence);
  }
  const { accountModifiedLedger, trustlines } = entries.shown;
  return Math.max(
    accountModifiedLedger,
    ...[...trustlines.values()].map((line) => line.lastModifiedLedger),
  );
}

/** A hint is enough here: what is not read now is found by the next thorough turn. */
function shouldReadPages(
  { account, assets, readThrough, seenIn }: WatchedAccount,
  moved: number | null,
  { newest, thorough }: ReadOptions,
): boolean {
  const isIssuer = assets.some((asset) => asset.endsWith(`:${account}`));
  if (moved === null || thorough || isIssuer) return true;
  return moved > seenIn || (moved > readThrough && newest.sequence - moved <= RECENT_LEDGERS);
}

/** Returns false when a page did not show that it begins where it was asked to. */
async function readPages(
  deps: Deps,
  { account, start: from }: WatchedAccount,
  { signal, goOn = async () => true }: ReadOptions,
  reading: AccountReading,
): Promise<boolean> {
  let start = from.known === null ? await knownStart(deps, account, from) : from;
  while (reading.pages < PAGES_AT_ONCE && !signal.aborted) {
    const page = await deps.source.accountPage(account, start, PAGE);
    if (page === null) return false;
    // Another reader moved on meanwhile: what it read is what we would read.
    if (!(await storePage(deps.database.pool, page))) return true;
    reading.pages += 1;
    reading.payments += page.payments.length;
    logUndecoded(deps, page);
    start = page.next;
    reading.isAtEnd = !page.isFull;
    if (reading.isAtEnd || !(await goOn(reading))) return true;
  }
  return true;
}

/**
 * Where the account had a record before its reading began, its pages must begin with that: the node names it, and every page
 * has to show it.
 */
async function knownStart(deps: Deps, account: string, start: PageStart): Promise<PageStart> {
  try {
    const known = await deps.source.lastRecord(account, start.afterLedger);
    if (known === null) return start;
    await noteKnownRecord(deps.database.db, account, { ...start, known });
    return { ...start, known };
  } catch (error) {
    deps.log.warn(
      { account, reason: reasonOf(error) },
      'The last record of an account is not known.',
    );
    return start;
  }
}

function logUndecoded(deps: Deps, { account, undecoded }: AccountPage): void {
  for (const { operationId, problem } of undecoded) {
    deps.log.error({ account, operationId, problem }, 'A record could not be decoded; it is kept.');
  }
}

/**
 * The record with which the pages should begin is not shown: a node with a shorter history, or an account that had none.
 * The ledgers up to where its entry last moved are read whole, and the pages go on behind what is covered then.
 */
async function readLedgersInstead(
  deps: Deps,
  { account, start, readThrough }: WatchedAccount,
  moved: number | null,
  { newest, isShown, signal }: ReadOptions,
  reading: AccountReading,
): Promise<void> {
  const last = Math.min(moved ?? readThrough, newest.sequence, readThrough + LEDGERS_PER_TURN);
  const wanted = ledgersBetween(account, { after: readThrough, through: last });
  const read = await readWholeLedgers(deps, wanted, newest, signal);
  reading.pages += read.ledgers;
  reading.payments += read.payments;
  // A node that is ahead of the chain is waited for; one that does not show the chain is a problem.
  const reachable = isShown ? newest.sequence : Number.MAX_SAFE_INTEGER;
  reading.isAtEnd = moved === null || readThrough + read.ledgers >= Math.min(moved, reachable);
  const next = await movePageStart(deps.database.db, account, start);
  if (reading.isAtEnd) return noteRead(deps.database.db, account);
  if (read.ledgers > 0) return;
  reading.problem =
    `Horizon does not show what ${account} received after ledger ${next.afterLedger}: its history begins later, or has a gap. ` +
    'Point HORIZON_URL at a Horizon with older history; nothing is skipped.';
  await noteProblem(deps.database.db, account, reading.problem);
}
