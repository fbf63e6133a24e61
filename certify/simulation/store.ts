/** What a schedule is played on: the model of PostgreSQL, or PostgreSQL. */
import type { LedgerPayment } from '../../src/domain/ledger-payment.ts';
import type { Death } from './schedule.ts';
import type { ToyEntries, ToyNode } from './toy-ledger.ts';

/** Where a page begins: behind a ledger, with a record that is known. */
export type ToyStart = { readonly afterLedger: number; readonly known: string };

/** A page of the account: the known record and what comes behind it, as far as the limit goes. */
export type ToyPage = {
  readonly start: ToyStart;
  /** Whether the node shows the known record. */
  readonly showsKnown: boolean;
  readonly payments: readonly LedgerPayment[];
  readonly isFull: boolean;
};

/** A session at the end, for the checks. */
export type FinalSession = {
  readonly id: string;
  readonly status: string;
  readonly cancelAt: Date | null;
  readonly expiresAt: Date;
  readonly closedThroughLedger: number | null;
  readonly paymentRows: readonly { amount: bigint; txHash: string }[];
  readonly events: readonly { id: string; type: string; body: string }[];
  readonly verdicts: ReadonlyMap<string, string | null>;
  readonly sequences: readonly { eventId: string; sequence: number; delivered: boolean }[];
};

/** What can be seen of a session in between. */
export type SeenSession = {
  /** How it has ended for good; null while it is open. */
  readonly ending: string | null;
  readonly cancelAt: Date | null;
};

/** One POST as the receiver has it. */
export type ToyPost = {
  readonly eventId: string;
  readonly body: string;
  readonly sequence: number;
  readonly accepted: boolean;
};

/**
 * Operations are started in the order of the schedule and go on side by side. Each resolves when its process is done, or
 * has died; a death is no error.
 */
export type Store = {
  readonly sessionIds: readonly string[];
  /** Notes which cancellations wait, then asks a node for its headers and dates them; follows what the backend wrote. */
  advance(ask: () => ToyNode): Promise<void>;
  /** The newest ledger of the chain. */
  newest(): Promise<number>;
  start(): Promise<ToyStart>;
  /** Stores a page, if it shows that it begins where it should. */
  storePage(page: ToyPage, death: Death): Promise<void>;
  /** Stores a ledger of the chain, if the node shows all of it. */
  storeWhole(sequence: number, node: ToyNode, death: Death): Promise<void>;
  /** Stores in which ledgers no entry moved, by asset. */
  storeUnmoved(entries: ToyEntries): Promise<void>;
  /** Ledgers up to this one that are not proven for an asset. */
  unproven(asset: 'native' | 'usdc', through: number): Promise<number[]>;
  settle(sessions: readonly number[], death: Death): Promise<void>;
  /** Stores the wish to cancel; the ledger is asked by `advance`. */
  requestCancel(session: number): Promise<void>;
  backendWrites(session: number, status: 'cancelled' | 'expired' | 'processing'): Promise<void>;
  /** Sends the first open delivery; the receiver accepts or not. */
  send(
    session: number,
    accepted: boolean,
    death: Death,
    received: (post: ToyPost) => void,
  ): Promise<void>;
  /** The sessions as whoever looks in between sees them. */
  seen(): Promise<SeenSession[]>;
  final(): Promise<FinalSession[]>;
  end(): Promise<void>;
};
