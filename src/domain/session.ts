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
  /** Set when *we* wrote the ending, with the ledger that proved it; an ending without it is not ours. */
  readonly closedThroughLedger: number | null;
  readonly metadata: unknown;
};

/** After this instant a payment is late: the session's own deadline, or its cancellation where that is earlier. */
export function effectiveDeadline(session: Pick<Session, 'expiresAt' | 'cancelAt'>): Date {
  const { expiresAt, cancelAt } = session;
  return cancelAt !== null && cancelAt < expiresAt ? cancelAt : expiresAt;
}

/** How a session ends that is short when its effective deadline is covered. Cancelled in the same instant is cancelled. */
export function endingOf(
  session: Pick<Session, 'expiresAt' | 'cancelAt'>,
): 'cancelled' | 'expired' {
  return session.cancelAt !== null && session.cancelAt <= session.expiresAt
    ? 'cancelled'
    : 'expired';
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
