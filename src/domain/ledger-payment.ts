import type { Asset } from './asset.ts';
import type { Stroops } from './money.ts';

/** How the payer named the session: which part of the transaction carried the reference. */
export type ReferenceSource = 'muxed' | 'memo_id' | 'memo_text' | 'memo_hash' | 'memo_return';

/** The operations that can move an asset to a watched account, in Horizon's words. */
export type MovementType =
  | 'payment'
  | 'path_payment_strict_send'
  | 'path_payment_strict_receive'
  | 'create_account'
  | 'account_merge'
  | 'invoke_host_function';

/**
 * One movement of an asset into a watched account: a fact of the ledger that never changes.
 * Its key is (txHash, opIndex, subIndex). A transaction hash alone is not a key: one transaction has up
 * to 100 operations, and a contract call can move several balances.
 */
export type LedgerPayment = {
  /** The outer hash (64 lower-case hex): of the fee bump, where there is one. */
  readonly txHash: string;
  /** The hash of the transaction inside the fee bump; null where there is none. */
  readonly innerTxHash: string | null;
  /** Zero-based position of the operation in its transaction. */
  readonly opIndex: number;
  /** Zero for classic operations; the position among asset_balance_changes of a contract call. */
  readonly subIndex: number;
  /** Horizon's id of the operation (a TOID). Its order is the order of the ledger. */
  readonly operationId: string;
  /** The ledger's sequence number. */
  readonly ledger: number;
  /** When that ledger closed (whole seconds, UTC): the only time that decides what is late. */
  readonly closedAt: Date;
  readonly type: MovementType;
  /** The watched account (G…) that received it. */
  readonly account: string;
  /** Who paid: an M… address if the payer used one, else G…, or C… for a contract. */
  readonly sender: string;
  readonly asset: Asset;
  /** What was received, not what was sent: they differ in a path payment. */
  readonly amount: Stroops;
  /**
   * The canonical text that names a session on this account: a u64 in decimal (muxed id or memo id),
   * the memo's text, or 64 hex digits (memo hash or return). Null when the payer named nothing readable.
   */
  readonly reference: string | null;
  readonly referenceSource: ReferenceSource | null;
};

/** The key of a ledger payment as one text: `<outer tx hash>:<operation index>:<sub index>`. */
export function ledgerPaymentKey(
  p: Pick<LedgerPayment, 'txHash' | 'opIndex' | 'subIndex'>,
): string {
  return `${p.txHash}:${p.opIndex}:${p.subIndex}`;
}

/** A record of Horizon that concerns a watched account and that we could not read. Kept whole. */
export type UndecodedRecord = {
  /** Horizon's id of the record where it has one, else its paging token. */
  readonly operationId: string;
  readonly account: string;
  readonly ledger: number;
  /** The record as Horizon sent it (JSON text). */
  readonly raw: string;
  /** What could not be read, in words. */
  readonly problem: string;
};

const TX_HASH = /^[0-9a-f]{64}$/;

/** Whether the text is a transaction hash: 64 hex digits, lower case. */
export function isTxHash(text: string): boolean {
  return TX_HASH.test(text);
}
