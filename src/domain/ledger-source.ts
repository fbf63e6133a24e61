/**
 * The ledger as this system reads it. Horizon is the one source today (src/horizon/source.ts). Each answer is either
 * evidence of its own (evidence.ts) or a hint: a hint may choose what is read next, and the database takes none.
 */
import type {
  AccountEntries,
  Decoded,
  HeaderRun,
  LedgerHeader,
  LedgerName,
  WholeLedger,
} from './evidence.ts';
import type { AccountPage, PageStart } from './account-page.ts';
import type { LedgerPayment, UndecodedRecord } from './ledger-payment.ts';

/** A hint: where the history of the node that answered stands. */
export type Head = {
  readonly latestLedger: number;
  readonly latestClosedAt: Date;
  readonly oldestLedger: number;
  readonly networkPassphrase: string;
  /** As the node calls itself, such as `28.0.1-9ad4b8c`; null when it does not say. */
  readonly horizonVersion: string | null;
};

/** A hint: one page of an account's payments, from wherever the node began it. */
export type PageHint = Decoded & {
  readonly nextCursor: string;
  /** How many records the page had, of whatever kind. */
  readonly records: number;
  /** Fewer than were asked for in the end, which may be fewer than the caller wanted: nothing lies behind them now. */
  readonly isLast: boolean;
};

/** A hint: a transaction as one node shows it, or that it does not. */
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
  | { readonly kind: 'not_found' };

/** Evidence: what one answer proves by itself. Null means that this node does not show it (now). */
export type LedgerEvidence = {
  /** The newest ledger of a node: where a chain begins that has no ledger yet. */
  newestLedger(): Promise<LedgerHeader>;
  /** Ledgers chained to `tip`, up to 199 at once. Null when the node does not show `tip`. @throws OtherChain */
  ledgersAfter(tip: LedgerName): Promise<HeaderRun | null>;
  /** `first` itself and ledgers chained to it backwards. Null when the node does not show it. @throws OtherChain */
  ledgersBefore(first: LedgerName): Promise<HeaderRun | null>;
  /** Null when the node does not know the account. */
  accountEntries(account: string): Promise<AccountEntries | null>;
  /** Everything a ledger of the chain moved into the accounts; null when the node does not show all of it. @throws MoreThanCounted */
  wholeLedger(header: LedgerHeader, accounts: ReadonlySet<string>): Promise<WholeLedger | null>;
  /** Payments of an account from where they were read; null when the page does not show that it begins there. */
  accountPage(account: string, start: PageStart, limit: number): Promise<AccountPage | null>;
};

/** Hints: what to read, never what is so. */
export type LedgerHints = {
  head(): Promise<Head>;
  /** A ledger's header as one node shows it now; null when it does not. */
  ledger(sequence: number): Promise<LedgerHeader | null>;
  /** The first ledger that one node shows from a number on, and nothing before it; null when it shows none. */
  firstLedgerFrom(sequence: number): Promise<LedgerHeader | null>;
  /** The paging token of the account's last record at or before the end of a ledger; null when there is none. */
  lastRecord(account: string, throughLedger: number): Promise<string | null>;
  /** The account's payments after the cursor, oldest first. An account that the node does not know is an empty page. */
  page(account: string, cursor: string, limit: number): Promise<PageHint>;
  /** A transaction by its outer or inner hash, with what it moved into the given accounts. */
  transaction(hash: string, accounts: ReadonlySet<string>): Promise<Found>;
};

/** Reading the ledger. Every method throws when it gets no answer: that says nothing about the ledger (P6). */
export type LedgerSource = LedgerEvidence & LedgerHints & { close(): Promise<void> };
