/** P5 against Temporal: who is not at rest has a workflow that runs, or is about to be woken. */
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { createCollector, type Found } from './audit-findings.ts';
import type { Db } from './connection.ts';

/** What the look at Temporal showed. */
export type RunsReport = Found & {
  /** Sessions that are not at rest. */
  readonly sessions: number;
  /** Those of them that a wake is due for: the watcher starts their runs. */
  readonly dueWakes: number;
};

/** Whether a session's workflow runs. Throws when Temporal does not answer. */
export type IsRunning = (sessionId: string) => Promise<boolean>;

type Active = { id: string; woken: boolean };

/** Sessions read in one statement. */
const PAGE = 500;
/** Questions to Temporal under way at once. */
const AT_ONCE = 20;
/** The first key of all. */
const START = '00000000-0000-0000-0000-000000000000';
/** A wake that has been due for longer is one that nobody sends. */
const WAKE_WITHIN = sql`interval '60 seconds'`;

/**
 * Looks for the run of every session in the work list. One without is looked at again when patience is at its end: it may
 * have come to rest, or been woken. (A run is lost for minutes at most while reconciliation works.)
 */
export async function auditRuns(
  db: Db,
  isRunning: IsRunning,
  { patienceMs = 0 }: { patienceMs?: number } = {},
): Promise<RunsReport> {
  const collector = createCollector();
  let [sessions, dueWakes] = [0, 0];
  for (let after: string | null = START; after !== null;) {
    const { rows }: { rows: Active[] } = await db.execute<Active>(sql`
      SELECT a.session_id AS id, a.wake_after BETWEEN now() - ${WAKE_WITHIN} AND now() + interval '10 seconds' IS TRUE AS woken
      FROM settlement.active_sessions a WHERE a.session_id > ${after}::uuid
      ORDER BY a.session_id LIMIT ${PAGE}`);
    sessions += rows.length;
    dueWakes += rows.filter(({ woken }) => woken).length;
    const asked = rows.filter(({ woken }) => !woken).map(({ id }) => id);
    let missing = await withoutRun(asked, isRunning);
    if (missing.length > 0 && patienceMs > 0) {
      await sleep(patienceMs);
      missing = await withoutRun(await stillActive(db, missing), isRunning);
    }
    collector.add(
      missing.map((id) => ({
        promise: 'P5',
        check: 'no_run',
        subject: `session ${id}`,
        problem: 'It is not at rest, and no workflow runs for it.',
      })),
    );
    after = rows.length < PAGE ? null : (rows.at(-1)?.id ?? null);
  }
  return { sessions, dueWakes, ...collector.result() };
}

async function withoutRun(ids: readonly string[], isRunning: IsRunning): Promise<string[]> {
  const missing: string[] = [];
  for (let i = 0; i < ids.length; i += AT_ONCE) {
    const some = ids.slice(i, i + AT_ONCE);
    const running = await Promise.all(some.map((id) => isRunning(id)));
    missing.push(...some.filter((_, k) => running[k] === false));
  }
  return missing;
}

async function stillActive(db: Db, ids: readonly string[]): Promise<string[]> {
  const { rows } = await db.execute<{ id: string }>(sql`
    SELECT session_id AS id FROM settlement.active_sessions WHERE session_id = ANY(${sql.param(ids)}::uuid[])`);
  return rows.map(({ id }) => id);
}
