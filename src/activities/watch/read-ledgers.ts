import { networkReading, beginNetworkReading, storeLedger } from '../../db/network-reading.ts';
import type { Head } from '../../domain/ledger-source.ts';
import { reasonOf } from '../../domain/failure.ts';
import type { Deps } from '../deps.ts';

/** Ledgers read in one turn, so that a backlog does not keep the rest waiting: a quarter of an hour of them. */
const LEDGERS_PER_TURN = 180;
/** Further behind than this (an hour), it is cheaper to begin anew and to read each account's own pages once. */
const LEDGERS_BEHIND = 720;

/** What reading the network brought. */
export type LedgersReading = { ledgers: number; payments: number; problem: string | null };

/**
 * Reads the network's ledgers whole, one after the other, for all accounts at once. Each is stored with its rows before
 * the next is asked for; a node that does not have it yet ends the turn.
 */
export async function readLedgers(
  deps: Deps,
  accounts: readonly string[],
  head: Head,
  signal: AbortSignal,
): Promise<LedgersReading> {
  const reading: LedgersReading = { ledgers: 0, payments: 0, problem: null };
  if (accounts.length === 0) return reading;
  try {
    let { throughLedger } = await startingPoint(deps, head);
    const watched = new Set(accounts);
    while (reading.ledgers < LEDGERS_PER_TURN && throughLedger < head.latestLedger) {
      if (signal.aborted) break;
      throughLedger += 1;
      const findings = await deps.source.ledgerPayments(throughLedger, watched);
      const ledger = findings === null ? null : await deps.source.ledger(throughLedger);
      if (findings === null || ledger === null) break;
      const proof = { throughLedger, throughTime: ledger.closedAt };
      if (!(await storeLedger(deps.database.pool, proof, accounts, findings))) break;
      reading.ledgers += 1;
      reading.payments += findings.payments.length;
    }
  } catch (error) {
    reading.problem = reasonOf(error);
    deps.log.warn({ err: error }, 'The network could not be read; it is tried again.');
  }
  return reading;
}

/** Where the reading goes on: where it stood, or at the head when it has never begun or a gap cannot be read. */
async function startingPoint(deps: Deps, head: Head): Promise<{ throughLedger: number }> {
  const stood = await networkReading(deps.database.db);
  const isNear =
    stood !== null &&
    head.latestLedger - stood.throughLedger <= LEDGERS_BEHIND &&
    head.oldestLedger <= stood.throughLedger + 1;
  if (isNear) return stood;
  const begin = { throughLedger: head.latestLedger, throughTime: head.latestClosedAt };
  await beginNetworkReading(deps.database.pool, begin);
  deps.log.info(
    { after: begin.throughLedger, stood },
    'The network is read ledger by ledger from here.',
  );
  return begin;
}
