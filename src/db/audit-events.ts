/** P3 for a page of sessions: their events, and the lines in which these wait at each endpoint. */
import { sql } from 'drizzle-orm';
import type { SessionAudit } from '../domain/audit.ts';
import { possibleEvents } from '../domain/audit-due.ts';
import type { Audited } from '../domain/audit-evidence.ts';
import { auditTogether } from '../domain/audit-together.ts';
import { DEFAULT_EVENTS, eventBody, type EventFact } from '../domain/audit-told.ts';
import type { NamedExcuse } from './audit-excuses.ts';
import type { Finding } from './audit-findings.ts';
import type { Db } from './connection.ts';
import type { GatheredFacts } from './facts.ts';
import { deliveryId, eventId } from './audit-ids.ts';

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
};
type StoredDelivery = {
  delivery_id: string;
  session_id: string;
  event_id: string | null;
  endpoint_id: string | null;
  event: string;
  sequence: number;
  status: string;
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
  const ids = sql`${sql.param(sessions.map(({ id }) => id))}::uuid[]`;
  const { rows: stored } = await db.execute<StoredEvent>(sql`
    SELECT id, session_id, type, fact, body, created_at::text FROM settlement.events WHERE session_id = ANY(${ids})`);
  const { rows: sent } = await db.execute<StoredDelivery>(sql`
    SELECT delivery_id, session_id, event_id, endpoint_id, event, sequence, status
    FROM webhook_deliveries WHERE session_id = ANY(${ids})`);
  const eventsOf = Map.groupBy(stored, (event) => event.session_id);
  const deliveriesOf = Map.groupBy(sent, (delivery) => delivery.session_id);
  const found: Finding[] = [];
  const unsent: Unsent[] = [];
  const excused: NamedExcuse[] = [];
  for (const session of sessions) {
    const { id } = session;
    const [events, deliveries] = [eventsOf.get(id) ?? [], deliveriesOf.get(id) ?? []];
    if (events.length > 0) {
      const bodies = auditBodies(session, events);
      // What was told keeps its bytes; the row that they are made from here says something else now.
      if (!session.audited.ledger.isEditedSince) found.push(...bodies);
      else excused.push(...bodies.map((one) => ({ reason: 'edited' as const, ...one })));
      found.push(...auditDoubles(events, deliveries));
    }
    found.push(...auditLines(deliveries));
    unsent.push(...unsentOf(session.facts, events, deliveries));
  }
  return { events: stored.length, found, unsent, excused };
}

/** Id and bytes of every event are those that its fact makes. */
function auditBodies(
  { audited, result }: SessionOfEvents,
  stored: readonly StoredEvent[],
): Finding[] {
  const { session } = audited;
  const expected = Map.groupBy(
    possibleEvents(audited, result.fold).map((fact) => {
      const id = eventId(session.id, fact.type, fact.fact);
      return { id, body: eventBody(id, fact) };
    }),
    ({ id }) => id,
  );
  const broken = (id: string, problem: string): Finding[] => [
    { promise: 'P3', check: 'event_bytes', subject: `event ${id}`, problem },
  ];
  return stored.flatMap(({ id, type, fact, body, created_at }) => {
    if (id !== eventId(session.id, type, fact)) {
      return broken(id, 'Its id is not the one its fact makes.');
    }
    if (type === 'payment.exception' && fact.startsWith('together:')) {
      const problem = auditTogether(audited, { fact, body, at: new Date(created_at) });
      return problem === null ? [] : broken(id, problem);
    }
    const right = expected.get(id);
    if (right === undefined || right.some((one) => withMetadataOf(body, one.body) === body))
      return [];
    return broken(id, 'Its bytes are not those its fact makes.');
  });
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

/** No fact was made an event twice, nor told by the older backend and by us. Of exceptions there are as many as facts. */
function auditDoubles(
  events: readonly StoredEvent[],
  deliveries: readonly StoredDelivery[],
): Finding[] {
  const found: Finding[] = [];
  const broken = (problem: string) => {
    const subject = `session ${events[0]?.session_id}`;
    found.push({ promise: 'P3', check: 'event_doubled', subject, problem });
  };
  for (const [type, { length }] of Map.groupBy(events, ({ type }) => type)) {
    if (type !== 'payment.exception' && length > 1) broken(`It has ${length} events ${type}.`);
  }
  const told = deliveries.filter(
    (d) => d.event === 'payment.confirmed' && d.status === 'delivered',
  );
  if (told.some((d) => d.event_id === null) && told.some((d) => d.event_id !== null)) {
    broken('payment.confirmed was delivered by an older backend, and by this system again.');
  }
  return found;
}

/**
 * Each of our deliveries comes right behind another one, or is the first. Those that were taken over from an older
 * backend (they have an id of its making) kept its numbers, which need not follow each other.
 */
function auditLines(deliveries: readonly StoredDelivery[]): Finding[] {
  const lines = Map.groupBy(
    deliveries.filter((d) => d.event_id !== null && d.endpoint_id !== null),
    (d) => d.endpoint_id,
  );
  return [...lines.values()].flatMap((line) => {
    const numbers = new Set(line.map(({ sequence }) => sequence));
    const seen = new Set<number>();
    return line.filter(isOurs).flatMap(({ delivery_id, sequence }): Finding[] => {
      const isDouble = seen.has(sequence);
      seen.add(sequence);
      const problem = isDouble
        ? `Another event of its session has its number ${sequence} at this endpoint.`
        : sequence < 1 || (sequence > 1 && !numbers.has(sequence - 1))
          ? `It is number ${sequence} in the line of its session to this endpoint, and there is no number ${sequence - 1}.`
          : null;
      if (problem === null) return [];
      const subject = `delivery ${delivery_id}`;
      return [{ promise: 'P3', check: 'sequence', subject, problem }];
    });
  });
}

function isOurs({ delivery_id, event_id, endpoint_id }: StoredDelivery): boolean {
  return event_id !== null && endpoint_id !== null
    ? delivery_id === deliveryId(event_id, endpoint_id)
    : false;
}

/** What the endpoints of now have no delivery of. What was taken over goes where the older backend meant it to go. */
function unsentOf(
  { subscribers, session: { merchantId } }: GatheredFacts,
  events: readonly StoredEvent[],
  deliveries: readonly StoredDelivery[],
): Unsent[] {
  return events.flatMap(({ id, type }) => {
    const made = deliveries.filter((d) => d.event_id === id);
    if (made.some((d) => !isOurs(d))) return [];
    return subscribers
      .filter(({ events: wanted }) => (wanted.length > 0 ? wanted : DEFAULT_EVENTS).includes(type))
      .filter(({ endpointId }) => !made.some((d) => d.endpoint_id === endpointId))
      .map(({ endpointId }) => ({ eventId: id, type, endpointId, merchantId }));
  });
}
