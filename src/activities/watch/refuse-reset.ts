import { noteReset, remembered, storeCheckpoint } from '../../db/checkpoint.ts';
import type { Head } from '../../domain/ledger-source.ts';
import type { Deps } from '../deps.ts';

/** A node may lag, but not by this many ledgers (an hour and a half). */
const MOST_BEHIND = 1_000;

/** The ledger is not the one that was read: nothing is concluded from it until a person says so. */
export class NetworkReset extends Error {
  override readonly name = 'NetworkReset';
}

/**
 * Refuses to read a network that was reset: same passphrase, ledger numbers from the beginning. It shows in a head far
 * below what was covered, in a head that is below it and yet closed later, or in another hash of a ledger that was
 * remembered. @throws NetworkReset
 */
export async function refuseReset(deps: Deps, head: Head, thorough: boolean): Promise<void> {
  const { db } = deps.database;
  const { highestLedger, highestTime, checkpoint } = await remembered(db);
  if (head.latestLedger < highestLedger - MOST_BEHIND) {
    await refuse(
      deps,
      `Horizon is at ledger ${head.latestLedger}, but ledger ${highestLedger} was read before`,
    );
  }
  // A node that lags shows an older time. Found only when a hash is compared, the new entry of an account would have
  // proven meanwhile that nothing had come on the old ledgers.
  if (head.latestLedger <= highestLedger && head.latestClosedAt > highestTime) {
    await refuse(
      deps,
      `Ledger ${head.latestLedger} closed at ${head.latestClosedAt.toISOString()}, but ledger ${highestLedger} was read before, of ${highestTime.toISOString()}`,
    );
  }
  if (!thorough) return;
  const hash = checkpoint === null ? null : await deps.source.ledgerHash(checkpoint.ledger);
  if (checkpoint !== null && hash !== null && hash !== checkpoint.hash) {
    await refuse(deps, `Ledger ${checkpoint.ledger} has another hash than it had`);
  }
  const newest = await deps.source.ledgerHash(head.latestLedger);
  if (newest !== null) await storeCheckpoint(db, head.latestLedger, newest);
}

async function refuse(deps: Deps, what: string): Promise<never> {
  const detail =
    `${what}: the network was reset, or HORIZON_URL leads to another one. Nothing is read, and no session ends. ` +
    'A network that was reset is read anew after `settle network accept-reset`.';
  await noteReset(deps.database.db, detail);
  throw new NetworkReset(detail);
}
