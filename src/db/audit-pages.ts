/** Every page of sessions, checked, each in a snapshot of its own. */
import { Pool } from 'pg';
import { addCounts } from './audit-excuses.ts';
import { auditSessions, nextSessions, type SessionsAudited } from './audit-sessions.ts';
import { inSnapshot } from './audit-snapshot.ts';
import type { Db } from './connection.ts';

/** Pages that are checked at once. */
const AT_ONCE = 2;

/**
 * Every page of sessions, checked, in whatever order they are done: while PostgreSQL reads one, another is checked here, and
 * a session with very many payments holds up no other page. `db` on a client of a caller's transaction reads one at a time.
 */
export async function* sessionPages(
  db: Db,
): AsyncGenerator<SessionsAudited & { sessions: number }> {
  const most = db.$client instanceof Pool ? AT_ONCE : 1;
  type Page = SessionsAudited & { sessions: number };
  const underWay = new Map<number, Promise<readonly [number, Page]>>();
  let number = 0;
  for (let ids = await nextSessions(db, null); ids.length > 0 || underWay.size > 0;) {
    if (ids.length > 0 && underWay.size < most) {
      const n = (number += 1);
      const page = auditPage(db, ids).then((done) => [n, done] as const);
      // It is awaited later; a failure until then is not an unhandled one.
      page.catch(() => undefined);
      underWay.set(n, page);
      ids = await nextSessions(db, ids.at(-1) ?? null);
      continue;
    }
    const [n, done] = await Promise.race(underWay.values());
    underWay.delete(n);
    yield done;
  }
}

async function auditPage(
  db: Db,
  ids: readonly string[],
): Promise<SessionsAudited & { sessions: number }> {
  try {
    const page = await inSnapshot(db, (snapshot) => auditSessions(snapshot, ids));
    return { ...page, sessions: ids.length };
  } catch (error) {
    // Numbers that are none (PostgreSQL has a NaN) must not end the audit of all others.
    if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error;
    const [id] = ids;
    if (ids.length === 1 && id !== undefined) return { ...unreadable(id, error), sessions: 1 };
    const parts = [];
    for (const one of ids) parts.push(await auditPage(db, [one]));
    return together(parts);
  }
}

function unreadable(id: string, { message }: Error): SessionsAudited {
  const problem = `Its rows hold what cannot be read: ${message}`;
  const finding = {
    promise: 'P2',
    check: 'unreadable',
    subject: `session ${id}`,
    problem,
  } as const;
  const nothing = { events: 0, unsent: [], foreign: [], excused: [] };
  return { ...nothing, found: [finding], more: new Map(), moreExcused: new Map() };
}

function together(
  parts: readonly (SessionsAudited & { sessions: number })[],
): SessionsAudited & { sessions: number } {
  return {
    sessions: parts.length,
    events: parts.reduce((sum, { events }) => sum + events, 0),
    found: parts.flatMap(({ found }) => found),
    unsent: parts.flatMap(({ unsent }) => unsent),
    foreign: parts.flatMap(({ foreign }) => foreign),
    excused: parts.flatMap(({ excused }) => excused),
    more: parts.map(({ more }) => more).reduce(addCounts, new Map()),
    moreExcused: parts.map(({ moreExcused }) => moreExcused).reduce(addCounts, new Map()),
  };
}
