import { sql, type SQL } from 'drizzle-orm';
import type { EventType } from '../domain/event.ts';
import type { SessionFacts } from '../domain/settle.ts';
import type { Coverage } from '../domain/coverage.ts';
import { problemOfRow, type SessionRowText } from '../domain/row-check.ts';
import type { Db } from './connection.ts';
import { ASSET_KEY, firstLedgerAfter, isHole, proven, readOnly, through } from './coverage.ts';
import { deadline, looksLikeSession } from './predicates.ts';
import { READ_WHOLE, withRest } from './many-payments.ts';
import { paymentRowFacts, type RawPaymentRow } from './payment-row.ts';
import { prepared } from './prepared.ts';
import {
  SUBSCRIBERS,
  toSubscribers,
  wants,
  type RawSubscribers,
  type Subscriber,
} from './subscribers.ts';
import { UNSENT_EVENTS } from './unsent-events.ts';
import {
  date,
  dateOrNull,
  RAW_SESSION,
  RAW_SESSION_METADATA,
  toSession,
  type RawSession,
} from './raw-session.ts';
import {
  INBOX_PAYMENT,
  PAYMENTS_OF_SESSION,
  toInboxPayment,
  type RawPayment,
} from './inbox-payment.ts';

/** The facts of a session, and what writing its events needs. */
export type GatheredFacts = SessionFacts & {
  readonly subscribers: readonly Subscriber[];
  /** Its merchant has more active endpoints than get events. */
  readonly hasMoreEndpoints: boolean;
  /** `type` and `fact` of those of `existingEvents` that no settle has made and that subscribers wait for. */
  readonly unsentEvents: ReadonlySet<string>;
  /** The id of the live `payments` row. */
  readonly paymentRowId: string | null;
  /** The last sequence number given out, by endpoint. */
  readonly lastSequence: Readonly<Record<string, number>>;
};

/**
 * How the facts are read: `locked` in a transaction that settles, whose planner has settings of its own; `whole` with all
 * payments, however many; `bare` without any.
 */
export type Reading = 'locked' | 'unlocked' | 'whole' | 'bare';

/**
 * Reads the facts of the given sessions in one statement, thus in one snapshot. An id without a session is left out.
 * Amounts cross as text: json would make floats of them.
 */
export async function gatherFacts(
  tx: Db,
  sessionIds: readonly string[],
  reading: Reading = 'unlocked',
): Promise<Map<string, GatheredFacts>> {
  const rows = await READ[reading](tx, { sessionIds });
  const gathered = new Map(rows.map(({ facts }) => [facts.id, toFacts(facts)]));
  if (reading === 'whole' || reading === 'bare') return gathered;
  for (const [id, facts] of gathered) {
    if (facts.payments.length <= READ_WHOLE) continue;
    const more = (await withRest(tx, facts)) ?? (await gatherFacts(tx, [id], 'whole')).get(id);
    if (more !== undefined) gathered.set(id, more);
  }
  return gathered;
}

const factsOf = (payments: SQL): SQL => sql`
    SELECT json_build_object(
      ${RAW_SESSION}, 'now', clock_timestamp(),
      'legacyEnding', s.legacy IS TRUE,
      'historyFrom', (SELECT n.history_from FROM settlement.network n),
      'payments', (SELECT json_agg(${INBOX_PAYMENT}) FROM ${payments} lp),
      'paymentRow', (
        SELECT json_build_object('txHash', p.tx_hash, 'amount', p.amount::text,
          'sender', p.sender_address, 'confirmedAt', p.confirmed_at, 'id', p.id,
          'settled', p.settled_at IS NOT NULL AND p.id IS NOT DISTINCT FROM s.payment_id,
          'legacy', p.created_at < n.created_at,
          'foreign', p.settled_at IS NULL AND p.created_at > n.adopted_at)
        FROM payments p, settlement.network n
        WHERE p.session_id = s.id AND p.superseded_by IS NULL LIMIT 1),
      'ambiguous', EXISTS (
        SELECT FROM checkout_sessions o
        WHERE o.receiving_account = s.receiving_account AND o.memo = s.memo AND o.id <> s.id
          AND ${looksLikeSession('o')}),
      'coverage', (
        SELECT json_build_object('openedAfter', s.opened_after, 'endLedger', over.ledger,
          'readThrough', ${through(sql`(sets.proven + sets.read)`, sql`s.opened_after`)},
          'provenThrough', ${through(sql`sets.proven`, sql`s.opened_after`)},
          'hasHole', EXISTS (SELECT FROM settlement.history_holes h WHERE h.account = s.receiving_account
            AND ${isHole(sql`h`)} AND h.ledgers && int8range(s.opened_after + 1, over.ledger) AND NOT sets.proven @> h.ledgers),
          'newestLedger', coalesce((SELECT max(le.sequence) FROM settlement.ledgers le), 0))
        FROM (SELECT ${proven(sql`s.receiving_account`, ASSET_KEY)} AS proven,
          ${readOnly(sql`s.receiving_account`)} AS read) sets
        WHERE s.opened_after IS NOT NULL),
      'undecoded', EXISTS (
        SELECT FROM settlement.parked_records r WHERE r.account = s.receiving_account
          AND r.resolved_at IS NULL AND r.ledger < coalesce(over.ledger, r.ledger + 1)),
      'reportedAt', (
        SELECT max(r.first_at) FROM settlement.reported_payments r
        WHERE r.session_id = s.id AND r.answered_at IS NULL),
      'everReported', EXISTS (
        SELECT FROM settlement.reported_payments r WHERE r.session_id = s.id),
      'events', (
        SELECT json_agg(e.told) FROM (
          SELECT e.type || ' ' || e.fact AS told FROM settlement.events e WHERE e.session_id = s.id
          UNION ALL
          -- A payment.confirmed that an older backend has put into its queue is that event.
          SELECT 'payment.confirmed paid' FROM webhook_deliveries d
          WHERE d.session_id = s.id AND d.event_id IS NULL AND d.event = 'payment.confirmed') e),
      'attention', (
        SELECT json_agg(json_build_object('kind', a.kind, 'detail', a.detail,
          'open', a.resolved_at IS NULL)) FROM settlement.attention a
        WHERE a.subject = s.id::text AND a.resolved_by IS DISTINCT FROM 'settle'),
      ${SUBSCRIBERS},
      'unsent', ${UNSENT_EVENTS},
      'sequences', (
        SELECT json_object_agg(q.endpoint_id, q.last) FROM (
          SELECT endpoint_id, max(sequence) AS last FROM webhook_deliveries
          WHERE session_id = s.id AND endpoint_id IS NOT NULL GROUP BY endpoint_id) q)
    ) AS facts
    FROM checkout_sessions s
    LEFT JOIN LATERAL (SELECT ${firstLedgerAfter(deadline('s'), sql`s.opened_after`)} AS ledger) over ON true
    ${RAW_SESSION_METADATA}
    -- Behind a SELECT, how many they are is no reason to plan anew.
    WHERE s.id = ANY((SELECT ${sql.placeholder('sessionIds')}::uuid[])::uuid[]) ORDER BY s.id`;

/** One more than are read whole shows that there are too many. */
const FEW = factsOf(
  sql`(SELECT * FROM ${PAYMENTS_OF_SESSION} p LIMIT ${sql.raw(String(READ_WHOLE + 1))})`,
);

const READ = {
  locked: prepared<{ facts: RawFacts }>('facts locked', FEW),
  unlocked: prepared<{ facts: RawFacts }>('facts', FEW),
  whole: prepared<{ facts: RawFacts }>('facts whole', factsOf(PAYMENTS_OF_SESSION)),
  bare: prepared<{ facts: RawFacts }>(
    'facts bare',
    factsOf(sql`(SELECT * FROM settlement.ledger_payments WHERE false)`),
  ),
};

type RawFacts = RawSession &
  RawSubscribers & {
    now: string;
    payments: RawPayment[] | null;
    legacyEnding: boolean;
    historyFrom: string | null;
    paymentRow: RawPaymentRow | null;
    ambiguous: boolean;
    coverage: Coverage | null;
    undecoded: boolean;
    reportedAt: string | null;
    everReported: boolean;
    events: string[] | null;
    attention: { kind: string; detail: string; open: boolean }[] | null;
    unsent: string[] | null;
    sequences: Record<string, number> | null;
  };

function rowText(raw: RawFacts): SessionRowText {
  return { ...raw, payment: raw.paymentRow };
}

/** An event (`type` and `fact`) that some endpoint would get. */
function isAwaited(event: string, subscribers: readonly Subscriber[]): boolean {
  const type = event.slice(0, event.indexOf(' ')) as EventType;
  return subscribers.some((subscriber) => wants(subscriber, type));
}

function toFacts(raw: RawFacts): GatheredFacts {
  const attention = raw.attention ?? [];
  const subscribers = toSubscribers(raw);
  const unsent = new Set((raw.unsent ?? []).filter((event) => isAwaited(event, subscribers)));
  return {
    session: toSession(raw),
    rowProblem: problemOfRow(rowText(raw)),
    payments: (raw.payments ?? []).map(toInboxPayment),
    ...paymentRowFacts(raw.paymentRow),
    legacyEnding: raw.legacyEnding,
    historyFrom: dateOrNull(raw.historyFrom),
    ambiguous: raw.ambiguous,
    coverage: raw.coverage,
    undecoded: raw.undecoded,
    reportedAt: dateOrNull(raw.reportedAt),
    everReported: raw.everReported,
    existingEvents: new Set(raw.events),
    openAttention: new Set(attention.filter((a) => a.open).map((a) => a.kind)),
    answeredAttention: new Set(
      attention.filter((a) => !a.open).map((a) => `${a.kind} ${a.detail}`),
    ),
    now: date(raw.now),
    subscribers,
    hasMoreEndpoints: raw.hasMoreEndpoints,
    unsentEvents: unsent,
    lastSequence: raw.sequences ?? {},
  };
}
