/** Webhooks that an older backend has left open become deliveries of our events, under their old ids. */
import { asc, inArray, sql } from 'drizzle-orm';
import type { Pool } from 'pg';
import { dueEvents, eventBody, type EventFact } from '../domain/event.ts';
import { effectiveDeadline, isOpen } from '../domain/session.ts';
import { decide } from '../domain/settle.ts';
import { storable } from '../domain/text.ts';
import { isOver } from '../domain/terms.ts';
import { gatherFacts, type GatheredFacts } from './facts.ts';
import { eventId, merchantEndpointId } from './ids.ts';
import { checkoutSessions } from './schema/index.ts';
import { serializable } from './serializable.ts';
import type { Db } from './connection.ts';
import { wakeSessions } from './worklists.ts';

type Open = {
  id: string;
  session_id: string | null;
  event: string;
  /** Made after this system had taken over. */
  foreign: boolean;
};

type Taken = {
  readonly deliveryId: string;
  readonly sessionId: string;
  readonly merchantId: string;
  readonly fact: EventFact;
  readonly foreign: boolean;
};

/**
 * Takes over open deliveries in one SERIALIZABLE transaction with their sessions locked. The only event an older backend
 * has ever sent is payment.confirmed of a paid session; its second delivery of one (it made such) becomes a dead
 * letter. Returns why the others cannot be taken over, by delivery id; a person is asked about them.
 */
export async function takeOver(
  pool: Pool,
  deliveryIds: readonly string[],
): Promise<Map<string, string>> {
  if (deliveryIds.length === 0) return new Map();
  const { value } = await serializable(pool, async (tx) => {
    const open = await lockOpen(tx, deliveryIds);
    const sessions = [...new Set(open.flatMap((d) => d.session_id ?? []))];
    const facts = await gatherFacts(tx, sessions, 'locked');
    const problems = new Map<string, Problem>();
    const taken: Taken[] = [];
    for (const { id, session_id, event, foreign } of open) {
      const found = session_id === null ? undefined : facts.get(session_id);
      const fact = factOf(found, event);
      if ('why' in fact) problems.set(id, fact);
      else if (found !== undefined) {
        const { id: sessionId, merchantId } = found.session;
        taken.push({ deliveryId: id, sessionId, merchantId, fact, foreign });
      }
    }
    await write(tx, taken);
    await askAbout(tx, open, problems);
    return new Map([...problems].map(([id, { why }]) => [id, why]));
  });
  return value;
}

async function lockOpen(tx: Db, deliveryIds: readonly string[]): Promise<Open[]> {
  const ids = sql`${sql.param(deliveryIds)}::uuid[]`;
  const { rows } = await tx.execute<{ id: string }>(sql`
    SELECT DISTINCT session_id AS id FROM webhook_deliveries
    WHERE delivery_id = ANY(${ids}) AND session_id IS NOT NULL`);
  await tx
    .select({ id: checkoutSessions.id })
    .from(checkoutSessions)
    .where(inArray(checkoutSessions.id, rows.length === 0 ? [NO_SESSION] : rows.map((r) => r.id)))
    .orderBy(asc(checkoutSessions.id))
    .for('update');
  const open = await tx.execute<Open>(sql`
    SELECT d.delivery_id AS id, d.session_id, d.event,
      coalesce(d.created_at > (SELECT n.adopted_at FROM settlement.network n), false) AS foreign
    FROM webhook_deliveries d
    WHERE d.delivery_id = ANY(${ids}) AND d.event_id IS NULL AND d.status IN ('pending', 'failed')
    ORDER BY d.sequence, d.created_at, d.delivery_id FOR UPDATE`);
  return open.rows;
}

const NO_SESSION = '00000000-0000-0000-0000-000000000000';

/** Why a delivery is not taken over. Nobody is asked while its session is not settled: the next run finds it again. */
type Problem = { readonly why: string; readonly isPassing: boolean };

/** The fact that a delivery tells, or why there is none. */
function factOf(facts: GatheredFacts | undefined, event: string): EventFact | Problem {
  if (facts === undefined) return lasting('it belongs to no session');
  if (event !== 'payment.confirmed') return lasting(`its event ${event} is none of ours`);
  const decision = decide(facts);
  if (decision.changes || isUnproven(facts)) {
    return { why: 'its session is not settled yet', isPassing: true };
  }
  if (decision.status !== 'paid') return lasting(`its session is ${decision.status}, not paid`);
  const due = dueEvents(facts.session, decision.judgement, facts.paymentRow);
  return due.find(({ type }) => type === event) ?? lasting('its session is paid without evidence');
}

const lasting = (why: string): Problem => ({ why, isPassing: false });

/** The ledger is not read far enough to say that the session is not paid. */
function isUnproven({ session, paymentRow, openAttention, legacyEnding, now }: GatheredFacts) {
  if (session.status === 'paid') {
    return paymentRow === null && !openAttention.has('paid_without_evidence');
  }
  const isRunning = isOpen(session.status) && now < effectiveDeadline(session);
  return !isOver({ ...session, legacy: legacyEnding }) && !isRunning;
}

async function write(tx: Db, taken: readonly Taken[]): Promise<void> {
  if (taken.length === 0) return;
  await answerFor(tx, taken);
  const document = JSON.stringify(
    taken.map(({ deliveryId, sessionId, merchantId, fact, foreign }) => {
      const id = eventId(sessionId, fact.type, fact.fact);
      return {
        delivery_id: deliveryId,
        session_id: sessionId,
        merchant_id: merchantId,
        endpoint_id: merchantEndpointId(merchantId),
        event_id: id,
        type: fact.type,
        fact: fact.fact,
        body: eventBody(id, fact),
        occurred_at: fact.occurredAt,
        foreign,
      };
    }),
  );
  await tx.execute(sql`
    WITH x AS (
      SELECT * FROM jsonb_to_recordset(${document}::jsonb) AS x(delivery_id uuid, session_id uuid,
        merchant_id uuid, endpoint_id uuid, event_id uuid, type text, fact text, body text,
        occurred_at timestamptz, "foreign" boolean)),
    first AS (
      SELECT DISTINCT ON (x.event_id) x.delivery_id FROM x JOIN webhook_deliveries d USING (delivery_id)
      WHERE NOT EXISTS (SELECT FROM webhook_deliveries o
        WHERE (o.event_id = x.event_id AND o.endpoint_id = x.endpoint_id)
          OR (o.session_id = x.session_id AND o.event = x.type AND o.event_id IS NULL AND o.status = 'delivered'))
      ORDER BY x.event_id, d.sequence, d.created_at, x.delivery_id),
    -- What the older backend has delivered is told: no event of ours is made of it.
    events AS (
      INSERT INTO settlement.events (id, session_id, merchant_id, type, fact, body, occurred_at)
      SELECT event_id, session_id, merchant_id, type, fact, body, occurred_at FROM x JOIN first USING (delivery_id)
      ON CONFLICT (id) DO NOTHING),
    taken AS (
      UPDATE webhook_deliveries d SET event_id = x.event_id, endpoint_id = x.endpoint_id
      FROM x JOIN first USING (delivery_id) WHERE d.delivery_id = x.delivery_id),
    doubled AS (
      UPDATE webhook_deliveries d SET status = 'dead', next_retry_at = NULL FROM x
      WHERE d.delivery_id = x.delivery_id AND d.delivery_id NOT IN (SELECT delivery_id FROM first)
      RETURNING d.*),
    letters AS (
      INSERT INTO webhook_dead_letters (merchant_id, delivery_id, session_id, event, payload, attempts, reason)
      SELECT merchant_id, delivery_id, session_id, event, payload, attempt_log,
        'a second delivery of one event, by the older backend' FROM doubled
      ON CONFLICT (delivery_id) DO NOTHING),
    attention AS (
      INSERT INTO settlement.attention (subject, kind, detail)
      SELECT DISTINCT ON (session_id) session_id::text, 'foreign_delivery',
        'Somebody else wrote the webhook delivery ' || delivery_id || ' after this system had taken over. Switch off what wrote it.'
      FROM x WHERE "foreign" ON CONFLICT (subject, kind) WHERE resolved_at IS NULL DO NOTHING)
    INSERT INTO settlement.session_journal (session_id, from_status, to_status, cause, actor, detail)
      SELECT x.session_id, s.status, s.status, 'delivery of an older backend taken over', 'reconcile',
        json_build_object('deliveryId', x.delivery_id)
      FROM x JOIN checkout_sessions s ON s.id = x.session_id`);
  await wakeSessions(
    tx,
    taken.map(({ sessionId }) => sessionId),
  );
}

/** What a person was asked because a delivery could not be taken over is no longer so. */
async function answerFor(tx: Db, taken: readonly Taken[]): Promise<void> {
  await tx.execute(sql`
    UPDATE settlement.attention a SET resolved_at = now(), resolved_by = 'settle', reason = 'it is no longer so'
    FROM unnest(${sql.param(taken.map(({ sessionId }) => sessionId))}::text[],
      ${sql.param(taken.map(({ deliveryId }) => about(deliveryId)))}::text[]) AS x(subject, beginning)
    WHERE a.kind = 'foreign_delivery' AND a.subject = x.subject AND a.resolved_at IS NULL
      AND starts_with(a.detail, x.beginning)`);
}

const about = (deliveryId: string) =>
  `The webhook delivery ${deliveryId} of an older backend cannot be taken over`;

async function askAbout(
  tx: Db,
  open: readonly Open[],
  problems: ReadonlyMap<string, Problem>,
): Promise<void> {
  for (const { id, session_id } of open) {
    const problem = problems.get(id);
    if (problem === undefined || problem.isPassing) continue;
    const subject = session_id ?? id;
    const detail = storable(`${about(id)}: ${problem.why}. It is not sent.`);
    // What a person has answered is not asked again, in the same words.
    await tx.execute(sql`
      INSERT INTO settlement.attention (subject, kind, detail)
      SELECT ${subject}, 'foreign_delivery', ${detail}
      WHERE NOT EXISTS (SELECT FROM settlement.attention t WHERE t.subject = ${subject}
        AND t.kind = 'foreign_delivery' AND t.detail = ${detail}
        AND t.resolved_at IS NOT NULL AND t.resolved_by IS DISTINCT FROM 'settle')
      ON CONFLICT (subject, kind) WHERE resolved_at IS NULL DO NOTHING`);
    // Its run then shows an operator that it needs somebody.
    if (session_id !== null) await wakeSessions(tx, [session_id]);
  }
}
