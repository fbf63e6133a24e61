/** What fails by itself is set aside, with growing pauses, so that it takes no turn and no place in a list from the rest. */
import { sql, type SQL } from 'drizzle-orm';
import { reasonOf } from '../domain/failure.ts';
import type { Db } from './connection.ts';
import { classify } from './sqlstate.ts';

/** Where something failed: settling a session, or following what the backend wrote of it. The subject is its id. */
export type AsideKind = 'settle' | 'follow';

/** Pauses: 2 s, 4 s, 8 s … up to this. What was mended is tried again within it. */
const LONGEST_PAUSE = sql.raw("interval '10 minutes'");
/** 2 s × 2^9 is above the longest pause; counting on must not overflow. */
const MOST_DOUBLINGS = 9;

/** Whether an error says something about the subject alone. A lost connection or a rival transaction does not. */
export function isItsOwn(error: unknown): boolean {
  const fault = classify(error);
  return fault === 'permanent' || fault === 'too_slow';
}

/** Sets a subject aside for a while, longer each time. */
export async function setAside(
  db: Db,
  kind: AsideKind,
  subject: string,
  error: unknown,
): Promise<void> {
  await db.execute(sql`
    INSERT INTO settlement.set_aside AS a (kind, subject, until, error)
    VALUES (${kind}, ${subject}, now() + interval '2 seconds', ${reasonOf(error)})
    ON CONFLICT (kind, subject) DO UPDATE SET failures = a.failures + 1, error = excluded.error, failed_at = now(),
      until = now() + least(${LONGEST_PAUSE}, interval '2 seconds' * power(2, least(a.failures, ${MOST_DOUBLINGS})))`);
}

/** Forgets the failures of subjects that have succeeded, or are gone. */
export async function takeBack(
  db: Db,
  kind: AsideKind,
  subjects: readonly string[],
): Promise<void> {
  if (subjects.length === 0) return;
  await db.execute(sql`
    DELETE FROM settlement.set_aside
    WHERE kind = ${kind} AND subject = ANY(${sql.param(subjects)}::text[])`);
}

/** Whether a subject (an expression of text) is set aside now. */
export function isAside(kind: AsideKind, subject: SQL): SQL {
  return sql`EXISTS (SELECT FROM settlement.set_aside aside
    WHERE aside.kind = ${kind} AND aside.subject = ${subject} AND aside.until > now())`;
}
