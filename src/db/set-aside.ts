/**
 * What fails by itself is set aside, with growing pauses, so that it takes no turn and no place in a list from the rest. A person
 * is asked about it until it goes through.
 */
import { sql, type SQL } from 'drizzle-orm';
import { reasonOf } from '../domain/failure.ts';
import { storable } from '../domain/text.ts';
import type { Db } from './connection.ts';
import { UNSEEN } from './suspects.ts';
import { cannotPass, classify, errorCode } from './sqlstate.ts';

/**
 * Where something failed, and so what its subject is: a session's id (`settle`, `follow`, `wake`), an account (`read`,
 * `read_again`), a delivery's id (`take_over`), or `ledger <sequence>` (`ledger`).
 */
export type AsideKind =
  'settle' | 'follow' | 'wake' | 'read' | 'read_again' | 'take_over' | 'ledger';

/** What a person reads before the reason. */
const IN_WORDS: Readonly<Record<AsideKind, string>> = {
  settle: 'It cannot be settled',
  follow: 'What the backend wrote of it cannot be taken into account',
  wake: 'Its workflow cannot be woken',
  read: 'What Horizon shows of it cannot be stored',
  read_again: 'It cannot be read a second time',
  take_over: 'This delivery of an older backend cannot be taken over',
  ledger: 'It cannot be read whole',
};

/** What stands before the reason where something is left out because of it. */
const IS_ASIDE = 'it is set aside: ';

/** Pauses: 2 s, 4 s, 8 s … up to this. What was mended is tried again within it. */
const LONGEST_PAUSE = sql.raw("interval '10 minutes'");
/** 2 s × 2^9 is above the longest pause; counting on must not overflow. */
const MOST_DOUBLINGS = 9;
/** UTF-16 units of a reason that a person is shown; the log has all of it. */
const LONGEST_REASON = 500;
/** What is still wanted is tried at most ten minutes after its pause, deliveries and second readings within a day. */
const UNTRIED_FOR = sql.raw("interval '1 day'");
/** Entries that are looked at in one turn for whether their subject is still there. */
const MOST_SWEPT = 200;

/** Whether an error says something about the subject alone. A lost connection or a rival transaction does not. */
export function isItsOwn(error: unknown): boolean {
  const fault = classify(error);
  return fault === 'permanent' || fault === 'too_slow';
}

/** The same where Horizon or Temporal is asked, too: only PostgreSQL's word counts, and values that no code can take. */
export function isItsOwnBesideOthers(error: unknown): boolean {
  return (errorCode(error) !== null && isItsOwn(error)) || cannotPass(error);
}

/** Sets a subject aside for a while, longer each time, and asks a person, unless the same was answered before. */
export async function setAside(
  db: Db,
  kind: AsideKind,
  subject: string,
  error: unknown,
): Promise<void> {
  const reason = storable(reasonOf(error), LONGEST_REASON);
  await db.execute(sql`
    WITH aside AS (
      INSERT INTO settlement.set_aside AS a (kind, subject, until, error)
      VALUES (${kind}, ${subject}, now() + interval '2 seconds', ${reason})
      ON CONFLICT (kind, subject) DO UPDATE SET failures = a.failures + 1, error = excluded.error, failed_at = now(),
        until = now() + least(${LONGEST_PAUSE}, interval '2 seconds' * power(2, least(a.failures, ${MOST_DOUBLINGS}))))
    INSERT INTO settlement.attention (subject, kind, detail)
    SELECT x.subject, 'set_aside', x.detail
    FROM (VALUES (${subject}::text, ${`${IN_WORDS[kind]}: ${reason}`}::text)) AS x(subject, detail)
    WHERE NOT EXISTS (SELECT FROM settlement.attention t WHERE t.subject = x.subject AND t.kind = 'set_aside'
      AND t.detail = x.detail AND t.resolved_by <> 'settle')
    ON CONFLICT (subject, kind) WHERE resolved_at IS NULL DO NOTHING`);
}

/**
 * Forgets the failures of subjects that have succeeded, or are gone. What was asked about them closes with the last one, and
 * sessions are woken, so that they come to rest.
 */
export async function takeBack(
  db: Db,
  kind: AsideKind,
  subjects: readonly string[],
): Promise<void> {
  if (subjects.length === 0) return;
  await db.execute(sql`
    WITH gone AS (
      DELETE FROM settlement.set_aside
      WHERE kind = ${kind} AND subject = ANY(${sql.param(subjects)}::text[]) RETURNING subject),
    closed AS (
      UPDATE settlement.attention t SET resolved_at = now(), resolved_by = 'settle', reason = 'it went through'
      FROM gone WHERE t.subject = gone.subject AND t.kind = 'set_aside' AND t.resolved_at IS NULL
        AND NOT EXISTS (SELECT FROM settlement.set_aside other
          WHERE other.subject = gone.subject AND other.kind <> ${kind})
      RETURNING t.subject)
    UPDATE settlement.active_sessions a SET wake_after = now()
    FROM closed WHERE a.session_id = CASE WHEN ${kind} IN ('settle', 'follow', 'wake') THEN closed.subject::uuid END`);
}

/** Whether a subject (an expression of text) is set aside now. */
export function isAside(kind: AsideKind, subject: SQL): SQL {
  return sql`EXISTS (SELECT FROM settlement.set_aside aside
    WHERE aside.kind = ${kind} AND aside.subject = ${subject} AND aside.until > now())`;
}

/** Why a subject (an expression of text) is set aside now, in words; null where it is not. */
export function whyAside(kind: AsideKind, subject: SQL): SQL {
  return sql`(SELECT ${sql.raw(`'${IS_ASIDE}'`)} || aside.error FROM settlement.set_aside aside
    WHERE aside.kind = ${kind} AND aside.subject = ${subject} AND aside.until > now())`;
}

/** Of these subjects, those that are set aside now, each with the reason in words. */
export async function asideAmong(
  db: Db,
  kind: AsideKind,
  subjects: readonly string[],
): Promise<Map<string, string>> {
  if (subjects.length === 0) return new Map();
  const { rows } = await db.execute<{ subject: string; error: string }>(sql`
    SELECT subject, error FROM settlement.set_aside
    WHERE kind = ${kind} AND subject = ANY(${sql.param(subjects)}::text[]) AND until > now()`);
  return new Map(rows.map(({ subject, error }) => [subject, IS_ASIDE + error]));
}

/**
 * Forgets failures whose pause is over and whose subject nobody will try again: sessions that were deleted, or followed by
 * another way meanwhile, accounts that were read, and whatever nobody wanted for a day.
 */
export async function forgetGone(db: Db): Promise<void> {
  const { rows } = await db.execute<{ kind: AsideKind; subject: string }>(sql`
    SELECT a.kind, a.subject FROM (SELECT * FROM settlement.set_aside
      WHERE until <= now() ORDER BY until LIMIT ${MOST_SWEPT}) a
    WHERE a.until <= now() - ${UNTRIED_FOR} OR CASE a.kind
      WHEN 'read' THEN NOT EXISTS (SELECT FROM settlement.watched_accounts w
        WHERE w.account = a.subject AND w.problem IS NOT NULL)
      WHEN 'follow' THEN NOT EXISTS (SELECT FROM checkout_sessions
        WHERE id = a.subject::uuid AND ${sql.raw(`(${UNSEEN})`)})
      WHEN 'wake' THEN NOT EXISTS (SELECT FROM settlement.active_sessions
        WHERE session_id = a.subject::uuid AND wake_after IS NOT NULL)
      WHEN 'settle' THEN NOT EXISTS (SELECT FROM checkout_sessions WHERE id = a.subject::uuid) END`);
  const byKind = Map.groupBy(rows, ({ kind }) => kind);
  for (const [kind, gone] of byKind) {
    await takeBack(
      db,
      kind,
      gone.map(({ subject }) => subject),
    );
  }
}
