/** Endpoints: which rest and why, and a person's hand on them. */
import { sql } from 'drizzle-orm';
import type { Pool } from 'pg';
import { Refusal } from '../../domain/failure.ts';
import { BACK_IN_LINE } from '../attempts.ts';
import { storable } from '../../domain/text.ts';
import type { Db } from '../connection.ts';
import { merchantEndpointId } from '../ids.ts';
import { serializable } from '../serializable.ts';
import { writeDown, type By } from './decision.ts';
import { wakeSessions } from '../worklists.ts';

/** An endpoint as it stands. Times are ISO 8601. */
export type Endpoint = {
  readonly endpointId: string;
  readonly merchantId: string;
  readonly url: string;
  /** The events it asks for; empty: those that are sent by default. */
  readonly events: readonly string[];
  /** `inactive`: the backend has switched it off (`webhook_endpoints.is_active`). */
  readonly state: 'active' | 'paused' | 'disabled' | 'inactive';
  /** Failures in a row. */
  readonly failures: number;
  readonly pausedUntil: string | null;
  readonly disabledReason: string | null;
  /** Deliveries that wait for it. */
  readonly waiting: number;
  /** Until when events are signed with the secret before this one, too; null: its secret does not rotate. */
  readonly oldSecretUntil: string | null;
};

/**
 * The end of a pause without one. A far instant, not an infinite one: it is compared, printed and slept for like any
 * other, and Temporal's timers reach 292 years.
 */
export const UNTIL_RESUMED = new Date('2200-01-01T00:00:00Z');

/** Every endpoint there is: `webhook_endpoints`, and each merchant's `webhook_url` under its derived id. */
export async function endpoints(db: Db): Promise<Endpoint[]> {
  const { rows } = await db.execute<Row>(sql`
    SELECT w.id, w.merchant_id, w.url, w.events, w.is_active FROM webhook_endpoints w
    UNION ALL
    SELECT NULL, m.id, m.webhook_url, '[]', true FROM merchants m WHERE m.webhook_url IS NOT NULL
    ORDER BY merchant_id, url`);
  const found = rows.map((row) => ({ ...row, id: row.id ?? merchantEndpointId(row.merchant_id) }));
  const ids = sql.param(found.map(({ id }) => id));
  const { rows: states } = await db.execute<State>(sql`
    SELECT s.endpoint_id, s.consecutive_failures, s.disabled_reason, s.disabled_at IS NOT NULL AS disabled,
      CASE WHEN s.paused_until > now() THEN s.paused_until::text END AS paused_until,
      -- The old secret is not asked for: the read role does not see it. It is forgotten together with its time.
      CASE WHEN s.previous_secret_until > now() THEN s.previous_secret_until::text END AS old_secret_until
    FROM settlement.endpoint_state s WHERE s.endpoint_id = ANY(${ids}::uuid[])`);
  const { rows: lines } = await db.execute<{ endpoint_id: string; waiting: number }>(sql`
    SELECT endpoint_id, count(*)::int AS waiting FROM webhook_deliveries
    WHERE status IN ('pending', 'failed') AND endpoint_id IS NOT NULL GROUP BY endpoint_id`);
  const stateOf = new Map(states.map((state) => [state.endpoint_id, state]));
  const waitingFor = new Map(lines.map((line) => [line.endpoint_id, line.waiting]));
  return found.map((row) => toEndpoint(row, stateOf.get(row.id), waitingFor.get(row.id) ?? 0));
}

type Row = {
  id: string | null;
  merchant_id: string;
  url: string;
  events: string[];
  is_active: boolean;
};
type State = {
  endpoint_id: string;
  consecutive_failures: number;
  disabled_reason: string | null;
  disabled: boolean;
  paused_until: string | null;
  old_secret_until: string | null;
};

function toEndpoint(
  { id, merchant_id, url, events, is_active }: Row & { id: string },
  state: State | undefined,
  waiting: number,
): Endpoint {
  const pausedUntil = state?.paused_until ?? null;
  const isPaused = pausedUntil === null ? 'active' : 'paused';
  return {
    endpointId: id,
    merchantId: merchant_id,
    url,
    events,
    state: is_active ? (state?.disabled === true ? 'disabled' : isPaused) : 'inactive',
    failures: state?.consecutive_failures ?? 0,
    pausedUntil: iso(pausedUntil),
    disabledReason: state?.disabled_reason ?? null,
    waiting,
    oldSecretUntil: iso(state?.old_secret_until ?? null),
  };
}

function iso(text: string | null): string | null {
  return text === null ? null : new Date(text).toISOString();
}

/** One of them. @throws Refusal InvalidInput when there is none */
export async function findEndpoint(db: Db, endpointId: string): Promise<Endpoint> {
  const found = (await endpoints(db)).find((e) => e.endpointId === endpointId);
  if (found) return found;
  throw new Refusal(
    'InvalidInput',
    `There is no endpoint ${endpointId}. \`settle endpoint list\` shows the ids, also those of the merchants' webhook_url.`,
    'id',
  );
}

/**
 * Nothing more is sent to an endpoint until then (null: until it is resumed). What falls due waits in its order and
 * counts no attempt. Its failures in a row begin anew, and a POST in flight, whatever comes of it, neither ends this
 * pause nor counts as a failure. @throws Refusal InvalidInput
 */
export async function pauseEndpointBy(
  pool: Pool,
  endpointId: string,
  until: Date | null,
  by: By,
): Promise<Endpoint> {
  if (until !== null && !(until.getTime() > Date.now())) {
    throw new Refusal('InvalidInput', '--until must be an instant to come (ISO 8601).', 'until');
  }
  const { value } = await serializable(pool, async (tx) => {
    const before = await findEndpoint(tx, endpointId);
    await tx.execute(sql`
      INSERT INTO settlement.endpoint_state AS s (endpoint_id, merchant_id, paused_until, decisions)
      VALUES (${endpointId}, ${before.merchantId}, ${(until ?? UNTIL_RESUMED).toISOString()}, 1)
      ON CONFLICT (endpoint_id) DO UPDATE SET consecutive_failures = 0, paused_until = excluded.paused_until,
        decisions = s.decisions + 1`);
    const detail = { until: until?.toISOString() ?? null, before: standing(before) };
    await writeDown(tx, by, {
      action: 'endpoint paused',
      subject: `endpoint ${endpointId}`,
      detail,
    });
    return findEndpoint(tx, endpointId);
  });
  return value;
}

/**
 * Nothing more is sent to an endpoint, as if it had answered 410: what waits for it, and what comes, becomes a dead letter
 * until it is resumed. @throws Refusal InvalidInput
 */
export async function disableEndpointBy(pool: Pool, endpointId: string, by: By): Promise<Endpoint> {
  const { value } = await serializable(pool, async (tx) => {
    const before = await findEndpoint(tx, endpointId);
    await tx.execute(sql`
      INSERT INTO settlement.endpoint_state AS s (endpoint_id, merchant_id, disabled_at, disabled_reason, decisions)
      VALUES (${endpointId}, ${before.merchantId}, now(), ${storable(`By ${by.actor}: ${by.reason}`)}, 1)
      ON CONFLICT (endpoint_id) DO UPDATE SET disabled_at = now(), disabled_reason = excluded.disabled_reason,
        decisions = s.decisions + 1`);
    await writeDown(tx, by, {
      action: 'endpoint disabled',
      subject: `endpoint ${endpointId}`,
      detail: { before: standing(before) },
    });
    return findEndpoint(tx, endpointId);
  });
  return value;
}

/**
 * The endpoint is well again: pause, disabling and failures are forgotten, and what waits for it is due at once, its
 * schedule from the start; the sessions it waits in are woken and send it, each in its order. @throws Refusal InvalidInput
 */
export async function resumeEndpoint(pool: Pool, endpointId: string, by: By): Promise<Endpoint> {
  const { value } = await serializable(pool, async (tx) => {
    const before = await findEndpoint(tx, endpointId);
    if (before.state === 'active' && before.failures === 0) {
      throw new Refusal(
        'InvalidInput',
        `Endpoint ${endpointId} is neither paused nor disabled, and its last delivery did not fail.`,
        'id',
      );
    }
    await tx.execute(sql`
      UPDATE settlement.endpoint_state SET paused_until = NULL, disabled_at = NULL, disabled_reason = NULL,
        consecutive_failures = 0, decisions = decisions + 1 WHERE endpoint_id = ${endpointId}`);
    const { rows } = await tx.execute<{ id: string }>(sql`
      UPDATE webhook_deliveries SET ${BACK_IN_LINE}
      WHERE endpoint_id = ${endpointId} AND status IN ('pending', 'failed') AND session_id IS NOT NULL
      RETURNING session_id AS id`);
    await wakeSessions(tx, [...new Set(rows.map(({ id }) => id))]);
    const detail = { waiting: rows.length, before: standing(before) };
    await writeDown(tx, by, {
      action: 'endpoint resumed',
      subject: `endpoint ${endpointId}`,
      detail,
    });
    return findEndpoint(tx, endpointId);
  });
  return value;
}

function standing({ state, failures, pausedUntil, disabledReason }: Endpoint) {
  return { state, failures, pausedUntil, disabledReason };
}
