/**
 * Events as the audit makes them: their facts, keys and bytes, written anew without the code that made the stored ones
 * (domain/event.ts, domain/exceptions.ts). docs/events.md is what both follow. Pure.
 */
import { deadlineOf, endingName, ONE_BY_ONE } from './audit-fold.ts';
import { ledgerPaymentKey, type LedgerPayment } from './ledger-payment.ts';
import { formatAmount, type Stroops } from './money.ts';
import type { Session } from './session.ts';

/** What an endpoint gets that names no events. */
export const DEFAULT_EVENTS: readonly string[] = [
  'payment.confirmed',
  'session.expired',
  'session.cancelled',
];

/** An event by its name within the session, when it became true, and what it says. */
export type EventFact = {
  readonly type:
    'payment.confirmed' | 'session.expired' | 'session.cancelled' | 'payment.exception';
  readonly fact: string;
  readonly occurredAt: Date;
  readonly data: Readonly<Record<string, unknown>>;
};

/** The payment by which a session is paid. `amount` is the credited sum, in stroops. */
export type Recorded = {
  readonly txHash: string;
  readonly amount: Stroops;
  readonly sender: string;
  readonly confirmedAt: Date;
};

/** A held payment that is told; `together` is what an event says of all of its reason up to it, null for one by itself. */
export type Told = {
  readonly payment: LedgerPayment;
  readonly amount: Stroops;
  readonly reason: string;
  readonly together: Readonly<Record<string, unknown>> | null;
};

/** The text of an event. */
export function eventBody(id: string, { type, occurredAt, data }: EventFact): string {
  const timestamp = occurredAt.toISOString();
  return JSON.stringify({ event: type, data, timestamp, type, id });
}

/** That the session was paid. */
export function confirmedEvent(session: Session, recorded: Recorded): EventFact {
  const { txHash, amount, sender, confirmedAt: occurredAt } = recorded;
  const surplus = amount - session.price;
  const data = {
    sessionId: session.id,
    txHash,
    amount: formatAmount(amount),
    asset: session.asset.code,
    sender,
    price: formatAmount(session.price),
    overpaid: formatAmount(surplus < 0n ? 0n : surplus),
    assetIssuer: session.asset.issuer,
    ...ofSession(session),
  };
  return { type: 'payment.confirmed', fact: 'paid', occurredAt, data };
}

/** That the session ended short, proven by ledger `end`; `received` is what counted until then. */
export function endedEvent(session: Session, end: number, received: Stroops): EventFact {
  const data = {
    sessionId: session.id,
    price: formatAmount(session.price),
    received: formatAmount(received),
    asset: session.asset.code,
    closedThroughLedger: end,
    assetIssuer: session.asset.issuer,
    ...ofSession(session),
  };
  const type = endingName(session) === 'cancelled' ? 'session.cancelled' : 'session.expired';
  return { type, fact: 'ended', occurredAt: deadlineOf(session), data };
}

/** That money is held. */
export function exceptionEvent(session: Session, told: Told): EventFact {
  const { payment, amount, reason, together } = told;
  const { asset, txHash, opIndex, sender, closedAt: occurredAt } = payment;
  const count = together?.['payments'];
  const data = {
    sessionId: session.id,
    reason,
    amount: formatAmount(amount),
    received: formatAmount(payment.amount),
    asset: asset.code,
    assetIssuer: asset.issuer,
    txHash,
    operationIndex: opIndex,
    sender,
    ...ofSession(session),
    ...(together === null ? {} : { together }),
  };
  const fact =
    typeof count === 'number'
      ? `together:${reason}:${count}`
      : `${ledgerPaymentKey(payment)}:${reason}`;
  return { type: 'payment.exception', fact, occurredAt, data };
}

function ofSession({ reference, metadata, metadataOmitted }: Session): Record<string, unknown> {
  if (metadataOmitted === true) return { memo: reference, metadata: null, metadataOmitted: true };
  return { memo: reference, metadata };
}

/** The last place at which payments of one reason are summed up. */
const LAST_SUM = 20_481;

/** The places in ledger order, counted from 1, at which payments of one reason are summed up: 21, 41, 81, … 20,481. */
export function ranksToldTogether(payments: number): number[] {
  const ranks: number[] = [];
  const most = Math.min(payments, LAST_SUM);
  for (let rank = ONE_BY_ONE + 1; rank <= most; rank = 2 * rank - 1) ranks.push(rank);
  return ranks;
}

/** How many payments were told one by one, by reason, among names written as `type fact`. */
export function countToldOneByOne(names: Iterable<string>): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) {
    const [type, fact = ''] = name.split(' ');
    const [hash = '', , , reason, more] = fact.split(':');
    if (type !== 'payment.exception' || hash.length !== 64) continue;
    if (reason === undefined || more !== undefined) continue;
    counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  return counts;
}
