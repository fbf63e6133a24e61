/** P3: the lines in which the events of a page of sessions wait at each endpoint, and what was told of them twice. */
import { sql } from 'drizzle-orm';
import type { Finding } from './audit-findings.ts';
import type { Db } from './connection.ts';
import { deliveryId } from './audit-ids.ts';

/** Deliveries read in one statement. */
const PAGE = 1_000;

/** A delivery, as far as it says whose it is. */
export type StoredDelivery = {
  readonly delivery_id: string;
  readonly event_id: string;
  readonly endpoint_id: string;
};

type InLine = StoredDelivery & { session_id: string; sequence: number };

/** One of our making: those that were taken over from an older backend have an id of its making. */
export function isOurs({ delivery_id, event_id, endpoint_id }: StoredDelivery): boolean {
  return delivery_id === deliveryId(event_id, endpoint_id);
}

/**
 * Each of our deliveries comes right behind another one, or is the first. Those that were taken over kept the numbers of
 * the older backend, which need not follow each other.
 */
export async function auditLines(db: Db, sessionIds: readonly string[]): Promise<Finding[]> {
  const found: Finding[] = [];
  const lines = new Map<string, { last: number; lastOurs: number; before: number }>();
  let [session, sequence, delivery] = ['', -(2 ** 31), START];
  for (;;) {
    const { rows } = await db.execute<InLine>(sql`
      SELECT delivery_id, session_id, event_id, endpoint_id, sequence FROM webhook_deliveries
      WHERE session_id = ANY(${sql.param(sessionIds)}::uuid[]) AND event_id IS NOT NULL AND endpoint_id IS NOT NULL
        AND (session_id, sequence, delivery_id) > (${session || START}::uuid, ${sequence}::int, ${delivery}::uuid)
      ORDER BY session_id, sequence, delivery_id LIMIT ${PAGE}`);
    for (const row of rows) {
      // The lines of a session are done with when the next one begins.
      if (row.session_id !== session) lines.clear();
      session = row.session_id;
      const line = lines.get(row.endpoint_id) ?? { last: 0, lastOurs: 0, before: 0 };
      lines.set(row.endpoint_id, line);
      if (row.sequence !== line.last) [line.before, line.last] = [line.last, row.sequence];
      if (!isOurs(row)) continue;
      const problem = problemOf(row.sequence, line);
      line.lastOurs = row.sequence;
      if (problem === null) continue;
      const subject = `delivery ${row.delivery_id}`;
      found.push({ promise: 'P3', check: 'sequence', subject, problem });
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE) return found;
    ({ session_id: session, sequence, delivery_id: delivery } = last);
  }
}

function problemOf(sequence: number, line: { lastOurs: number; before: number }): string | null {
  if (sequence === line.lastOurs) {
    return `Another event of its session has its number ${sequence} at this endpoint.`;
  }
  if (sequence >= 1 && (sequence === 1 || line.before === sequence - 1)) return null;
  return `It is number ${sequence} in the line of its session to this endpoint, and there is no number ${sequence - 1}.`;
}

/** The first key of all. */
const START = '00000000-0000-0000-0000-000000000000';

/** No fact was made an event twice, nor told by the older backend and by us. Of exceptions there are as many as facts. */
export async function auditDoubles(db: Db, sessionIds: readonly string[]): Promise<Finding[]> {
  const ids = sql`${sql.param(sessionIds)}::uuid[]`;
  const { rows } = await db.execute<{ session_id: string; type: string; count: number }>(sql`
    SELECT session_id, type, count(*)::int AS count FROM settlement.events
    WHERE session_id = ANY(${ids}) AND type <> 'payment.exception'
    GROUP BY session_id, type HAVING count(*) > 1 ORDER BY session_id, type`);
  const { rows: twice } = await db.execute<{ session_id: string }>(sql`
    SELECT d.session_id FROM webhook_deliveries d
    WHERE d.session_id = ANY(${ids}) AND d.event = 'payment.confirmed' AND d.status = 'delivered'
      AND EXISTS (SELECT FROM settlement.events e WHERE e.session_id = d.session_id)
    GROUP BY d.session_id HAVING bool_or(d.event_id IS NULL) AND bool_or(d.event_id IS NOT NULL)`);
  const broken = (sessionId: string, problem: string): Finding => {
    const subject = `session ${sessionId}`;
    return { promise: 'P3', check: 'event_doubled', subject, problem };
  };
  return [
    ...rows.map(({ session_id, type, count }) =>
      broken(session_id, `It has ${count} events ${type}.`),
    ),
    ...twice.map(({ session_id }) =>
      broken(
        session_id,
        'payment.confirmed was delivered by an older backend, and by this system again.',
      ),
    ),
  ];
}
