import { reached } from '../metrics/bounds.ts';
import type { AttentionKind } from '../domain/attention.ts';
import { assetKey } from '../domain/asset.ts';
import { eventBody, type EventFact } from '../domain/event.ts';
import { addJudged } from '../domain/judged-before.ts';
import { formatAmount } from '../domain/money.ts';
import { effectiveDeadline } from '../domain/session.ts';
import type { Decision } from '../domain/settle.ts';
import { isOver } from '../domain/terms.ts';
import type { GatheredFacts } from './facts.ts';
import { deliveryId, eventId, paymentId } from './ids.ts';
import { toStored } from './session-totals.ts';
import { MOST_ENDPOINTS, wants } from './subscribers.ts';
import { MADE_AGAIN } from './unsent-events.ts';

/** A session's facts and what was decided from them. */
export type Decided = { readonly facts: GatheredFacts; readonly decision: Decision };

/** All rows that a settle writes, as one JSON document: the parameter of its one writing statement. */
export function documentOf(changed: readonly Decided[]): object {
  return {
    sessions: changed.map(sessionRow),
    verdicts: changed.flatMap(verdictRows),
    totals: changed.flatMap(totalsRows),
    payments: changed.flatMap(paymentRows),
    events: changed.flatMap((c) => eventRows(c).map(({ event }) => event)),
    deliveries: changed.flatMap(deliveryRows),
    journal: changed.flatMap(journalRows),
    attention: changed.flatMap(attentionRows),
    gone: changed.flatMap(({ facts, decision }) =>
      decision.goneAttention.map((kind) => ({ subject: facts.session.id, kind })),
    ),
  };
}

/** Counts what of a session was bounded: its merchant's endpoints, and events about many payments. */
export function countBounds({ facts, decision: { newEvents } }: Decided): void {
  if (facts.hasMoreEndpoints && newEvents.length > 0) reached('endpoints');
  if (newEvents.some(({ fact }) => fact.startsWith('together:'))) reached('told_together');
}

function sessionRow({ facts, decision }: Decided) {
  const { session } = facts;
  // A row that is no session waits for its correction, not for a ledger.
  const over = facts.rowProblem !== null || isOver({ ...decision, legacy: decision.legacyEnding });
  return {
    id: session.id,
    status: decision.status,
    closed_through_ledger: decision.closedThroughLedger,
    final_deadline: decision.finalDeadline,
    processing_since: decision.processingSince,
    legacy: decision.legacyEnding ? true : null,
    payment_id: paymentRowId(facts, decision),
    settles_row: decision.settlesRow,
    left_alone: facts.rowProblem !== null,
    wake: needsRun(decision, over),
    merchant_id: session.merchantId,
    account: session.receivingAccount,
    asset: assetKey(session.asset),
    deadline: over ? null : effectiveDeadline(session),
  };
}

/** The live payment of a paid session: the one there is, or the one that is written now. */
function paymentRowId(facts: GatheredFacts, { newPayment }: Decision): string | null {
  if (newPayment !== null) return paymentId(facts.session.id, newPayment.txHash);
  return facts.paymentRowId;
}

/** A session that is over, and of which only old rows were put in order, needs no workflow. */
function needsRun({ newEvents, newAttention, goneAttention }: Decision, over: boolean): boolean {
  return !over || newEvents.length + newAttention.length + goneAttention.length > 0;
}

function verdictRows({ facts: { session }, decision }: Decided) {
  return decision.verdicts.map(({ payment, verdict, placedAfter }) => ({
    tx_hash: payment.txHash,
    op_index: payment.opIndex,
    sub_index: payment.subIndex,
    verdict,
    placed_after: placedAfter,
    session_id: verdict === 'ambiguous' || verdict === 'unmatched' ? null : session.id,
  }));
}

/** Totals of the judged payments, where they are too many to be read. */
function totalsRows({ facts: { session, rest, rowProblem }, decision }: Decided) {
  if (rest === undefined) return [];
  const { judgement, finalDeadline } = decision;
  const totals = rowProblem === null ? addJudged(rest.before, judgement) : rest.before;
  return [{ id: session.id, final_deadline: finalDeadline, totals: toStored(totals) }];
}

function paymentRows({ facts: { session }, decision: { newPayment } }: Decided) {
  if (newPayment === null) return [];
  return [
    {
      id: paymentId(session.id, newPayment.txHash),
      session_id: session.id,
      merchant_id: session.merchantId,
      tx_hash: newPayment.txHash,
      amount: formatAmount(newPayment.amount),
      asset_code: session.asset.code,
      asset_issuer: session.asset.issuer,
      sender_address: newPayment.sender,
      confirmed_at: newPayment.confirmedAt,
    },
  ];
}

function eventRows({ facts: { session }, decision }: Decided) {
  return decision.newEvents.map((fact) => {
    const id = eventId(session.id, fact.type, fact.fact);
    return {
      fact,
      event: {
        id,
        session_id: session.id,
        merchant_id: session.merchantId,
        type: fact.type,
        fact: fact.fact,
        body: eventBody(id, fact),
        occurred_at: fact.occurredAt,
      },
    };
  });
}

/** The backend's priorities: what says "paid" overtakes the rest in its reports. */
const PRIORITY: Record<EventFact['type'], number> = {
  'payment.confirmed': 1,
  'payment.exception': 2,
  'session.expired': 3,
  'session.cancelled': 3,
};

function deliveryRows(changed: Decided) {
  const { facts } = changed;
  return facts.subscribers.flatMap((subscriber) =>
    eventRows(changed)
      .filter(({ fact }) => wants(subscriber, fact.type))
      .map(({ fact, event }, index) => ({
        merchant_id: event.merchant_id,
        session_id: event.session_id,
        event: fact.type,
        payload: { event: fact.type, data: fact.data },
        delivery_id: deliveryId(event.id, subscriber.endpointId),
        sequence: (facts.lastSequence[subscriber.endpointId] ?? 0) + index + 1,
        priority: PRIORITY[fact.type],
        event_id: event.id,
        endpoint_id: subscriber.endpointId,
        fact: fact.fact,
      })),
  );
}

/** Events that are made although another writer has inserted one in their place. */
function madeAgain({ facts, decision }: Decided): EventFact[] {
  return decision.newEvents.filter(({ type, fact }) => facts.unsentEvents.has(`${type} ${fact}`));
}

type AttentionRow = { subject: string; kind: AttentionKind; detail: string };

function attentionRows(changed: Decided): AttentionRow[] {
  const { facts, decision } = changed;
  const { session, hasMoreEndpoints, answeredAttention } = facts;
  const rows: AttentionRow[] = decision.newAttention.map((a) => ({ subject: session.id, ...a }));
  for (const { type } of madeAgain(changed)) {
    const kind = 'event_not_of_facts';
    const detail = `Another writer inserted the event ${type} before its fact was so, without a delivery. The true event is sent.`;
    if (!answeredAttention.has(`${kind} ${detail}`)) {
      rows.push({ subject: session.id, kind, detail });
    }
  }
  if (hasMoreEndpoints && decision.newEvents.length > 0) {
    const detail = `The merchant has more than ${MOST_ENDPOINTS} active endpoints. The oldest ${MOST_ENDPOINTS} get events, the others get none.`;
    rows.push({ subject: session.merchantId, kind: 'too_many_endpoints', detail });
  }
  return rows;
}

function journalRows(changed: Decided) {
  const { session } = changed.facts;
  const again = madeAgain(changed).length === 0 ? [] : [sameStatus(changed)];
  return [...statusRows(changed), ...again.map((row) => ({ ...row, session_id: session.id }))];
}

function sameStatus({ decision: { status } }: Decided) {
  return {
    from_status: status,
    to_status: status,
    cause: MADE_AGAIN,
    ledger: null,
    actor: 'outbox',
  };
}

function statusRows({ facts: { session }, decision }: Decided) {
  const ended = decision.closedThroughLedger !== session.closedThroughLedger;
  if (decision.status === session.status && !ended) return [];
  return [
    {
      session_id: session.id,
      from_status: session.status,
      to_status: decision.status,
      cause: decision.cause,
      ledger: decision.closedThroughLedger ?? decision.judgement.completing?.ledger ?? null,
      actor: 'settle',
    },
  ];
}
