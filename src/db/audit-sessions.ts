/** A page of sessions, read in one snapshot and checked: P1, P2, P4, and P3 as far as a session's own rows show it. */
import { sql } from 'drizzle-orm';
import { createSessionAudit, isWithAPerson, type Check, type Violation } from '../domain/audit.ts';
import type { Audited } from '../domain/audit-evidence.ts';
import { deadlineOf } from '../domain/audit-fold.ts';
import { rowProblemInWords } from '../domain/row-check.ts';
import { readJournal, type JournalEntry } from '../domain/transitions.ts';
import { auditEvents, type Unsent } from './audit-events.ts';
import { readEvidence } from './audit-evidence.ts';
import { addCounts, type MoreExcuses, type Named, type NamedExcuse } from './audit-excuses.ts';
import type { Finding } from './audit-findings.ts';
import { auditPayments } from './audit-payments.ts';
import type { Db } from './connection.ts';
import { gatherFacts, type GatheredFacts } from './facts.ts';

/** Sessions read in one statement. */
const PAGE = 200;
/** The first key of all. */
const START = '00000000-0000-0000-0000-000000000000';
/** A row that somebody else wrote is found by reconciliation within five minutes. */
const UNSEEN_FOR = sql`interval '10 minutes'`;
/** Two transactions that began so close together may not have seen each other. */
const NEAR = sql`interval '60 seconds'`;

/** What a page of sessions showed. */
export type SessionsAudited = {
  readonly events: number;
  /** What may pass (Violation.mayPass) is of a session as a whole. */
  readonly found: readonly (Finding & Pick<Violation, 'mayPass'>)[];
  /** How many findings there are beside those, by check. */
  readonly more: ReadonlyMap<Check, number>;
  /** Events that an endpoint of now has no delivery of: what that means, other events show. */
  readonly unsent: readonly Unsent[];
  /** Statuses that somebody else wrote, and that break no promise. */
  readonly foreign: readonly Named[];
  /** What was let pass, and why. */
  readonly excused: readonly NamedExcuse[];
  /** How much was let pass beside that, by reason. */
  readonly moreExcused: MoreExcuses;
};

/**
 * The next page of sessions in care, in id order: opened since their account is watched, or taken up since. Others were
 * settled before adoption, their money came before, and they stand by their row alone.
 */
export async function nextSessions(db: Db, after: string | null): Promise<string[]> {
  const { rows } = await db.execute<{ id: string }>(sql`
    SELECT s.id FROM checkout_sessions s
    WHERE s.id > ${after ?? START}::uuid AND (s.opened_after IS NOT NULL
      OR EXISTS (SELECT FROM settlement.watched_accounts w
        WHERE w.account = s.receiving_account AND s.created_at >= w.registered_at)
      OR EXISTS (SELECT FROM settlement.active_sessions a WHERE a.session_id = s.id)
      OR EXISTS (SELECT FROM settlement.session_journal j WHERE j.session_id = s.id)
      OR EXISTS (SELECT FROM settlement.events e WHERE e.session_id = s.id))
    ORDER BY s.id LIMIT ${PAGE}`);
  return rows.map(({ id }) => id);
}

/** Checks these sessions. All of it must be read in one transaction, which sees one snapshot: settle writes what belongs together at once. */
export async function auditSessions(db: Db, ids: readonly string[]): Promise<SessionsAudited> {
  const gathered = await gatherFacts(db, ids, 'bare');
  const facts = new Map([...gathered].filter(([, f]) => f.rowProblem === null));
  const evidence = await readEvidence(db, facts);
  const marks = await readMarks(db, ids);
  const begun = [...facts].flatMap(([id, f]) => {
    const known = evidence.get(id);
    if (known === undefined) return [];
    const audited: Audited = { ...f, ...known };
    const mark = marks.get(id) ?? NO_MARKS;
    return [{ id, facts: f, audited, mark, audit: createSessionAudit(audited) }];
  });
  await auditPayments(
    db,
    begun.map(({ id, audited: { ledger }, audit: { add } }) => ({
      id,
      openedAfter: ledger.openedAfter,
      add,
    })),
  );
  const sessions = begun.map((session) => ({ ...session, result: session.audit.end() }));
  const { events, found, unsent, excused: ofEvents } = await auditEvents(db, sessions);
  const foreign: Named[] = [];
  const excused: NamedExcuse[] = [...ofEvents];
  let [more, moreExcused]: [SessionsAudited['more'], MoreExcuses] = [new Map(), new Map()];
  const ofSessions = sessions.flatMap(({ id, facts: f, mark, result }) => {
    const { status, closedThroughLedger } = f.session;
    const isKnown = f.legacyEnding || (status === 'paid' && (f.rowSettled || isWithAPerson(f)));
    const journal = readJournal({ status, closedThroughLedger, isKnown }, mark.journal);
    const subject = `session ${id}`;
    foreign.push(...journal.foreign.map((problem) => ({ subject, problem: `It ${problem}` })));
    excused.push(...result.excuses.map((excuse) => ({ ...excuse, subject })));
    more = addCounts(more, result.moreViolations);
    moreExcused = addCounts(moreExcused, result.moreExcuses);
    return [
      ...result.violations,
      ...auditMarks(f, mark),
      ...auditProof(f, mark),
      ...journal.forbidden.map(forbidden),
    ].map((violation) => ({ ...violation, subject }));
  });
  const notSessions = [...gathered.values()].flatMap(auditRow);
  const all = [...notSessions, ...ofSessions, ...found];
  return { events, found: all, more, unsent, foreign, excused, moreExcused };
}

/** A row that is no session keeps no promise and breaks none; but a person must have been asked about it. */
function auditRow({ session, rowProblem, openAttention, answeredAttention }: GatheredFacts) {
  const kind = 'not_a_session';
  const isAsked =
    openAttention.has(kind) || [...answeredAttention].some((a) => a.startsWith(`${kind} `));
  if (rowProblem === null || isAsked) return [];
  return [
    {
      promise: 'P2',
      check: 'unreadable',
      subject: `session ${session.id}`,
      problem: rowProblemInWords(rowProblem),
      mayPass: true,
    } as const,
  ];
}

function forbidden(problem: string): Violation {
  const promise = /\bpaid\b/.test(problem) ? 'P2' : 'P4';
  return { promise, check: 'transition', problem: `The session ${problem}` };
}

type Marks = {
  payment_id: string | null;
  /** Live rows of `payments`. */
  live: { id: string; settled: boolean; unseen: boolean }[];
  journal: (JournalEntry & { ledger: number | null })[];
  /** It was proven on a ledger that is gone; no ledger of now can be asked about it. */
  ended_before_reset: boolean;
  /** A record of the account could not be read when the ending was written. */
  ended_unread: boolean;
  /** When a ledger closed that is behind the one the ending names, and so behind the deadline. */
  closed_by: string | null;
};

const NO_MARKS: Marks = {
  payment_id: null,
  live: [],
  journal: [],
  ended_before_reset: false,
  ended_unread: false,
  closed_by: null,
};

async function readMarks(db: Db, ids: readonly string[]): Promise<Map<string, Marks>> {
  const { rows } = await db.execute<Marks & { id: string }>(sql`
    SELECT s.id, s.payment_id,
      (SELECT coalesce(json_agg(json_build_object('id', p.id, 'settled', p.settled_at IS NOT NULL,
          'unseen', p.settled_at IS NULL AND p.created_at >= n.created_at AND p.created_at < now() - ${UNSEEN_FOR})), '[]')
        FROM payments p WHERE p.session_id = s.id AND p.superseded_by IS NULL) AS live,
      (SELECT coalesce(json_agg(json_build_object('from', j.from_status, 'to', j.to_status, 'actor', j.actor,
          'ledger', j.ledger) ORDER BY j.id), '[]')
        FROM settlement.session_journal j WHERE j.session_id = s.id) AS journal,
      ending.at < n.reset_at IS TRUE AS ended_before_reset,
      ending.at IS NOT NULL AND EXISTS (SELECT FROM settlement.parked_records r
        WHERE r.account = s.receiving_account AND r.ledger < s.closed_through_ledger AND r.parked_at < ending.at - ${NEAR}
          AND (r.resolved_at IS NULL OR r.resolved_at > ending.at + ${NEAR})) AS ended_unread,
      CASE WHEN s.closed_through_ledger IS NOT NULL THEN (SELECT lp.closed_at::text
        FROM settlement.ledger_payments lp WHERE lp.account = s.receiving_account
          AND lp.operation_id >= (s.closed_through_ledger + 1) << 32
          AND lp.seen_at >= coalesce(n.reset_at, '-infinity')
        ORDER BY lp.operation_id LIMIT 1) END AS closed_by
    FROM checkout_sessions s LEFT JOIN settlement.network n ON true
    LEFT JOIN LATERAL (SELECT min(j.at) AS at FROM settlement.session_journal j
      WHERE j.session_id = s.id AND j.ledger = s.closed_through_ledger
        AND j.to_status IN ('expired', 'cancelled')) ending ON true
    WHERE s.id = ANY(${sql.param(ids)}::uuid[])`);
  return new Map(rows.map((row) => [row.id, row]));
}

/** P2: the session names its live payment, and that one says that settle has seen it. */
function auditMarks({ session }: GatheredFacts, { payment_id, live }: Marks): Violation[] {
  const found: string[] = [];
  const [row] = live;
  if (live.length > 1) found.push(`has ${live.length} live payments rows.`);
  if (payment_id !== null && session.status !== 'paid') {
    found.push(`names the payment ${payment_id} as its own, but is ${session.status}.`);
  }
  if (payment_id !== null && !live.some(({ id }) => id === payment_id)) {
    found.push(`names the payment ${payment_id} as its own, which is no live one of it.`);
  }
  if (row?.settled && payment_id === null) {
    found.push(`does not name its payment ${row.id}, which settle has seen.`);
  }
  if (row && !row.settled && payment_id === row.id) {
    found.push(`names its payment ${row.id}, which settle has not seen.`);
  }
  if (row?.unseen && payment_id !== row.id) {
    found.push(`has the payment ${row.id} of somebody else, which settle has not seen.`);
  }
  return found.map((problem) => ({
    promise: 'P2',
    check: 'payment_mark',
    problem: `The session ${problem}`,
  }));
}

/** P4: an ending stands in the journal with the ledger that proved it, which closed after the effective deadline. */
function auditProof({ session }: GatheredFacts, marks: Marks): Violation[] {
  const through = session.closedThroughLedger;
  if (through === null) return [];
  const broken = (problem: string): Violation[] => [
    { promise: 'P4', check: 'ending', problem: `The session was closed ${problem}` },
  ];
  const proven = marks.journal.some(
    ({ to, ledger }) => ledger === through && (to === 'expired' || to === 'cancelled'),
  );
  if (marks.ended_before_reset) return [];
  if (!proven) return broken(`through ledger ${through}, but no entry of its journal says so.`);
  if (marks.ended_unread) {
    return broken('while a record of its account could not be read (settle payments parked).');
  }
  const closedBy = marks.closed_by === null ? null : new Date(marks.closed_by);
  if (closedBy !== null && closedBy <= deadlineOf(session)) {
    return broken(
      `through ledger ${through}, but its account was paid in a later ledger at ${closedBy.toISOString()}, not after its deadline.`,
    );
  }
  return [];
}
