/**
 * Where reconciliation looks for sessions: one query for each kind of discrepancy (domain/discrepancy.ts), each on an
 * index that holds only what is wrong; unfinished.ts has what is no session. bench/reconcile.ts shows what they read.
 */
import { sql, type SQL } from 'drizzle-orm';
import type { AttentionKind } from '../domain/attention.ts';
import type { Discrepancy } from '../domain/discrepancy.ts';
import type { Db } from './connection.ts';
import { ASSET_KEY, firstLedgerAfter, proven, through } from './coverage.ts';
import { askedAboutRow, deadline } from './predicates.ts';
import { keyOf, PAGE, readKey, START, type Finding, type Key } from './paging.ts';
import { OPEN, UNSETTLED, WRONG } from './suspects.ts';

/** Kinds that are found by a query for sessions, and repaired by settling them. */
export type SessionDiscrepancy = Extract<
  Discrepancy,
  | 'not_in_care'
  | 'stuck_processing'
  | 'paid_without_payment'
  | 'unsettled_payment'
  | 'foreign_ending'
  | 'overdue'
>;

/** Which rows of a query: those after a key, or some that are looked at again. */
type Bound = ({ readonly after: Key } | { readonly ids: readonly string[] }) & {
  /** Look also for what is looked for once a day only. */
  readonly thorough: boolean;
};

const among = (id: SQL, bound: Bound): SQL =>
  'ids' in bound
    ? sql`${id} = ANY(${sql.param(bound.ids)}::uuid[])`
    : sql`${id} > ${bound.after.id}::uuid`;

const amongByTime = (at: SQL, id: SQL, bound: Bound): SQL =>
  'ids' in bound
    ? among(id, bound)
    : sql`(${at}, ${id}) > (${bound.after.at}::timestamptz, ${bound.after.id}::uuid)`;

/** Sessions whose own columns show a discrepancy of this kind. */
const wrong = (kind: SessionDiscrepancy, bound: Bound): SQL =>
  sql`(${sql.raw(WRONG)}) = ${kind} AND ${among(sql`s.id`, bound)}`;

/** What a person is asked about a session that cannot be repaired. */
const QUESTION: Readonly<Partial<Record<SessionDiscrepancy, AttentionKind>>> = {
  paid_without_payment: 'paid_without_evidence',
  foreign_ending: 'opening_not_covered',
  not_in_care: 'opening_not_covered',
  overdue: 'opening_not_covered',
};

/**
 * A person is asked, or has answered: it is not found again and again. A row that is no session is asked about as such,
 * whatever else is wrong with it.
 */
const unexplained = (
  kind: SessionDiscrepancy,
): SQL => sql`NOT ${askedAboutRow('s')} AND NOT EXISTS (SELECT FROM settlement.attention t
  WHERE t.subject = s.id::text AND t.kind = ${QUESTION[kind]} AND t.resolved_by IS DISTINCT FROM 'settle')`;

/** The newest trace of a session that was made `processing` by somebody who does not say when. */
const PROCESSING_TRACE = sql`coalesce(s.processing_since, greatest(s.created_at,
  (SELECT max(r.first_at) FROM settlement.reported_payments r WHERE r.session_id = s.id),
  (SELECT max(j.at) FROM settlement.session_journal j WHERE j.session_id = s.id),
  (SELECT max(lp.seen_at) FROM settlement.ledger_payments lp
    WHERE lp.account = s.receiving_account AND lp.reference = s.memo)))`;

/** The query of each kind: a page of sessions' ids, each with its key if that is more than the id. */
const QUERIES: Record<SessionDiscrepancy, (bound: Bound) => SQL> = {
  not_in_care: (bound) => sql`
    SELECT s.id, ${keyOf(sql`s.expires_at`, sql`s.id`)} AS key FROM checkout_sessions s
    WHERE ${sql.raw(OPEN)} AND ${amongByTime(sql`s.expires_at`, sql`s.id`, bound)}
      ${bound.thorough ? sql`` : sql`AND s.expires_at < now() - interval '5 minutes'`}
      AND NOT EXISTS (SELECT FROM settlement.active_sessions a WHERE a.session_id = s.id)
      AND ${unexplained('not_in_care')}
    ORDER BY s.expires_at, s.id LIMIT ${PAGE}`,
  stuck_processing: (bound) => sql`
    SELECT s.id FROM checkout_sessions s
    WHERE ${wrong('stuck_processing', bound)} AND ${PROCESSING_TRACE} < now() - interval '5 minutes'
      AND NOT ${askedAboutRow('s')}
    ORDER BY s.id LIMIT ${PAGE}`,
  // One that somebody gave a row is an unsettled payment.
  paid_without_payment: (bound) => sql`
    SELECT s.id FROM checkout_sessions s
    WHERE ${wrong('paid_without_payment', bound)} AND ${unexplained('paid_without_payment')}
      AND NOT EXISTS (SELECT FROM payments p WHERE p.session_id = s.id AND ${sql.raw(UNSETTLED)})
    ORDER BY s.id LIMIT ${PAGE}`,
  unsettled_payment: (bound) => sql`
    (SELECT p.session_id AS id FROM payments p
      WHERE ${sql.raw(UNSETTLED)} AND ${among(sql`p.session_id`, bound)}
        AND NOT EXISTS (SELECT FROM checkout_sessions s WHERE s.id = p.session_id AND ${askedAboutRow('s')})
      ORDER BY p.session_id LIMIT ${PAGE})
    UNION (SELECT s.id FROM checkout_sessions s WHERE ${wrong('unsettled_payment', bound)}
        AND NOT ${askedAboutRow('s')}
      ORDER BY s.id LIMIT ${PAGE})
    ORDER BY id LIMIT ${PAGE}`,
  foreign_ending: (bound) => sql`
    SELECT s.id FROM checkout_sessions s
    WHERE ${wrong('foreign_ending', bound)} AND ${unexplained('foreign_ending')}
    ORDER BY s.id LIMIT ${PAGE}`,
  overdue: (bound) => sql`
    SELECT s.id, ${keyOf(sql`a.deadline`, sql`s.id`)} AS key
    FROM settlement.active_sessions a JOIN checkout_sessions s ON s.id = a.session_id
    WHERE a.deadline < now() - interval '5 minutes' AND ${sql.raw(OPEN)}
      AND ${amongByTime(sql`a.deadline`, sql`a.session_id`, bound)}
      AND ${unexplained('overdue')}
    ORDER BY a.deadline, a.session_id LIMIT ${PAGE}`,
};

type Row = { id: string; key?: string };

/** Finds a page of sessions. `after` is the `next` of the page before; null for the first. */
export async function findSessions(
  db: Db,
  kind: SessionDiscrepancy,
  { after, thorough }: { after: string | null; thorough: boolean },
): Promise<Finding<string>> {
  const { rows } = await db.execute<Row>(QUERIES[kind]({ after: readKey(after), thorough }));
  const found = rows.map(({ id }) => id);
  const last = rows.at(-1);
  return {
    found,
    next: rows.length < PAGE || !last ? null : (last.key ?? `${START.at} ${last.id}`),
  };
}

/** Of these sessions, those of which it is still so. */
export async function stillSo(
  db: Db,
  kind: SessionDiscrepancy,
  ids: readonly string[],
): Promise<string[]> {
  if (ids.length === 0) return [];
  const { rows } = await db.execute<Row>(QUERIES[kind]({ ids, thorough: true }));
  return rows.map(({ id }) => id);
}

/** Of these sessions, those that cannot be repaired and that a person is asked about. */
export async function askedAbout(
  db: Db,
  kind: SessionDiscrepancy,
  ids: readonly string[],
): Promise<string[]> {
  if (ids.length === 0) return [];
  const { rows } = await db.execute<Row>(sql`
    SELECT t.subject AS id FROM settlement.attention t
    WHERE t.subject = ANY(${sql.param(ids)}::text[]) AND t.kind IN ('not_a_session', ${QUESTION[kind] ?? null}) AND t.resolved_at IS NULL`);
  return rows.map(({ id }) => id);
}

/** Times a `processing` that somebody else wrote by its newest trace, so that settle sees how old it is. */
export async function timeProcessing(db: Db, ids: readonly string[]): Promise<void> {
  await db.execute(sql`
    UPDATE checkout_sessions s SET processing_since = ${PROCESSING_TRACE}
    WHERE s.id = ANY(${sql.param(ids)}::uuid[]) AND s.status = 'processing' AND s.processing_since IS NULL`);
}

/** Why a discrepancy of a session cannot be repaired yet, in words. */
export async function whyLeft(db: Db, ids: readonly string[]): Promise<Map<string, string>> {
  const { rows } = await db.execute<{ id: string; why: string }>(sql`
    SELECT s.id, coalesce(
      (SELECT 'needs a person: ' || string_agg(DISTINCT t.kind, ', ') FROM settlement.attention t
        WHERE t.resolved_at IS NULL AND t.subject IN (s.id::text, s.receiving_account)),
      (SELECT 'the account cannot be read: ' || w.problem FROM settlement.watched_accounts w
        WHERE w.account = s.receiving_account),
      (SELECT 'the ledger is proven through ' || ${through(proven(sql`s.receiving_account`, ASSET_KEY), sql`s.opened_after`)}
        || ', its deadline is ' || to_char(${deadline('s')} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
        || coalesce(', which is over in ledger ' || ${firstLedgerAfter(deadline('s'), sql`s.opened_after`)}, '')
        FROM settlement.watched_accounts w WHERE w.account = s.receiving_account AND s.opened_after IS NOT NULL),
      'its account is not read yet') AS why
    FROM checkout_sessions s WHERE s.id = ANY(${sql.param(ids)}::uuid[])`);
  return new Map(rows.map(({ id, why }) => [id, why]));
}
