import { randomInt } from 'node:crypto';
import { storeWhole } from '../../db/inbox.ts';
import { ledgerHeaders, storeRun } from '../../db/ledgers.ts';
import { noteHole } from '../../db/holes.ts';
import { asideAmong, takeBack } from '../../db/set-aside.ts';
import type { LedgerHeader, WholeLedger } from '../../domain/evidence.ts';
import { MoreThanCounted } from '../../domain/ledger-errors.ts';
import { NotShown } from '../../domain/not-shown.ts';
import { asideIfOwn } from '../aside.ts';
import type { Deps } from '../deps.ts';
import { extendChainBack, notShownFrom } from './chain.ts';

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
  asked: readonly WantedLedger[],
  newest: LedgerHeader,
  signal: AbortSignal,
): Promise<LedgersRead> {
  const read: LedgersRead = { ledgers: 0, payments: 0 };
  const wanted = await withoutAside(deps, asked);
  if (wanted.length === 0) return read;
  const { headers, isDone } = await headersOf(deps, wanted);
  const holes: { account: string; hole: NotShown }[] = [];
  const isNoted = (sequence: number) => (account: string) =>
    holes.some((h) => h.account === account && h.hole.has(sequence));
  for (const { sequence, accounts } of wanted) {
    if (signal.aborted) break;
    // Noted a moment ago, with a ledger in front of it.
    if (accounts.every(isNoted(sequence))) continue;
    const header = headers.get(sequence);
    // The chain is still being read back to it.
    if (header === undefined && !isDone) continue;
    const whole = header === undefined ? null : await wholeOrNull(deps, header, accounts);
    if (whole === 'unanswered') continue;
    if (whole === null) {
      if (newest.sequence - sequence > LONG_AGO) {
        const { hole, shown } = await findHole(deps, accounts, sequence, newest);
        holes.push(...accounts.map((account) => ({ account, hole })));
        for (const one of shown) read.payments += (await storeOne(deps, one)) ?? 0;
        await noteHole(deps.database.db, accounts, hole);
      }
      continue;
    }
    const stored = await storeOne(deps, whole);
    if (stored === null) continue;
    read.payments += stored;
    read.ledgers += 1;
  }
  return read;
}

const nameOf = (sequence: number): string => `ledger ${sequence}`;

/** One that failed by itself is not tried before its pause is over. */
async function withoutAside(
  { database }: Deps,
  wanted: readonly WantedLedger[],
): Promise<readonly WantedLedger[]> {
  const names = wanted.map(({ sequence }) => nameOf(sequence));
  const aside = await asideAmong(database.db, 'ledger', names);
  return aside.size === 0 ? wanted : wanted.filter(({ sequence }) => !aside.has(nameOf(sequence)));
}

/**
 * Returns the payments that it has, new or not; null when it cannot be stored for a reason of its own, which keeps no other
 * ledger from being read.
 */
async function storeOne(deps: Deps, whole: WholeLedger): Promise<number | null> {
  const name = nameOf(whole.sequence);
  try {
    await storeWhole(deps.database.pool, whole);
    await takeBack(deps.database.db, 'ledger', [name]);
    return whole.payments.length;
  } catch (error) {
    if (!(await asideIfOwn(deps, 'ledger', name, error))) throw error;
    return null;
  }
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
    if (!(await asideIfOwn(deps, 'ledger', nameOf(header.sequence), error))) {
      deps.log.warn({ ledger: header.sequence, err: error }, 'A ledger could not be read whole.');
    }
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
    // Backwards, the answer begins with the ledger itself: the first one of a chain does not name the one before it.
    const again = await deps.source.ledgersBefore(header);
    if (again === null) return null;
    await storeRun(deps.database, again, { isAnchor: true });
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

/** Ledgers of a hole that are asked for by themselves: another node may have what one page leaves out. */
const PROBES = 5;

/**
 * How far behind a ledger that is not shown others are missing: as far as one page of headers leaves them out, never into the
 * last hour of the chain, and only up to the first that is shown when it is asked for by itself. `shown`: those.
 */
async function findHole(
  deps: Deps,
  accounts: readonly string[],
  ledger: number,
  newest: LedgerHeader,
): Promise<{ hole: NotShown; shown: WholeLedger[] }> {
  const found = (await notShownFrom(deps, ledger)) ?? NotShown.alone(ledger);
  let hole = found.endingBefore(newest.sequence - LONG_AGO);
  const shown: WholeLedger[] = [];
  for (let probe = 0; probe < PROBES && hole.through > ledger; probe += 1) {
    // The last one first: where a history begins, it is the most likely to be there.
    const asked = probe === 0 ? hole.through : randomInt(ledger + 1, hole.through + 1);
    const [header] = await ledgerHeaders(deps.database.db, [asked]);
    const whole = header === undefined ? null : await wholeOrNull(deps, header, accounts);
    if (whole === null || whole === 'unanswered') continue;
    shown.push(whole);
    hole = hole.endingBefore(asked);
  }
  return { hole, shown };
}
