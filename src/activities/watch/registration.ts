import { oldestOpening, type Registration } from '../../db/watching.ts';
import type { Deps } from '../deps.ts';

/** The ledger, the database and this worker may disagree about the time by this much. */
const CLOCK_MARGIN_MS = 10_000;

/**
 * Where the reading of an account begins: at a ledger that surely closed before the opening of its oldest open
 * session, whoever made that, and before now. Coverage never reaches further back than this.
 */
export async function registrationAt(
  deps: Pick<Deps, 'database' | 'source'>,
  account: string,
): Promise<Registration> {
  const oldest = await oldestOpening(deps.database.db, account);
  const opening = Math.min(oldest?.getTime() ?? Number.POSITIVE_INFINITY, Date.now());
  const begin = await deps.source.ledgerClosedBefore(new Date(opening - CLOCK_MARGIN_MS));
  return {
    account,
    cursor: (BigInt(begin.sequence + 1) << 32n).toString(),
    fromLedger: begin.sequence,
    fromTime: begin.closedAt,
  };
}
