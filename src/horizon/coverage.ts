/** What a page of Horizon proves about how far an account is read (DESIGN §6 a). */
import type { Covers } from '../domain/ledger-source.ts';

/**
 * What a page proves. A record of ledger L shows that the node has everything before L (one answer, one node, ledgers are
 * ingested whole). A page that is not full is the end of what the node has, so it proves L, too. An empty page proves
 * nothing: it does not say up to where the node has read.
 */
export function pageProves(
  last: { readonly ledger: number; readonly closedAt: Date } | null,
  isFull: boolean,
): Covers | null {
  if (last === null) return null;
  if (!isFull) return { throughLedger: last.ledger, throughTime: last.closedAt };
  // Close times are whole seconds and grow with every ledger (stellar-core, closeTime rules).
  return {
    throughLedger: last.ledger - 1,
    throughTime: new Date(last.closedAt.getTime() - 1000),
  };
}
