/** Reads the rows that the audit judges, and checks what only the whole database shows. Reads only. */
import { sql } from 'drizzle-orm';
import { auditSession, type PromiseId } from '../domain/audit.ts';
import { dueEvents, eventBody } from '../domain/event.ts';
import type { SessionFacts } from '../domain/settle.ts';
import { decide } from '../domain/settle.ts';
import { connect, type Db } from './connection.ts';
import { gatherFacts } from './facts.ts';
import { eventId } from './ids.ts';

/** Sessions audited in one statement. */
const BATCH = 200;
/** What is younger may still be on its way through settle. */
const GRACE = sql`interval '60 seconds'`;

/** A promise that is broken, and by which row. */
export type Finding = {
  readonly promise: PromiseId;
  /** `session <id>`, `payment <key>`, `event <id>` or `delivery <id>`. */
  readonly subject: string;
  readonly problem: string;
};

/** The verdict of the audit. */
export type AuditReport = {
  readonly sessions: number;
  readonly ledgerPayments: number;
  readonly events: number;
  readonly findings: readonly Finding[];
};

/**
 * Audits P1–P3 (and what of P4 the rows can show) over the whole database, as it stands now.
 */
export async function audit(db: Db): Promise<AuditReport> {
  const findings: Finding[] = [];
  let sessions = 0;
  for await (const ids of sessionIds(db)) {
    const facts = await gatherFacts(db, ids);
    const bodies = await storedEvents(db, ids);
    const ofOldLedger = await endedBeforeReset(db, ids);
    sessions += facts.size;
    for (const [id, f] of facts) {
      const subject = `session ${id}`;
      const broken = auditSession(f).filter(({ promise: p }) => p !== 'P4' || !ofOldLedger.has(id));
      findings.push(...broken.map((v) => ({ ...v, subject })));
      findings.push(...auditBodies(f, bodies.get(id) ?? []));
    }
  }
  findings.push(...(await auditInbox(db)), ...(await auditOutbox(db)));
  const { rows } = await db.execute<{ payments: number; events: number }>(sql`
    SELECT (SELECT count(*)::int FROM settlement.ledger_payments) AS payments,
      (SELECT count(*)::int FROM settlement.events) AS events`);
  const counts = rows[0] ?? { payments: 0, events: 0 };
  return { sessions, ledgerPayments: counts.payments, events: counts.events, findings };
}

/** The same for a database by its address, on a connection of its own. */
export async function auditDatabase(url: string): Promise<AuditReport> {
  const database = connect(url, { max: 2, applicationName: 'settle audit' });
  try {
    return await audit(database.db);
  } finally {
    await database.close();
  }
}

/**
 * Sessions in our care, in id order: opened within what their account was read for, or taken up since. Others were
 * settled before adoption, their money came before our time, and they stand by their row alone.
 */
async function* sessionIds(db: Db): AsyncGenerator<string[]> {
  let after = '00000000-0000-0000-0000-000000000000';
  for (;;) {
    const { rows } = await db.execute<{ id: string }>(sql`
      SELECT s.id FROM checkout_sessions s
      JOIN settlement.watched_accounts w ON w.account = s.receiving_account
      WHERE s.id > ${after}::uuid AND (s.created_at >= w.from_time
        OR EXISTS (SELECT FROM settlement.active_sessions a WHERE a.session_id = s.id)
        OR EXISTS (SELECT FROM settlement.session_journal j WHERE j.session_id = s.id)
        OR EXISTS (SELECT FROM settlement.events e WHERE e.session_id = s.id))
      ORDER BY s.id LIMIT ${BATCH}`);
    const last = rows.at(-1);
    if (!last) return;
    yield rows.map(({ id }) => id);
    after = last.id;
  }
}

/** Sessions whose ending was proven on a ledger that is gone: the network was reset since. */
async function endedBeforeReset(db: Db, ids: readonly string[]): Promise<Set<string>> {
  const { rows } = await db.execute<{ id: string }>(sql`
    SELECT DISTINCT s.id FROM settlement.network n, checkout_sessions s
    JOIN settlement.session_journal j ON j.session_id = s.id AND j.ledger = s.closed_through_ledger
    WHERE s.id = ANY(${sql.param(ids)}::uuid[]) AND j.at < n.reset_at`);
  return new Set(rows.map(({ id }) => id));
}

type StoredEvent = { id: string; type: string; fact: string; body: string };

async function storedEvents(db: Db, ids: readonly string[]): Promise<Map<string, StoredEvent[]>> {
  const { rows } = await db.execute<StoredEvent & { session_id: string }>(sql`
    SELECT id, session_id, type, fact, body FROM settlement.events
    WHERE session_id = ANY(${sql.param(ids)}::uuid[])`);
  return Map.groupBy(rows, (row) => row.session_id);
}

/** P3: id and bytes of every event are those that its fact makes. */
function auditBodies(facts: SessionFacts, stored: readonly StoredEvent[]): Finding[] {
  const { judgement } = decide(facts);
  const expected = new Map(
    dueEvents(facts.session, judgement, facts.paymentRow).map((fact) => {
      const id = eventId(facts.session.id, fact.type, fact.fact);
      return [id, eventBody(id, fact)];
    }),
  );
  return stored.flatMap(({ id, type, fact, body }) => {
    const subject = `event ${id}`;
    if (id !== eventId(facts.session.id, type as Parameters<typeof eventId>[1], fact)) {
      return [
        { promise: 'P3' as const, subject, problem: 'Its id is not the one its fact makes.' },
      ];
    }
    const right = expected.get(id);
    if (right === undefined || withMetadataOf(body, right) === body) return [];
    return [
      { promise: 'P3' as const, subject, problem: 'Its bytes are not those its fact makes.' },
    ];
  });
}

/** Metadata is the backend's, which may change it later: the event keeps what it was when the fact became true. */
function withMetadataOf(stored: string, right: string): string {
  try {
    const { data } = JSON.parse(stored) as { data: { metadata?: unknown } };
    const event = JSON.parse(right) as { data: Record<string, unknown> };
    return JSON.stringify({ ...event, data: { ...event.data, metadata: data.metadata } });
  } catch {
    return right;
  }
}

/** P1 over all of the inbox: nothing undecided, nothing unmatched that has a session, nothing credited to a stranger. */
async function auditInbox(db: Db): Promise<Finding[]> {
  const { rows } = await db.execute<{ subject: string; problem: string }>(sql`
    SELECT concat_ws(':', 'payment ' || lp.tx_hash, lp.op_index, lp.sub_index) AS subject,
      CASE WHEN lp.verdict IS NULL THEN 'It has had no verdict for over a minute.'
        ELSE 'Its verdict belongs to session ' || coalesce(lp.session_id::text, 'none')
          || ', but its reference names another.' END AS problem
    FROM settlement.ledger_payments lp
    LEFT JOIN checkout_sessions s ON s.id = lp.session_id
    WHERE (lp.verdict IS NULL AND lp.seen_at < now() - ${GRACE})
      OR (lp.verdict NOT IN ('unmatched', 'ambiguous')
        AND (s.id IS NULL OR s.receiving_account <> lp.account
          OR CASE WHEN lp.assigned_to IS NULL THEN s.memo IS DISTINCT FROM lp.reference ELSE s.id <> lp.assigned_to END))
    LIMIT 1000`);
  return rows.map((row) => ({ promise: 'P1', ...row }));
}

/** P3 over all of the outbox: no second delivery of one event to one endpoint, none without its event. */
async function auditOutbox(db: Db): Promise<Finding[]> {
  const { rows } = await db.execute<{ subject: string; problem: string }>(sql`
    SELECT 'delivery ' || d.delivery_id AS subject,
      CASE WHEN e.id IS NULL THEN 'It delivers an event that does not exist.'
        WHEN e.session_id <> d.session_id OR e.type <> d.event THEN 'It is not of the event that it names.'
        ELSE 'It was accepted, but no attempt says so.' END AS problem
    FROM webhook_deliveries d
    LEFT JOIN settlement.events e ON e.id = d.event_id
    WHERE d.event_id IS NOT NULL AND (e.id IS NULL OR e.session_id <> d.session_id OR e.type <> d.event
      OR (d.status = 'delivered' AND NOT EXISTS (SELECT FROM settlement.delivery_attempts a
        WHERE a.delivery_id = d.delivery_id AND a.response_status BETWEEN 200 AND 299)))
    UNION ALL
    SELECT 'session ' || e.session_id, 'It has ' || count(*) || ' events ' || e.type || '.'
    FROM settlement.events e WHERE e.type <> 'payment.exception'
    GROUP BY e.session_id, e.type HAVING count(*) > 1
    LIMIT 1000`);
  return rows.map((row) => ({ promise: 'P3', ...row }));
}
