/** The runs of reconciliation that have ended, for operators. */
import { sql } from 'drizzle-orm';
import type { ReconcileReport } from '../domain/discrepancy.ts';
import { storableJson } from '../domain/text.ts';
import type { Db } from './connection.ts';

/** When a run begins, by the database's clock, and whether 24 hours have passed since the last thorough one. */
export async function beginRun(db: Db): Promise<{ startedAt: string; thorough: boolean }> {
  const { rows } = await db.execute<{ now: string; thorough: boolean }>(sql`
    SELECT now()::text AS now, NOT EXISTS (SELECT FROM settlement.reconcile_runs r
      WHERE r.started_at > now() - interval '1 day' AND (r.report->>'thorough')::boolean) AS thorough`);
  const [row] = rows;
  return {
    startedAt: new Date(row?.now ?? 0).toISOString(),
    thorough: row?.thorough ?? true,
  };
}

/** Keeps the report of a run that has ended, and forgets those older than 30 days. */
export async function recordRun(db: Db, report: ReconcileReport): Promise<void> {
  await db.execute(sql`
    WITH old AS (
      DELETE FROM settlement.reconcile_runs WHERE started_at < now() - interval '30 days')
    INSERT INTO settlement.reconcile_runs (started_at, finished_at, report)
    VALUES (${report.startedAt}, now(), ${storableJson(report)}::jsonb)`);
}

/** The newest run that has ended; null before the first. */
export async function lastRun(
  db: Db,
): Promise<{ finishedAt: string; report: ReconcileReport } | null> {
  const { rows } = await db.execute<{ finished_at: string; report: ReconcileReport }>(sql`
    SELECT finished_at::text, report FROM settlement.reconcile_runs ORDER BY id DESC LIMIT 1`);
  const [row] = rows;
  if (row === undefined) return null;
  return { finishedAt: new Date(row.finished_at).toISOString(), report: row.report };
}

/** Remembers when a worker first ran on this database: from then on, nobody else settles. */
export async function noteAdoption(db: Db): Promise<void> {
  await db.execute(sql`UPDATE settlement.network SET adopted_at = now() WHERE adopted_at IS NULL`);
}
