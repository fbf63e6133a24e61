/**
 * The ledger as this system reads it. Horizon is the one source today (src/horizon/source.ts); Stellar RPC would be the next:
 * one file that gives the same answers. What matters is what each answer provably covers.
 */
import type { LedgerPayment, UndecodedRecord } from './ledger-payment.ts';

/** What a record, or a whole page, holds for the watched accounts. */
export type Decoded = {
  readonly payments: readonly LedgerPayment[];
  readonly undecoded: readonly UndecodedRecord[];
};

/** A place in the ledger through which a reading is complete. */
export type Covers = { readonly throughLedger: number; readonly throughTime: Date };

/** A ledger that has closed: a fact that never changes. */
export type ClosedLedger = { readonly sequence: number; readonly closedAt: Date };

/** Where a node's history stands. Two answers may come from two nodes: nothing is concluded from them together. */
export type Head = {
  readonly latestLedger: number;
  readonly latestClosedAt: Date;
  readonly oldestLedger: number;
  readonly networkPassphrase: string;
};

/** One page of an account's payments. */
export type Page = Decoded & {
  readonly nextCursor: string;
  /** How many records the page had, of whatever kind. */
  readonly records: number;
  readonly covers: Covers | null;
};

/** The ledger entries of an account, all of one moment. */
export type AccountEntries = {
  readonly account: string;
  /** The ledger this answer is of. */
  readonly asOfLedger: number;
  readonly accountModifiedLedger: number;
  /** By assetKey. */
  readonly trustlines: ReadonlyMap<string, { lastModifiedLedger: number; authorized: boolean }>;
  /** SEP-29: wallets refuse to pay it without a memo. */
  readonly memoRequired: boolean;
};

/** A transaction, or how far a node had read when it did not show it. */
export type Found =
  | {
      readonly kind: 'found';
      readonly successful: boolean;
      /** The outer hash, whichever was asked for. */
      readonly txHash: string;
      readonly innerTxHash: string | null;
      readonly ledger: number;
      readonly closedAt: Date;
      readonly payments: readonly LedgerPayment[];
      readonly undecoded: readonly UndecodedRecord[];
    }
  | { readonly kind: 'not_found'; readonly asOfLedger: number };

/** Reading the ledger. Every method throws when it gets no answer: that says nothing about the ledger (P6). */
export type LedgerSource = {
  head(): Promise<Head>;
  /** The account's payments after the cursor, oldest first. An account that the node does not know is an empty page. */
  page(account: string, cursor: string, limit: number): Promise<Page>;
  /** Null when the node does not know the account. */
  accountEntries(account: string): Promise<AccountEntries | null>;
  /** Null when the node does not have it. */
  ledger(sequence: number): Promise<ClosedLedger | null>;
  /** The hash of a ledger as the node says now, never from memory; null when the node does not have it. */
  ledgerHash(sequence: number): Promise<string | null>;
  /** A ledger that closed before the given time, not far from it; the node's oldest one if all closed later. */
  ledgerClosedBefore(time: Date): Promise<ClosedLedger>;
  /** Everything a ledger moved into the given accounts, read whole; null when the node does not have it. */
  ledgerPayments(sequence: number, accounts: ReadonlySet<string>): Promise<Decoded | null>;
  /** A transaction by its outer or inner hash, with what it moved into the given accounts. */
  transaction(hash: string, accounts: ReadonlySet<string>): Promise<Found>;
  close(): Promise<void>;
};

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
