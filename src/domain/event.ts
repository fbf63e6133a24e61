/** Events: facts that merchants are told. The id and the bytes of an event derive from its fact, never from when it was sent. */
import { exceptionFact, exceptionsOf, type Exception, type Together } from './exceptions.ts';
import type { Judgement } from './judge.ts';
import { ledgerPaymentKey } from './ledger-payment.ts';
import { formatAmount, type Stroops } from './money.ts';
import { effectiveDeadline, endingOf, type Session } from './session.ts';

/** The events that exist. An endpoint that names none gets the first three. */
export type EventType =
  'payment.confirmed' | 'session.expired' | 'session.cancelled' | 'payment.exception';

/** What an endpoint gets that asks for nothing in particular, as the merchant's plain `webhook_url` does. */
export const DEFAULT_EVENTS: readonly EventType[] = [
  'payment.confirmed',
  'session.expired',
  'session.cancelled',
];

/** Something that became true of a session, and what merchants are told about it. */
export type EventFact = {
  readonly type: EventType;
  /** Names the fact within its session and type; with them it makes the event's id. */
  readonly fact: string;
  /** When it became true on the ledger: a close time or the effective deadline. */
  readonly occurredAt: Date;
  readonly data: Readonly<Record<string, unknown>>;
};

/** The payment that the session's `payments` row records. */
type RecordedPayment = {
  readonly txHash: string;
  readonly amount: bigint;
  readonly sender: string;
  readonly confirmedAt: Date;
};

/**
 * Every event that the state of a session calls for, in the order in which it is to be told. `exceptions`: those to tell,
 * where the payments are too many for the judgement to list them all.
 */
export function dueEvents(
  session: Session,
  judgement: Judgement,
  recorded: RecordedPayment | null,
  exceptions: readonly Exception[] = exceptionsOf(session, judgement, Infinity),
): EventFact[] {
  return [
    ...(session.status === 'paid' && recorded !== null ? [confirmedEvent(session, recorded)] : []),
    ...(session.status !== 'paid' && session.closedThroughLedger !== null
      ? [endedAt(session, session.closedThroughLedger, judgement)]
      : []),
    ...exceptions.map((e) => exceptionEvent(session, e)),
  ];
}

/**
 * The exact text that is signed, stored and sent. The first three keys are the existing backend's; `type` is what
 * the Standard Webhooks libraries look for.
 */
export function eventBody(id: string, { type, occurredAt, data }: EventFact): string {
  return JSON.stringify({ event: type, data, timestamp: occurredAt.toISOString(), type, id });
}

/** What is the same in every event of a session. */
function ofSession(session: Session): Record<string, unknown> {
  return { assetIssuer: session.asset.issuer, memo: session.reference, ...metadataOf(session) };
}

/** The metadata, or the word that it is too large to be carried; a key of its own, so that other events keep their bytes. */
function metadataOf({ metadata, metadataOmitted }: Session): Record<string, unknown> {
  return metadataOmitted === true ? { metadata: null, metadataOmitted } : { metadata };
}

/** `payment.confirmed`, of the payment that completed it. */
export function confirmedEvent(session: Session, recorded: RecordedPayment): EventFact {
  const overpaid = recorded.amount > session.price ? recorded.amount - session.price : 0n;
  return {
    type: 'payment.confirmed',
    fact: 'paid',
    occurredAt: recorded.confirmedAt,
    data: {
      sessionId: session.id,
      txHash: recorded.txHash,
      amount: formatAmount(recorded.amount),
      asset: session.asset.code,
      sender: recorded.sender,
      price: formatAmount(session.price),
      overpaid: formatAmount(overpaid),
      ...ofSession(session),
    },
  };
}

/** What counted when it ended. Money that is found or returned later changes no byte of what was told. */
function receivedBy(ending: number, { judged, before }: Judgement): Stroops {
  return judged
    .filter(({ verdict, placedAfter }) => verdict === 'credited' && (placedAfter ?? 0) < ending)
    .reduce((sum, { payment }) => sum + payment.amount, before?.everCredited ?? 0n);
}

function endedAt(session: Session, ending: number, judgement: Judgement): EventFact {
  return endedEvent(session, ending, receivedBy(ending, judgement));
}

/** `session.expired` or `session.cancelled`; `received` in stroops is what counted when the ledger `ending` closed. */
export function endedEvent(session: Session, ending: number, received: Stroops): EventFact {
  return {
    type: endingOf(session) === 'cancelled' ? 'session.cancelled' : 'session.expired',
    fact: 'ended',
    occurredAt: effectiveDeadline(session),
    data: {
      sessionId: session.id,
      price: formatAmount(session.price),
      received: formatAmount(received),
      asset: session.asset.code,
      closedThroughLedger: ending,
      ...ofSession(session),
    },
  };
}

/** `payment.exception`, of one held payment, or of all through it. */
export function exceptionEvent(session: Session, found: Exception): EventFact {
  const { payment, amount, reason, together } = found;
  return {
    type: 'payment.exception',
    fact: exceptionFact(ledgerPaymentKey(payment), found),
    occurredAt: payment.closedAt,
    data: {
      sessionId: session.id,
      reason,
      amount: formatAmount(amount),
      received: formatAmount(payment.amount),
      asset: payment.asset.code,
      assetIssuer: payment.asset.issuer,
      txHash: payment.txHash,
      operationIndex: payment.opIndex,
      sender: payment.sender,
      memo: session.reference,
      ...metadataOf(session),
      ...(together === null ? {} : { together: inJson(together) }),
    },
  };
}

function inJson({ payments, sums, furtherAssets }: Together) {
  return {
    payments,
    sums: sums.map(({ asset, amount, payments: count }) => ({
      asset: asset.code,
      assetIssuer: asset.issuer,
      amount: formatAmount(amount),
      payments: count,
    })),
    furtherAssets,
  };
}
