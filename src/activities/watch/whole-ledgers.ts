import { storeWhole } from '../../db/inbox.ts';
import { ledgerHeaders, storeRun } from '../../db/ledgers.ts';
import { noteHole } from '../../db/watching.ts';
import type { LedgerHeader, WholeLedger } from '../../domain/evidence.ts';
import { MoreThanCounted } from '../../domain/ledger-errors.ts';
import type { Deps } from '../deps.ts';
import { extendChainBack } from './chain.ts';

/** A ledger that is this far behind and not shown may be gone for good: an hour of them. */
const LONG_AGO = 720;

/** A ledger that is to be read whole, and for which accounts. */
export type WantedLedger = { readonly sequence: number; readonly accounts: readonly string[] };

/** The ledgers of one account after one that is read, through another; none when that lies before it. */
export function ledgersBetween(
  account: string,
  { after, through }: { after: number; through: number },
): WantedLedger[] {
  return Array.from({ length: Math.max(through - after, 0) }, (_, i) => ({
    sequence: after + 1 + i,
    accounts: [account],
  }));
}

/** What reading whole ledgers brought. */
export type LedgersRead = { ledgers: number; payments: number };

/**
 * Reads ledgers of the chain whole, and stores each with its coverage. One that is not shown now is asked for again by
 * the next turn; a node that lacks it for long is written down as a hole.
 */
export async function readWholeLedgers(
  deps: Deps,
  wanted: readonly WantedLedger[],
  newest: LedgerHeader,
  signal: AbortSignal,
): Promise<LedgersRead> {
  const read: LedgersRead = { ledgers: 0, payments: 0 };
  if (wanted.length === 0) return read;
  const { headers, isDone } = await headersOf(deps, wanted);
  let oldest = 0;
  for (const { sequence, accounts } of wanted) {
    if (signal.aborted) break;
    // A node that began later has just said so.
    if (sequence < oldest) continue;
    const header = headers.get(sequence);
    // The chain is still being read back to it.
    if (header === undefined && !isDone) continue;
    const whole = header === undefined ? null : await wholeOrNull(deps, header, accounts);
    if (whole === 'unanswered') continue;
    if (whole === null) {
      if (newest.sequence - sequence > LONG_AGO) {
        oldest = await noteMissing(deps, accounts, sequence, newest);
      }
      continue;
    }
    await storeWhole(deps.database.pool, whole);
    read.ledgers += 1;
    read.payments += whole.payments.length;
  }
  return read;
}

/** One ledger that Horizon does not answer for keeps no other from being read. */
async function wholeOrNull(
  deps: Deps,
  header: LedgerHeader,
  accounts: readonly string[],
): Promise<WholeLedger | null | 'unanswered'> {
  try {
    return await wholeLedger(deps, header, new Set(accounts));
  } catch (error) {
    deps.log.warn({ ledger: header.sequence, err: error }, 'A ledger could not be read whole.');
    return 'unanswered';
  }
}

/** A header that counts fewer operations than a node shows came from one that filters: it is asked for again. */
export async function wholeLedger(
  deps: Pick<Deps, 'database' | 'source'>,
  header: LedgerHeader,
  accounts: ReadonlySet<string>,
): Promise<WholeLedger | null> {
  try {
    return await deps.source.wholeLedger(header, accounts);
  } catch (error) {
    if (!(error instanceof MoreThanCounted)) throw error;
    const again = await deps.source.ledgersAfter({
      sequence: header.sequence - 1,
      hash: header.previousHash,
    });
    if (again === null) return null;
    await storeRun(deps.database, again);
    const grown = again.headers.find(({ sequence }) => sequence === header.sequence);
    if (grown === undefined || grown.operationCount <= header.operationCount) return null;
    return deps.source.wholeLedger(grown, accounts);
  }
}

async function headersOf(
  deps: Deps,
  wanted: readonly WantedLedger[],
): Promise<{ headers: Map<number, LedgerHeader>; isDone: boolean }> {
  const { db } = deps.database;
  const sequences = wanted.map(({ sequence }) => sequence);
  let found = await ledgerHeaders(db, sequences);
  let isDone = true;
  if (found.length < sequences.length) {
    // Older than the chain: one step back at a time, the next turn goes on.
    ({ isDone } = await extendChainBack(deps, new Date(0)));
    found = await ledgerHeaders(db, sequences);
  }
  return { headers: new Map(found.map((header) => [header.sequence, header])), isDone };
}

/**
 * Notes a ledger as missing. The root document says how far its node's history is missing, too: a hint, which is never
 * believed about the last hour of the chain. Returns the node's oldest ledger.
 */
async function noteMissing(
  deps: Deps,
  accounts: readonly string[],
  ledger: number,
  newest: LedgerHeader,
): Promise<number> {
  const { oldestLedger } = await deps.source.head();
  const mayBeGone = newest.sequence - LONG_AGO;
  await noteHole(
    deps.database.db,
    accounts,
    { from: ledger, through: Math.max(ledger, Math.min(oldestLedger, mayBeGone) - 1) },
    oldestLedger > ledger
      ? `Horizon's history begins at ledger ${oldestLedger}.`
      : `Horizon does not show ledger ${ledger}, or not all of it.`,
  );
  return oldestLedger;
}
