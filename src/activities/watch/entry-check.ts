import { ledgerHeaders } from '../../db/ledgers.ts';
import type { Db } from '../../db/connection.ts';
import type { AccountEntries, LedgerHeader } from '../../domain/evidence.ts';

/** An entry of a ledger this far from the chain's newest one is of another network, or of a node that was reset. */
const MOST_APART = 1_000;

/**
 * Whether an entry can be of the ledger that is read: near the chain, and last modified when the chain says that ledger
 * closed. An entry names no hash, and the same accounts exist on every network.
 */
export async function agreesWithChain(
  db: Db,
  { shown }: AccountEntries,
  newest: LedgerHeader,
): Promise<boolean> {
  const { asOfLedger, accountModifiedLedger, accountModifiedAt } = shown;
  if (Math.abs(asOfLedger - newest.sequence) > MOST_APART) return false;
  if (accountModifiedAt === null) return true;
  const [modified] = await ledgerHeaders(db, [accountModifiedLedger]);
  return modified === undefined || modified.closedAt.getTime() === accountModifiedAt.getTime();
}
