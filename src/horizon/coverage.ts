/** What answers of Horizon prove about how far an account is read (DESIGN §6). */
import type { AccountEntries } from './source.ts';

/**
 * The last ledger in which something in this asset (`native`, or CODE:ISSUER) may have arrived at the account. An account
 * without the trustline can receive nothing; when the trustline was removed, the account's own entry was written. An
 * issuer takes its own asset back without any entry of its own being written: then the answer proves nothing.
 */
export function unchangedSince(entries: AccountEntries, asset: string): number {
  if (asset === 'native') return entries.accountModifiedLedger;
  if (asset.endsWith(`:${entries.account}`)) return Number.MAX_SAFE_INTEGER;
  return entries.trustlines.get(asset)?.lastModifiedLedger ?? entries.accountModifiedLedger;
}

/** A place in the ledger through which a reading is complete. */
export type Covers = { readonly throughLedger: number; readonly throughTime: Date };

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
