import {
  firstLedger,
  ledgerHeaders,
  newestLedger,
  storeAnchor,
  storeRun,
} from '../../db/ledgers.ts';
import { noteBrokenChain, noteReset, readThroughAnywhere } from '../../db/checkpoint.ts';
import { completeCancels, waitingCancels } from '../../db/sessions.ts';
import type { HeaderRun, LedgerHeader } from '../../domain/evidence.ts';
import { OtherChain } from '../../domain/ledger-errors.ts';
import { NotShown } from '../../domain/not-shown.ts';
import type { Deps } from '../deps.ts';

/** A node may lag, but not by this many ledgers (an hour and a half). */
const MOST_BEHIND = 1_000;
/** Ledgers that the network goes on without any node showing the newest one of the chain, until the chain begins anew. */
const MOST_AHEAD = 720;
/** One node may lack the newest ledger of the chain, and the next one that answers show it: asked this often before that. */
const ASKED_AGAIN = 3;
/** Runs of 200 ledgers asked for at once: five hours and a half of the public network. */
const RUNS_AT_ONCE = 20;

/** The ledger is not the one that was read: nothing is concluded from it until a person says so. */
export class NetworkReset extends Error {
  override readonly name = 'NetworkReset';
}

/** What the chain needs of an activity's dependencies. */
export type ChainDeps = Pick<Deps, 'database' | 'source' | 'log' | 'networkPassphrase'>;

/**
 * Extends the chain by what a node has closed since; begins it where there is none. Returns its newest ledger, and whether
 * a node has shown that one now (and so everything that is stored). Cancellations that were requested before this are
 * dated by it. @throws NetworkReset; whatever the source throws
 */
export async function advanceChain(
  deps: ChainDeps,
): Promise<{ newest: LedgerHeader; isShown: boolean }> {
  const { db } = deps.database;
  // Before the ledger is asked: its answer dates only what was requested earlier.
  const cancels = await waitingCancels(db);
  const advanced = await extendChain(deps);
  if (advanced.isShown) await completeCancels(db, cancels);
  return advanced;
}

async function extendChain(deps: ChainDeps): Promise<{ newest: LedgerHeader; isShown: boolean }> {
  const { db } = deps.database;
  let newest = await newestLedger(db);
  if (newest === null) return { newest: await beginChain(deps), isShown: true };
  for (let runs = 0; runs < RUNS_AT_ONCE; runs += 1) {
    const run = await followed(deps, newest);
    if (run === null) return await refuseOrWait(deps, newest);
    await storeRun(deps.database, run);
    newest = run.headers.at(-1) ?? newest;
    // Whole: one answer has shown the newest ledger of the chain, and nothing behind it. Without anything new, the node
    // has a gap there: what is newest here is not the newest there is.
    if (run.isWhole || run.headers.length === 0) return { newest, isShown: run.isWhole };
  }
  return { newest, isShown: false };
}

/**
 * Extends the chain backwards until it has a ledger that closed before `time`, some hours of ledgers at once. `isDone`: it
 * has, or no node shows more.
 */
export async function extendChainBack(
  deps: ChainDeps,
  time: Date,
): Promise<{ first: LedgerHeader | null; isDone: boolean }> {
  const { db } = deps.database;
  let first = await firstLedger(db);
  for (let runs = 0; first !== null && first.closedAt >= time; runs += 1) {
    if (runs === RUNS_AT_ONCE) return { first, isDone: false };
    const run = await deps.source.ledgersBefore(first);
    if (run === null) {
      // A node that lags does not show it yet; one whose history begins later never will.
      return { first, isDone: (await notShownFrom(deps, first.sequence)) !== null };
    }
    if (run.headers.length < 2) break;
    await storeRun(deps.database, run, { isAnchor: true });
    first = await firstLedger(db);
  }
  return { first, isDone: true };
}

/** What a node lacks from a ledger on, as one page of headers shows it; null when it shows no such thing. */
export async function notShownFrom(
  { database, source }: Pick<ChainDeps, 'database' | 'source'>,
  asked: number,
): Promise<NotShown | null> {
  const shown = await source.firstLedgerFrom(asked);
  if (shown === null) return null;
  const [known] = await ledgerHeaders(database.db, [shown.sequence]);
  return NotShown.before(shown, { asked, known });
}

/** A first ledger is believed as it is, but not one of another time than what earlier versions have read. */
async function beginChain(deps: ChainDeps): Promise<LedgerHeader> {
  const { db } = deps.database;
  const anchor = await deps.source.newestLedger();
  const read = await readThroughAnywhere(db);
  if (anchor.sequence < read - MOST_BEHIND) {
    await refuse(
      deps,
      `Horizon is at ledger ${anchor.sequence}, but ledger ${read} was read before`,
      null,
    );
  }
  await storeAnchor(db, anchor);
  deps.log.info(
    { ledger: anchor.sequence, hash: anchor.hash },
    'The chain of ledgers begins here.',
  );
  return (await newestLedger(db)) ?? anchor;
}

async function followed(deps: ChainDeps, newest: LedgerHeader): Promise<HeaderRun | null> {
  try {
    return await deps.source.ledgersAfter(newest);
  } catch (error) {
    if (error instanceof OtherChain) return refuse(deps, error.message.replace(/\.$/, ''), newest);
    throw error;
  }
}

/**
 * The node does not show the newest ledger. It may lag, be reset, or lack that ledger: the head is a hint about which, and
 * decides nothing but whether a person is asked.
 */
async function refuseOrWait(
  deps: ChainDeps,
  newest: LedgerHeader,
): Promise<{ newest: LedgerHeader; isShown: boolean }> {
  const head = await deps.source.head();
  if (head.latestLedger < newest.sequence - MOST_BEHIND) {
    await refuse(
      deps,
      `Horizon is at ledger ${head.latestLedger}, but ledger ${newest.sequence} was read before`,
      newest,
    );
  }
  if (head.latestLedger <= newest.sequence && head.latestClosedAt > newest.closedAt) {
    await refuse(
      deps,
      `Ledger ${head.latestLedger} closed at ${head.latestClosedAt.toISOString()}, but ledger ${newest.sequence} was read before, of ${newest.closedAt.toISOString()}`,
      newest,
    );
  }
  if (head.latestLedger <= newest.sequence + MOST_AHEAD) return { newest, isShown: false };
  if (head.networkPassphrase !== deps.networkPassphrase) {
    await refuse(deps, `Horizon serves the network "${head.networkPassphrase}"`, newest);
  }
  return beginAnew(deps, newest);
}

/** No node shows the newest ledger any more, and the network has gone on: the chain begins anew behind the hole. */
async function beginAnew(
  deps: ChainDeps,
  newest: LedgerHeader,
): Promise<{ newest: LedgerHeader; isShown: boolean }> {
  const { db } = deps.database;
  for (let times = 0; times < ASKED_AGAIN; times += 1) {
    if ((await followed(deps, newest)) !== null) return { newest, isShown: false };
  }
  const anchor = await deps.source.newestLedger();
  if (anchor.sequence <= newest.sequence + MOST_AHEAD || anchor.closedAt < newest.closedAt) {
    return { newest, isShown: false };
  }
  await noteBrokenChain(
    db,
    `No node shows ledger ${newest.sequence}, which was the newest one read. The chain goes on from ledger ${anchor.sequence}; sessions across the gap wait for a person. Point HORIZON_URL at a Horizon that has the ledgers between them.`,
  );
  await storeAnchor(db, anchor);
  return { newest: anchor, isShown: true };
}

/** @param seen the newest ledger that was compared with */
async function refuse(deps: ChainDeps, what: string, seen: LedgerHeader | null): Promise<never> {
  const detail =
    `${what}: the network was reset, or HORIZON_URL leads to another one. Nothing is read, and no session ends. ` +
    'A network that was reset is read anew after `settle network accept-reset`.';
  await noteReset(deps.database.db, detail, seen);
  throw new NetworkReset(detail);
}
