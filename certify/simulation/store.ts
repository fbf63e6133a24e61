/** What a schedule is played on: the model of PostgreSQL, or PostgreSQL. */
import type { LedgerPayment } from '../../src/domain/ledger-payment.ts';
import type { Death } from './schedule.ts';

/** A page of the account, as `storePage` takes it. */
export type ToyPage = {
  readonly cursor: string;
  readonly nextCursor: string;
  readonly payments: readonly LedgerPayment[];
  readonly covers: { readonly throughLedger: number; readonly throughTime: Date } | null;
};

/** A session at the end, for the checks. */
export type FinalSession = {
  readonly id: string;
  readonly status: string;
  readonly cancelAt: Date | null;
  readonly expiresAt: Date;
  readonly closedThroughLedger: number | null;
  readonly paymentRows: readonly { amount: bigint }[];
  readonly events: readonly { id: string; type: string; body: string }[];
  readonly verdicts: ReadonlyMap<string, string | null>;
  readonly sequences: readonly { eventId: string; sequence: number; delivered: boolean }[];
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
  cursor(): Promise<string>;
  /** The last ledger that is covered for an asset. */
  covered(asset: 'native' | 'usdc'): Promise<number>;
  storePage(page: ToyPage, death: Death): Promise<void>;
  storeFindings(payments: readonly LedgerPayment[], death: Death): Promise<void>;
  /** Rule (b): nothing was modified since `modified`, says a node that is at `through`. */
  extend(
    asset: 'native' | 'usdc',
    modified: number,
    through: { throughLedger: number; throughTime: Date },
  ): Promise<void>;
  settle(sessions: readonly number[], death: Death): Promise<void>;
  cancel(session: number, at: Date): Promise<void>;
  backendWrites(session: number, status: 'cancelled' | 'expired' | 'processing'): Promise<void>;
  /** Sends the first open delivery; the receiver accepts or not. */
  send(
    session: number,
    accepted: boolean,
    death: Death,
    received: (post: ToyPost) => void,
  ): Promise<void>;
  /** How each session has ended for good, as whoever looks in between sees it; null while it is open. */
  endings(): Promise<(string | null)[]>;
  final(): Promise<FinalSession[]>;
  end(): Promise<void>;
};
