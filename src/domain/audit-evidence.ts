/** What the audit knows of a session besides its own rows, and what it lets pass, by name. */
import type { Ledgers } from './audit-intervals.ts';
import type { SessionFacts } from './settle.ts';

/** What the chain and the coverage say about a session. Read by db/audit-evidence.ts, without the product's SQL. */
export type LedgerEvidence = {
  /** The ledger after which the session was opened; null: never dated. */
  readonly openedAfter: number | null;
  /** A version that keeps a chain has taken the session into account while it was open. */
  readonly isTaken: boolean;
  /** Proven for its account and asset: endings rest on it. */
  readonly proven: Ledgers;
  /** Read with or without proof. */
  readonly read: Ledgers;
  /** Ledgers that no node shows. */
  readonly holes: Ledgers;
  /** Coverage of earlier ledgers may have been forgotten once the session was over. */
  readonly keptFrom: number;
  /** The first ledger of the chain that is kept; null without a chain. */
  readonly chainFrom: number | null;
  /** The first ledger of the chain that closed after the effective deadline; null while there is none. */
  readonly firstAfterDeadline: number | null;
  /** When the ledger that the ending names closed, and the one before it; null where the chain lacks it. */
  readonly endClosedAt: Date | null;
  readonly beforeEndClosedAt: Date | null;
  /** The lowest ledger of an unresolved record of the account; null without one. */
  readonly parkedFrom: number | null;
  /** When the ending was written; null without an entry of the journal that names its ledger. */
  readonly endedAt: Date | null;
  /** The ending, and payments, of before a reset of the network that an operator accepted: their ledgers are gone. */
  readonly resetAt: Date | null;
  /** Settle made the payments row: its id derives from the session and the transaction. */
  readonly isOwnRow: boolean;
  /** The backend edited the row after the session was decided, and a person was asked. */
  readonly isEditedSince: boolean;
};

/**
 * Everything by which a session is audited, but its payments: they come one after the other. The product's own reading of
 * its coverage is left out.
 */
export type Audited = Omit<SessionFacts, 'coverage' | 'undecoded' | 'payments' | 'rest'> & {
  readonly ledger: LedgerEvidence;
  /** The running totals that settling has kept of its payments; null where none are in force. */
  readonly totals: unknown;
};

/** What the audit lets pass, in a few words each. Each is counted and listed: a reader may judge otherwise. */
export const EXCUSES = {
  placed: 'payments that count behind a later ledger than their own, since they were found late',
  assigned: 'payments that an operator gave to a session, credited whatever was read by then',
  older_row: 'payments credited because the payments row of an older backend names them',
  legacy_row:
    'sessions paid by a payments row of before adoption, whose price the ledger need not show',
  with_a_person: 'sessions that an older backend calls paid without evidence: a person is asked',
  legacy_ending: 'endings of before adoption, which stand by their row alone',
  earlier_version: 'verdicts and endings of versions that kept no chain of ledgers',
  before_reset: 'verdicts and endings of before an accepted reset of the network',
  found_after_ending: 'on-time payments that came into the inbox after the ending was written',
  edited:
    'what no longer agrees with a session that the backend edited after it was judged: a person is asked',
  forgotten:
    'verdicts and endings whose headers or coverage are so old that they are no longer kept',
  hole: 'payments credited behind ledgers that no node shows',
  returned:
    'paid sessions of which credited money was returned: the sum of then is not computed again',
  later_end:
    'endings named by a later ledger than the first after their deadline, since the chain began there',
} as const satisfies Record<string, string>;

/** A reason for which the audit lets something pass. */
export type ExcuseReason = keyof typeof EXCUSES;

/** Something that would break a promise if its reason did not excuse it. */
export type Excuse = { readonly reason: ExcuseReason; readonly problem: string };
