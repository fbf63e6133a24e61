import { ledgerHeaders } from '../../db/ledgers.ts';
import { networkReading, beginNetworkReading, storeLedger } from '../../db/network-reading.ts';
import { reasonOf } from '../../domain/failure.ts';
import type { LedgerHeader } from '../../domain/evidence.ts';
import type { Deps } from '../deps.ts';
import { wholeLedger } from './whole-ledgers.ts';

/** Ledgers read in one turn, so that a backlog does not keep the rest waiting: a quarter of an hour of them. */
const LEDGERS_PER_TURN = 180;
/** Further behind than this (an hour), it is cheaper to begin anew and to read each account's own pages once. */
const LEDGERS_BEHIND = 720;

/** What reading the network brought. */
export type LedgersReading = { ledgers: number; payments: number; problem: string | null };

/**
 * Reads the network's ledgers whole, one after the other, for all accounts at once. Each is stored with its rows before
 * the next is asked for; a node that does not show all of it yet ends the turn.
 */
export async function readLedgers(
  deps: Deps,
  accounts: readonly string[],
  newest: Pick<LedgerHeader, 'sequence'>,
  signal: AbortSignal,
): Promise<LedgersReading> {
  const reading: LedgersReading = { ledgers: 0, payments: 0, problem: null };
  const { db, pool } = deps.database;
  try {
    // Nobody is read for: the reading stays at the newest ledger, so that the first account joins without a gap.
    if (accounts.length === 0) {
      await beginNetworkReading(pool, newest.sequence);
      return reading;
    }
    const after = await startingPoint(deps, newest.sequence);
    const last = Math.min(newest.sequence, after + LEDGERS_PER_TURN);
    const watched = new Set(accounts);
    const wanted = Array.from({ length: last - after }, (_, i) => after + 1 + i);
    for (const header of await ledgerHeaders(db, wanted)) {
      if (signal.aborted) break;
      const whole = await wholeLedger(deps, header, watched);
      if (whole === null || !(await storeLedger(pool, whole))) break;
      reading.ledgers += 1;
      reading.payments += whole.payments.length;
    }
  } catch (error) {
    reading.problem = reasonOf(error);
    deps.log.warn({ err: error }, 'The network could not be read; it is tried again.');
  }
  return reading;
}

/** The ledger after which the reading goes on: where it stood, or the newest one when it never began or is far behind. */
async function startingPoint(deps: Deps, newest: number): Promise<number> {
  const stood = await networkReading(deps.database.db);
  if (stood !== null && newest - stood <= LEDGERS_BEHIND) return stood;
  await beginNetworkReading(deps.database.pool, newest);
  deps.log.info({ after: newest, stood }, 'The network is read ledger by ledger from here.');
  return newest;
}
