import { sql, type SQL } from 'drizzle-orm';
import { headDueAt } from '../domain/delivery.ts';
import { problemOfRow, type SessionRowText } from '../domain/row-check.ts';
import { effectiveDeadline, type SessionStatus } from '../domain/session.ts';
import { PROCESSING_SHOWN_MS } from '../domain/settle.ts';
import { isOver, readInstant } from '../domain/terms.ts';
import type { Db } from './connection.ts';
import { PAYMENTS_OF_SESSION, somePayments } from './inbox-payment.ts';
import { confirmedWaits, firstAttemptAt, isOpen, openLines } from './lines.ts';
import { WITHOUT_SESSION } from './many-payments.ts';
import { over } from './predicates.ts';
import { prepared } from './prepared.ts';
import { ROW_TEXT } from './session-row.ts';
import { TOTALS_OF_SESSION } from './session-totals.ts';

/** A session as an operator wants to see it, and what is still to be done for it. */
export type StoredView = {
  readonly status: SessionStatus;
  readonly merchantId: string;
  readonly receivingAccount: string;
  readonly asset: string;
  readonly price: string;
  readonly credited: string;
  readonly deadline: Date;
  readonly cancelAt: Date | null;
  readonly closedThroughLedger: number | null;
  /** Paid, or ended: by us, or by an older backend whose ending stands. */
  readonly over: boolean;
  readonly paidBy: string | null;
  /** The first and the last few, in ledger order; all of them where they are few. */
  readonly payments: { payment: string; verdict: string }[];
  readonly paymentCount: number;
  /** The first and the last few, in the order of their making. */
  readonly deliveries: {
    deliveryId: string;
    event: string;
    status: string;
    attempts: number;
    nextAt: Date | null;
  }[];
  /** At most MOST_COUNTED. */
  readonly deliveryCount: number;
  readonly attention: string[];
  /** Deliveries that may be sent at `now`. */
  readonly due: number;
  /** The next instant at which something falls due; null when only a wake can change anything. */
  readonly nextLookAt: Date | null;
  readonly atRest: boolean;
};

type RawView = Omit<
  StoredView,
  'deadline' | 'cancelAt' | 'over' | 'deliveries' | 'due' | 'nextLookAt' | 'atRest'
> & {
  row: SessionRowText;
  legacy: boolean;
  expiresAt: string;
  cancelAt: string | null;
  finalDeadline: string | null;
  processingSince: string | null;
  wakeAfter: string | null;
  deliveries: {
    deliveryId: string;
    event: string;
    status: string;
    attempts: number;
    at: string | null;
  }[];
  /** The first open delivery at each endpoint. */
  heads: {
    event: string;
    at: string | null;
    firstAttemptAt: string | null;
    confirmedWaits: boolean;
    restsUntil: string | null;
  }[];
};

/** A view is written into the history with each look: it shows so many of the first and of the last. */
export const SHOWN_AT_EACH_END = 5;

/** What has no totals is counted up to this: webhooks of a session, and payments that wait for their judgement. */
const MOST_COUNTED = 1_000;

/**
 * Reads the view of a session as of `now`, and brings its work-list row in line: gone when the session is at rest,
 * else to be woken when the next thing is overdue by a minute (which only happens when its run was lost).
 * Null when there is no such session.
 */
export async function viewSession(
  db: Db,
  sessionId: string,
  now: Date,
): Promise<StoredView | null> {
  const rows = await READ(db, { sessionId });
  const raw = rows[0]?.view;
  if (!raw) return null;
  const view = toView(raw, now);
  const heads = raw.heads.map(({ at }) => new Date(at ?? now));
  await keepWorkList(db, sessionId, { atRest: view.atRest, heads }, raw.wakeAfter);
  return view;
}

const PAYMENTS_SHOWN = sql`(
  SELECT * FROM ${somePayments(null, { most: SHOWN_AT_EACH_END })} f
  UNION SELECT * FROM ${somePayments(null, { last: true, most: SHOWN_AT_EACH_END })} l)`;

const deliveriesShown = (order: SQL) => sql`(
  SELECT delivery_id, endpoint_id, event, status, attempts, next_retry_at, sequence, created_at
  FROM webhook_deliveries WHERE session_id = s.id AND event_id IS NOT NULL ORDER BY ${order} LIMIT ${SHOWN_AT_EACH_END})`;

const DELIVERIES_SHOWN = sql`(
  ${deliveriesShown(sql`sequence, created_at`)} UNION ${deliveriesShown(sql`sequence DESC, created_at DESC`)})`;

const READ = prepared<{ view: RawView }>(
  'view',
  sql`
    SELECT json_build_object(
      'status', s.status, 'merchantId', s.merchant_id, 'receivingAccount', s.receiving_account,
      'asset', concat_ws(':', s.asset_code, s.asset_issuer), 'price', s.amount::text,
      'expiresAt', s.expires_at, 'cancelAt', s.cancel_at, 'finalDeadline', s.final_deadline,
      'closedThroughLedger', s.closed_through_ledger, 'processingSince', s.processing_since,
      'wakeAfter', a.wake_after::text, 'legacy', s.legacy IS TRUE, 'row', ${ROW_TEXT},
      'credited', coalesce(known.totals->>'credited', (SELECT coalesce(sum(lp.amount), 0.0000000)::text
        FROM ${PAYMENTS_OF_SESSION} lp WHERE known.totals IS NULL AND lp.verdict = 'credited' AND lp.resolved_at IS NULL)),
      'paidBy', (SELECT p.tx_hash FROM payments p
        WHERE p.session_id = s.id AND p.superseded_by IS NULL LIMIT 1),
      'payments', (SELECT coalesce(json_agg(json_build_object(
          'payment', concat_ws(':', lp.tx_hash, lp.op_index, lp.sub_index),
          'verdict', coalesce(lp.verdict, 'undecided')) ORDER BY lp.operation_id, lp.sub_index), '[]')
        FROM ${PAYMENTS_SHOWN} lp),
      'paymentCount', CASE WHEN known.totals IS NULL THEN (SELECT count(*) FROM ${PAYMENTS_OF_SESSION} lp)
        ELSE (SELECT sum(n::bigint) FROM jsonb_each_text(known.totals->'counts') AS c(verdict, n))
          + (SELECT count(*) FROM (SELECT FROM ${WITHOUT_SESSION} LIMIT ${MOST_COUNTED}) w) END,
      'deliveries', (SELECT coalesce(json_agg(json_build_object('deliveryId', d.delivery_id,
          'event', d.event, 'status', d.status, 'attempts', d.attempts,
          'at', greatest(d.next_retry_at, e.paused_until)) ORDER BY d.sequence, d.created_at), '[]')
        FROM ${DELIVERIES_SHOWN} d LEFT JOIN settlement.endpoint_state e ON e.endpoint_id = d.endpoint_id),
      'deliveryCount', (SELECT count(*) FROM (SELECT FROM webhook_deliveries d
        WHERE d.session_id = s.id AND d.event_id IS NOT NULL LIMIT ${MOST_COUNTED}) counted),
      'heads', (SELECT coalesce(json_agg(json_build_object('event', d.event,
          'at', greatest(d.next_retry_at, e.paused_until), 'restsUntil', e.paused_until,
          'firstAttemptAt', ${firstAttemptAt('d')}, 'confirmedWaits', ${confirmedWaits('d')})), '[]')
        FROM ${openLines(sql`s.id`)} line
        CROSS JOIN LATERAL (SELECT * FROM webhook_deliveries o
          WHERE o.session_id = s.id AND o.endpoint_id = line.endpoint_id AND ${isOpen('o')}
          ORDER BY o.sequence, o.created_at LIMIT 1) d
        LEFT JOIN settlement.endpoint_state e ON e.endpoint_id = d.endpoint_id),
      'attention', (SELECT coalesce(json_agg(t.kind ORDER BY t.kind), '[]') FROM settlement.attention t
        -- What is wrong with the account holds back the ending of its open sessions.
        WHERE t.resolved_at IS NULL AND (t.subject = s.id::text
          OR (t.subject = s.receiving_account AND NOT ${over('s')})))
    ) AS view
    FROM checkout_sessions s LEFT JOIN settlement.active_sessions a ON a.session_id = s.id
    CROSS JOIN LATERAL (SELECT ${TOTALS_OF_SESSION} AS totals) known
    WHERE s.id = ${sql.placeholder('sessionId')}`,
);

function toView(raw: RawView, now: Date): StoredView {
  const { row, legacy, expiresAt, finalDeadline, processingSince, wakeAfter: _, ...shown } = raw;
  const { deliveries, heads, ...rest } = shown;
  const at = (text: string | null) => (text === null ? null : readInstant(text).at);
  const cancelAt = at(raw.cancelAt);
  const effective = effectiveDeadline({
    expiresAt: readInstant(expiresAt).at,
    cancelAt,
    finalDeadline: at(finalDeadline),
  });
  // Order is strict per endpoint: only the first open delivery of each can be due.
  const headTimes = heads.map(headTime);
  const over = isOver({ ...rest, legacy });
  // A row that is no session has nothing to wait for but its correction.
  const waits = !over && problemOfRow(row) === null;
  const next = [
    ...headTimes.filter((at) => at > now),
    ...(waits ? [effective] : []),
    ...(processingSince !== null && problemOfRow(row) === null
      ? [new Date(readInstant(processingSince).at.getTime() + PROCESSING_SHOWN_MS)]
      : []),
  ];
  return {
    ...rest,
    deadline: effective,
    cancelAt,
    over,
    deliveries: deliveries.map(({ deliveryId, event, status, attempts, at }) => ({
      deliveryId,
      event,
      status,
      attempts,
      nextAt: status === 'pending' || status === 'failed' ? new Date(at ?? now) : null,
    })),
    due: headTimes.filter((at) => at <= now).length,
    nextLookAt: next.length > 0 ? soonest(next) : null,
    atRest: !waits && heads.length === 0 && rest.attention.length === 0,
  };
}

/** Temporal's durations end at 292 years (int64 nanoseconds); a deadline may lie in the year 9999. */
const LATEST_LOOK = Date.UTC(2200, 0, 1);

function soonest(times: readonly Date[]): Date {
  return new Date(Math.min(LATEST_LOOK, ...times.map((at) => at.getTime())));
}

/** When something is to be done about the first of the open deliveries to one endpoint. */
function headTime(head: RawView['heads'][number]): Date {
  const { event, confirmedWaits, at, firstAttemptAt, restsUntil } = head;
  return headDueAt({
    event,
    at: new Date(at ?? 0),
    firstAttemptAt: firstAttemptAt === null ? null : new Date(firstAttemptAt),
    confirmedWaits,
    restsUntil: restsUntil === null ? null : new Date(restsUntil),
  });
}

/**
 * The row is changed only if nobody has asked for a wake since it was read: a settle that commits meanwhile sets
 * `wake_after`, and that wake must not be lost.
 */
async function keepWorkList(
  db: Db,
  sessionId: string,
  { atRest, heads }: { readonly atRest: boolean; readonly heads: readonly Date[] },
  seen: string | null,
): Promise<void> {
  const unchanged = sql`session_id = ${sessionId} AND wake_after IS NOT DISTINCT FROM ${seen}::timestamptz`;
  if (atRest) {
    await db.execute(sql`DELETE FROM settlement.active_sessions WHERE ${unchanged}`);
    return;
  }
  const first = Math.min(...heads.map((at) => at.getTime()));
  const overdue = heads.length > 0 ? new Date(first + 60_000).toISOString() : null;
  if (seen === null && overdue === null) return;
  await db.execute(sql`
    UPDATE settlement.active_sessions SET wake_after = greatest(${overdue}::timestamptz, CASE
      WHEN ${overdue}::timestamptz IS NOT NULL THEN now() + interval '1 minute' END)
    WHERE ${unchanged}`);
}
