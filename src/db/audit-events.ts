/** P3 for a page of sessions: their events, page by page, each against the rows that it is about. */
import { sql } from 'drizzle-orm';
import type { SessionAudit } from '../domain/audit.ts';
import { possibleEvent } from '../domain/audit-due.ts';
import type { Audited } from '../domain/audit-evidence.ts';
import { auditTogether, countedBy } from '../domain/audit-together.ts';
import { DEFAULT_EVENTS, eventBody, type EventFact } from '../domain/audit-told.ts';
import type { NamedExcuse } from './audit-excuses.ts';
import type { Finding } from './audit-findings.ts';
import { eventId } from './audit-ids.ts';
import { auditDoubles, auditLines, isOurs, type StoredDelivery } from './audit-lines.ts';
import { paymentsByKey } from './audit-payments.ts';
import { knownTogether } from './audit-together.ts';
import type { Db } from './connection.ts';
import type { GatheredFacts } from './facts.ts';

/** Events read in one statement. */
const PAGE = 500;
/** The first key of all. */
const START = '00000000-0000-0000-0000-000000000000';

/** An event that an endpoint has no delivery of, though it is subscribed now. */
export type Unsent = {
  readonly eventId: string;
  readonly type: EventFact['type'];
  readonly endpointId: string;
  readonly merchantId: string;
};

/** What the outbox of a page of sessions showed. */
export type EventsAudited = {
  readonly events: number;
  readonly found: readonly Finding[];
  readonly unsent: readonly Unsent[];
  readonly excused: readonly NamedExcuse[];
};

type StoredEvent = {
  id: string;
  session_id: string;
  type: EventFact['type'];
  fact: string;
  body: string;
  created_at: string;
  sent: { delivery_id: string; event_id: string; endpoint_id: string | null }[] | null;
};

/** A session with what the audit found of it. */
type SessionOfEvents = {
  readonly id: string;
  readonly facts: GatheredFacts;
  readonly audited: Audited;
  readonly result: Pick<SessionAudit, 'fold'>;
};

/** Checks the events of these sessions, in the snapshot in which their facts were read. */
export async function auditEvents(
  db: Db,
  sessions: readonly SessionOfEvents[],
): Promise<EventsAudited> {
  const byId = new Map(sessions.map((session) => [session.id, session]));
  const ids = [...byId.keys()];
  const found: Finding[] = [];
  const unsent: Unsent[] = [];
  const excused: NamedExcuse[] = [];
  let events = 0;
  for await (const page of eventPages(db, ids)) {
    events += page.length;
    for (const { isEdited, ...finding } of await auditBodies(db, page, byId)) {
      // What was told keeps its bytes; the row that they are made from here says something else now.
      if (isEdited) excused.push({ reason: 'edited', ...finding });
      else found.push(finding);
    }
    unsent.push(...page.flatMap((event) => unsentOf(event, byId.get(event.session_id)?.facts)));
  }
  found.push(...(await auditDoubles(db, ids)), ...(await auditLines(db, ids)));
  return { events, found, unsent, excused };
}

async function* eventPages(db: Db, ids: readonly string[]): AsyncGenerator<StoredEvent[]> {
  for (let [session, type, fact] = [START, '', '']; ;) {
    const { rows } = await db.execute<StoredEvent>(sql`
      SELECT e.id, e.session_id, e.type, e.fact, e.body, e.created_at::text, (
        SELECT json_agg(json_build_object('delivery_id', d.delivery_id, 'event_id', d.event_id, 'endpoint_id', d.endpoint_id))
        FROM webhook_deliveries d WHERE d.event_id = e.id) AS sent
      FROM settlement.events e
      WHERE e.session_id = ANY(${sql.param(ids)}::uuid[]) AND (e.session_id, e.type, e.fact) > (${session}::uuid, ${type}, ${fact})
      ORDER BY e.session_id, e.type, e.fact LIMIT ${PAGE}`);
    if (rows.length > 0) yield rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE) return;
    [session, type, fact] = [last.session_id, last.type, last.fact];
  }
}

/** Id and bytes of every event are those that its fact makes. */
async function auditBodies(
  db: Db,
  page: readonly StoredEvent[],
  sessions: ReadonlyMap<string, SessionOfEvents>,
): Promise<(Finding & { isEdited: boolean })[]> {
  const named = page.flatMap(({ session_id: session, type, fact }) => {
    const [, key] = /^([0-9a-f]{64}:\d{1,9}:\d{1,9}):[a-z_]+$/.exec(fact) ?? [];
    return type === 'payment.exception' && key !== undefined ? [{ session, key }] : [];
  });
  const payments = await paymentsByKey(db, named);
  const found: (Finding & { isEdited: boolean })[] = [];
  for (const event of page) {
    const session = sessions.get(event.session_id);
    if (session === undefined) continue;
    const key = event.fact.slice(0, event.fact.lastIndexOf(':'));
    const payment = payments.get(`${event.session_id} ${key}`) ?? null;
    const problem = await problemOf(db, event, session, payment);
    if (problem === null) continue;
    const isEdited = session.audited.ledger.isEditedSince;
    const subject = `event ${event.id}`;
    found.push({ promise: 'P3', check: 'event_bytes', subject, problem, isEdited });
  }
  return found;
}

async function problemOf(
  db: Db,
  { id, type, fact, body, created_at }: StoredEvent,
  { audited, result: { fold } }: SessionOfEvents,
  payment: Parameters<typeof possibleEvent>[2]['payment'],
): Promise<string | null> {
  const sessionId = audited.session.id;
  if (id !== eventId(sessionId, type, fact)) return 'Its id is not the one its fact makes.';
  if (type === 'payment.exception' && fact.startsWith('together:')) {
    const counted = countedBy(fact);
    if (counted === null) return 'Its fact names no payments.';
    const then = auditTogether(
      body,
      counted,
      await knownTogether(db, sessionId, counted, created_at),
    );
    if (then === null) return null;
    // A payment that was stored while the event was made may be younger than it, and counted all the same.
    const now = await knownTogether(db, sessionId, counted, 'infinity');
    return auditTogether(body, counted, now) === null ? null : then;
  }
  const event = possibleEvent(audited, fold, { type, fact, payment });
  if (event === null) return null;
  return withMetadataOf(body, eventBody(id, event)) === body
    ? null
    : 'Its bytes are not those its fact makes.';
}

/**
 * Metadata is the backend's, which may change it later: the event keeps what it was when the fact became true, or that it
 * was too large then. An event that says so carries none.
 */
function withMetadataOf(stored: string, right: string): string {
  try {
    const { data: told } = JSON.parse(stored) as { data: Record<string, unknown> };
    const event = JSON.parse(right) as { data: Record<string, unknown> };
    const { metadataOmitted: _, ...data } = event.data;
    const carried = Object.hasOwn(told, 'metadataOmitted')
      ? { metadata: null, metadataOmitted: true }
      : { metadata: told['metadata'] };
    return JSON.stringify({ ...event, data: { ...data, ...carried } });
  } catch {
    return right;
  }
}

/** What the endpoints of now have no delivery of. What was taken over goes where the older backend meant it to go. */
function unsentOf({ id, type, sent }: StoredEvent, facts: GatheredFacts | undefined): Unsent[] {
  if (facts === undefined) return [];
  const made = sent ?? [];
  const isOfUs = (d: (typeof made)[number]) =>
    d.endpoint_id !== null && isOurs({ ...d, endpoint_id: d.endpoint_id } satisfies StoredDelivery);
  if (!made.every(isOfUs)) return [];
  const { merchantId } = facts.session;
  return facts.subscribers
    .filter(({ events: wanted }) => (wanted.length > 0 ? wanted : DEFAULT_EVENTS).includes(type))
    .filter(({ endpointId }) => !made.some((d) => d.endpoint_id === endpointId))
    .map(({ endpointId }) => ({ eventId: id, type, endpointId, merchantId }));
}
