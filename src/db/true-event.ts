/** The facts of one stored event, and what they make of it; domain/true-event.ts compares. */
import { sql } from 'drizzle-orm';
import type { EventType } from '../domain/event.ts';
import { TOLD_TOGETHER_UP_TO } from '../domain/exceptions.ts';
import { paymentOf, trueEvent, type EventEvidence } from '../domain/true-event.ts';
import type { Db } from './connection.ts';
import { eventId, merchantEndpointId } from './ids.ts';
import { toldBy, toldTogether } from './many-exceptions.ts';
import {
  INBOX_PAYMENT,
  parseStored,
  PAYMENTS_OF_SESSION,
  toInboxPayment,
  type RawPayment,
} from './inbox-payment.ts';
import { prepared } from './prepared.ts';
import {
  date,
  dateOrNull,
  RAW_SESSION,
  RAW_SESSION_METADATA,
  toSession,
  type RawSession,
} from './raw-session.ts';

/** What may be signed instead of what is stored; equal to it for every event that this system made. */
export type TrueEvent = {
  readonly id: string;
  readonly type: EventType;
  readonly body: string;
  readonly occurredAt: Date;
  readonly isAsStored: boolean;
};

/** A delivery, as far as it says what is sent to whom. */
export type ToDeliver = {
  readonly eventId: string;
  readonly sessionId: string;
  readonly merchantId: string;
  readonly endpointId: string;
};

/**
 * Up to so many ledger payments of a session are summed for one event: some 10 ms. A session has a handful; beyond that,
 * which only somebody who sends dust brings about, the sum that the payments row or the event names is believed where the
 * payment that it names is proven.
 */
const MOST_SUMMED = 10_000;

/**
 * What the facts make of a stored event; null when they make no such event, when it is not there, and when session, merchant
 * and endpoint do not belong together.
 */
export async function deriveEvent(db: Db, event: ToDeliver): Promise<TrueEvent | null> {
  const ofMerchant = event.endpointId === merchantEndpointId(event.merchantId);
  const [stored] = await STORED(db, { ...event, ofMerchant });
  if (stored === undefined) return null;
  const about = paymentOf(stored);
  const rows = await EVIDENCE(db, {
    sessionId: event.sessionId,
    madeAt: stored.made_at,
    txHash: about?.txHash ?? null,
    opIndex: about?.opIndex ?? null,
    subIndex: about?.subIndex ?? null,
  });
  const raw = rows[0]?.evidence;
  if (!raw) return null;
  const together = await togetherOf(db, event.sessionId, stored);
  try {
    const evidence = { ...toEvidence(raw, receivedOf(stored.body)), together };
    return trueEvent(stored, evidence, (type, fact) => eventId(event.sessionId, type, fact));
  } catch (error) {
    // Rows that hold what is no number or no date make no event.
    if (error instanceof RangeError || error instanceof SyntaxError) return null;
    throw error;
  }
}

/**
 * What may have been told together: by the payments that were in the inbox when the event was made, or by those of now, of
 * which some were stored in the same moment. Null where the event tells one payment, or sums up more than any event does.
 */
async function togetherOf(
  db: Db,
  sessionId: string,
  { type, fact, made_at }: Stored,
): Promise<EventEvidence['together']> {
  const told = type === 'payment.exception' ? toldBy(fact) : null;
  if (told === null || told.rank > TOLD_TOGETHER_UP_TO) return null;
  const then = await toldTogether(db, sessionId, told, made_at);
  const now = await toldTogether(db, sessionId, told);
  return [then, now].filter((found) => found !== null);
}

type Stored = {
  id: string;
  type: string;
  fact: string;
  body: string;
  made_at: string;
};

const STORED = prepared<Stored>(
  'stored event',
  sql`SELECT id, type, fact, body, created_at::text AS made_at FROM settlement.events
    WHERE id = ${sql.placeholder('eventId')} AND session_id = ${sql.placeholder('sessionId')}
      AND EXISTS (SELECT FROM checkout_sessions s
        WHERE s.id = ${sql.placeholder('sessionId')} AND s.merchant_id = ${sql.placeholder('merchantId')})
      AND (${sql.placeholder('ofMerchant')}::boolean OR EXISTS (SELECT FROM webhook_endpoints w
        WHERE w.id = ${sql.placeholder('endpointId')} AND w.merchant_id = ${sql.placeholder('merchantId')}))`,
);

type RawEvidence = RawSession & {
  row: {
    txHash: string;
    amount: string;
    sender: string;
    confirmedAt: string;
    isOlder: boolean;
    isProven: boolean;
  } | null;
  payment: RawPayment | null;
  sums: { summed: number; credited: string; placed: string; seen: string };
  endClosedAt: string | null;
};

const EVIDENCE = prepared<{ evidence: RawEvidence }>(
  'event evidence',
  sql`
    SELECT json_build_object(
      ${RAW_SESSION},
      'row', (SELECT json_build_object('txHash', p.tx_hash, 'amount', p.amount::text, 'sender', p.sender_address,
          'confirmedAt', p.confirmed_at, 'isOlder', p.created_at < n.created_at,
          'isProven', EXISTS (SELECT FROM settlement.ledger_payments l
            WHERE l.tx_hash = p.tx_hash AND l.session_id = s.id AND l.verdict = 'credited')
            OR EXISTS (SELECT FROM settlement.ledger_payments l
            WHERE l.inner_tx_hash = p.tx_hash AND l.session_id = s.id AND l.verdict = 'credited'))
        FROM payments p, settlement.network n WHERE p.session_id = s.id AND p.superseded_by IS NULL LIMIT 1),
      'payment', (SELECT ${INBOX_PAYMENT} FROM settlement.ledger_payments lp
        WHERE lp.tx_hash = ${sql.placeholder('txHash')} AND lp.op_index = ${sql.placeholder('opIndex')}::int
          AND (lp.sub_index = ${sql.placeholder('subIndex')}::int OR ${sql.placeholder('subIndex')}::int IS NULL)
          AND lp.session_id = s.id ORDER BY lp.sub_index LIMIT 1),
      'sums', (SELECT json_build_object('summed', count(*),
          'credited', coalesce(sum(few.amount), 0.0000000)::text,
          'placed', coalesce(sum(few.amount) FILTER (
            WHERE coalesce(few.placed_after, 0) < s.closed_through_ledger), 0.0000000)::text,
          'seen', coalesce(sum(few.amount) FILTER (
            WHERE few.seen_at <= ${sql.placeholder('madeAt')}::timestamptz), 0.0000000)::text)
        FROM (SELECT CASE WHEN lp.verdict = 'credited' THEN lp.amount ELSE 0.0000000 END AS amount,
          lp.placed_after, lp.seen_at FROM ${PAYMENTS_OF_SESSION} lp LIMIT ${sql.raw(String(MOST_SUMMED + 1))}) few),
      'endClosedAt', (SELECT l.closed_at FROM settlement.ledgers l WHERE l.sequence = s.closed_through_ledger)
    ) AS evidence
    FROM checkout_sessions s ${RAW_SESSION_METADATA}
    WHERE s.id = ${sql.placeholder('sessionId')}`,
);

function toEvidence(raw: RawEvidence, told: bigint | null): Omit<EventEvidence, 'together'> {
  const { row, payment, sums } = raw;
  const isSummed = sums.summed <= MOST_SUMMED;
  const session = toSession(raw);
  return {
    session,
    row:
      row === null
        ? null
        : {
            txHash: row.txHash,
            sender: row.sender,
            amount: parseStored(row.amount),
            confirmedAt: date(row.confirmedAt),
            isOlder: row.isOlder,
          },
    rowIsProven: row?.isProven === true,
    payment: payment === null ? null : toInboxPayment(payment),
    credited: isSummed ? parseStored(sums.credited) : null,
    receivedByEnd: isSummed
      ? [parseStored(sums.placed), parseStored(sums.seen)]
      : told !== null && told < session.price
        ? [told]
        : [],
    endClosedAt: dateOrNull(raw.endClosedAt),
  };
}

/** What an ending says that was received, in stroops; null when it says no amount. */
function receivedOf(body: string): bigint | null {
  try {
    const { data } = JSON.parse(body) as { data?: { received?: unknown } };
    const received = data?.received;
    return typeof received === 'string' && /^\d{1,25}\.\d{7}$/.test(received)
      ? parseStored(received)
      : null;
  } catch {
    return null;
  }
}
