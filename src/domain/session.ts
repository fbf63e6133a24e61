import type { Asset } from './asset.ts';
import type { Stroops } from './money.ts';

/** The existing backend's statuses; `pending` and `processing` are "open". */
export type SessionStatus = 'pending' | 'processing' | 'paid' | 'expired' | 'cancelled';

/** What a session asks for, and what was done to it: facts, except for `status`. */
export type Session = {
  readonly id: string;
  readonly merchantId: string;
  readonly price: Stroops;
  readonly asset: Asset;
  readonly receivingAccount: string;
  /** Memo or muxed id that names this session on its account; null on a broken old row. */
  readonly reference: string | null;
  /** What the database says now. An output of settle, never a reason for a decision on money. */
  readonly status: SessionStatus;
  readonly processingSince: Date | null;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  readonly cancelAt: Date | null;
  /** Set when *we* wrote the ending: the first ledger that closed after the deadline. An ending without it is not ours. */
  readonly closedThroughLedger: number | null;
  /** The effective deadline by which it was decided; null until it is over. Later edits of the deadline change nothing. */
  readonly finalDeadline: Date | null;
  /** JSON within the bounds of domain/metadata.ts; null where there is none, and where it is beyond them. */
  readonly metadata: unknown;
  /** Its metadata is beyond the bounds (a backend's own row): events say so instead of carrying it. */
  readonly metadataOmitted?: boolean;
};

/** What a session's deadline depends on. */
type Deadlines = Pick<Session, 'expiresAt' | 'cancelAt' | 'finalDeadline'>;

/** After this instant a payment is late: the session's own deadline, or its cancellation where that is earlier. */
export function effectiveDeadline({ expiresAt, cancelAt, finalDeadline }: Deadlines): Date {
  if (finalDeadline !== null) return finalDeadline;
  return cancelAt !== null && cancelAt < expiresAt ? cancelAt : expiresAt;
}

/** How a session ends that is short when its effective deadline is covered. Cancelled in the same instant is cancelled. */
export function endingOf(session: Deadlines): 'cancelled' | 'expired' {
  const { cancelAt } = session;
  return cancelAt !== null && cancelAt <= effectiveDeadline(session) ? 'cancelled' : 'expired';
}

/** Whether the session still takes payments, as its status says. */
export function isOpen(status: SessionStatus): boolean {
  return status === 'pending' || status === 'processing';
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Whether the text can be a session's or a merchant's id: a UUID in lower case, as PostgreSQL prints it. */
export function isUuid(text: string): boolean {
  return UUID.test(text);
}
