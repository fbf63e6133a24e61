/**
 * Whether a stored event is what its facts make: asked before it is signed. Whoever may write the outbox must not be able to
 * have anything signed. The facts are the few rows that the event is about, so that it costs the same beside any number of
 * payments. The audit asks the same of everything, by code of its own. Pure.
 */
import {
  confirmedEvent,
  endedEvent,
  eventBody,
  exceptionEvent,
  type EventFact,
  type EventType,
} from './event.ts';
import type { JudgedException } from './exceptions.ts';
import type { HeldReason } from './held.ts';
import type { InboxPayment } from './judge.ts';
import { ledgerPaymentKey } from './ledger-payment.ts';
import type { Stroops } from './money.ts';
import { effectiveDeadline, type Session } from './session.ts';
import type { PaymentRow } from './settle.ts';

/** An event as it is stored. */
export type StoredEvent = {
  readonly id: string;
  readonly type: string;
  readonly fact: string;
  readonly body: string;
};

/** What the ledger and the session say of one event. Sums are in stroops. */
export type EventEvidence = {
  readonly session: Session;
  /** The live row of `payments`. */
  readonly row: (PaymentRow & { readonly isOlder: boolean }) | null;
  /** A credited ledger payment of the session has the row's transaction. */
  readonly rowIsProven: boolean;
  /** The ledger payment that an exception is about; null when the session has none of this name. */
  readonly payment: InboxPayment | null;
  /** What the event may tell together; null where it tells one payment, or too many to be summed up again. */
  readonly together: readonly JudgedException[] | null;
  /** What was ever credited; null where the payments are too many to be summed for one event. */
  readonly credited: Stroops | null;
  /** What may have been credited when the session ended: as placed, and as seen by then. Empty likewise. */
  readonly receivedByEnd: readonly Stroops[];
  /** When the ledger closed that proves the ending; null when it is not in the chain any more. */
  readonly endClosedAt: Date | null;
};

/**
 * The event that the facts make under the stored one's type and fact: with the stored bytes where these are right. Null
 * when the facts make no such event. Ids are given by `idOf`.
 */
export function trueEvent(
  stored: StoredEvent,
  evidence: EventEvidence,
  idOf: (type: EventType, fact: string) => string,
): { id: string; type: EventType; body: string; occurredAt: Date; isAsStored: boolean } | null {
  const events = possible(stored, evidence).map((event) => {
    const id = idOf(event.type, event.fact);
    const body = eventBody(id, event);
    return { id, type: event.type, body, occurredAt: event.occurredAt };
  });
  const same = events.find(
    ({ id, body }) => id === stored.id && withMetadataOf(stored.body, body) === stored.body,
  );
  if (same !== undefined) return { ...same, body: stored.body, isAsStored: true };
  const [first] = events;
  return first === undefined ? null : { ...first, isAsStored: false };
}

function possible(stored: StoredEvent, evidence: EventEvidence): EventFact[] {
  const { type, fact } = stored;
  if (type === 'payment.confirmed' && fact === 'paid') return confirmations(evidence);
  if (type === 'payment.exception') return exceptions(stored, evidence);
  if (fact === 'ended') return endings(evidence).filter((event) => event.type === type);
  return [];
}

/** A row that is older than this system stands for itself; any other needs its money on the ledger. */
function confirmations({ session, row, rowIsProven, credited }: EventEvidence): EventFact[] {
  if (session.status !== 'paid' || row === null) return [];
  const isBacked = rowIsProven && (credited === null || row.amount <= credited);
  return row.isOlder || isBacked ? [confirmedEvent(session, row)] : [];
}

/** An ending stands when money is found after it: the session may be paid by now. */
function endings({ session, endClosedAt, receivedByEnd }: EventEvidence): EventFact[] {
  const { closedThroughLedger } = session;
  if (closedThroughLedger === null) return [];
  if (endClosedAt !== null && endClosedAt <= effectiveDeadline(session)) return [];
  return receivedByEnd.map((received) => endedEvent(session, closedThroughLedger, received));
}

function exceptions({ fact, body }: StoredEvent, evidence: EventEvidence): EventFact[] {
  const { session, payment, row, together: sums } = evidence;
  if (sums !== null) {
    return sums
      .filter(({ reason, amount, payment: last }) =>
        amountsHeld(reason, session, last, row).includes(amount),
      )
      .map((found) => exceptionEvent(session, found));
  }
  if (payment === null) return [];
  const [, reason = ''] = /^together:([a-z_]+):\d+$/.exec(fact) ?? /:([a-z_]+)$/.exec(fact) ?? [];
  return amountsHeld(reason, session, payment, row).map((amount): EventFact => {
    const event = exceptionEvent(session, {
      payment,
      amount,
      reason: reason as HeldReason,
      together: null,
    });
    if (fact === `${ledgerPaymentKey(payment)}:${reason}`) return event;
    // So many payments are not summed up again: what it says of the last one is.
    const together = dataOf(body)['together'];
    return { ...event, fact, data: { ...event.data, together } };
  });
}

/** What can be held of a payment for a reason: nothing when the reason does not hold. */
function amountsHeld(
  reason: string,
  { price, closedThroughLedger }: Session,
  { verdict, amount }: InboxPayment,
  row: EventEvidence['row'],
): Stroops[] {
  if (reason === 'underpaid') {
    return verdict === 'credited' && closedThroughLedger !== null ? [amount] : [];
  }
  if (reason === 'overpaid') {
    if (verdict !== 'credited' || row === null) return [];
    return [amount, row.amount - price].filter((held) => held > 0n && held <= amount);
  }
  return reason === verdict && reason !== 'ambiguous' && reason !== 'unmatched' ? [amount] : [];
}

/** Metadata is the backend's, which may change it later: the event keeps what it was when the fact became true. */
function withMetadataOf(stored: string, right: string): string {
  const told = dataOf(stored);
  const event = JSON.parse(right) as { data: Record<string, unknown> };
  const { metadataOmitted: _, ...data } = event.data;
  const carried = Object.hasOwn(told, 'metadataOmitted')
    ? { metadata: null, metadataOmitted: true }
    : { metadata: told['metadata'] };
  return JSON.stringify({ ...event, data: withCarried(data, carried) });
}

/** `together` comes behind the metadata. */
function withCarried(data: Record<string, unknown>, carried: Record<string, unknown>) {
  const { together, ...rest } = data;
  return { ...rest, ...carried, ...(together === undefined ? {} : { together }) };
}

function dataOf(body: string): Record<string, unknown> {
  try {
    const { data } = JSON.parse(body) as { data: unknown };
    return typeof data === 'object' && data !== null ? (data as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** The key of the payment that an exception is about, as far as its fact or its body names it. */
export function paymentOf({ type, fact, body }: StoredEvent): {
  readonly txHash: string;
  readonly opIndex: number;
  /** Null: any. */
  readonly subIndex: number | null;
} | null {
  if (type !== 'payment.exception') return null;
  const [, txHash, opIndex, subIndex] =
    /^([0-9a-f]{64}):(\d{1,9}):(\d{1,9}):[a-z_]+$/.exec(fact) ?? [];
  if (txHash !== undefined) return { txHash, opIndex: Number(opIndex), subIndex: Number(subIndex) };
  const { txHash: hash, operationIndex } = dataOf(body);
  if (!fact.startsWith('together:') || typeof hash !== 'string') return null;
  if (typeof operationIndex !== 'number' || !Number.isInteger(operationIndex)) return null;
  return operationIndex >= 0 && operationIndex < 2 ** 31
    ? { txHash: hash, opIndex: operationIndex, subIndex: null }
    : null;
}
