import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { loadDatabaseConfig } from '../config.ts';
import { connect } from '../db/connection.ts';
import { lastRun } from '../db/reconcile-runs.ts';
import { readStanding, type Standing } from '../db/standing.ts';
import { databaseVersion, type DatabaseVersion } from '../db/versions.ts';
import { sumInWords, type ReconcileReport } from '../domain/discrepancy.ts';
import { cadenceOf } from './cadence.ts';
import { EXIT } from './errors.ts';
import { fields, print } from './output.ts';
import { askTemporal, type Runs } from './status-temporal.ts';

/** Of what is at work. */
type Versions = DatabaseVersion & { readonly settle: string };

/** `settle status` */
export function statusCommand(top: Command): Command {
  return top.action(async (_options: unknown, command: Command) => {
    const { DATABASE_URL } = loadDatabaseConfig(process.env);
    const { networkName } = await cadenceOf(process.env);
    const database = connect(DATABASE_URL, { max: 2, applicationName: 'settle status' });
    try {
      const standing = await readStanding(database.db);
      const reconciled = await lastRun(database.db);
      const runs = await askTemporal(networkName);
      const versions = { settle: ownVersion(), ...(await databaseVersion(database.db)) };
      const wrong = problemsOf(standing, runs, versions, reconciled?.report ?? null);
      const found = { network: networkName, ...standing, versions, temporal: runs, reconciled };
      print(command, { ...found, wrong }, inWords);
      if (wrong.length > 0) process.exitCode = EXIT.failed;
    } finally {
      await database.close();
    }
  });
}

function ownVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** The same limits as deploy/alerts.yml. */
function problemsOf(
  standing: Standing,
  runs: Runs | null,
  { stands, migration }: Versions,
  report: ReconcileReport | null,
): string[] {
  const reconciledAt = (standing.reconciledAt ?? Number.POSITIVE_INFINITY) * 1000;
  const failed = Object.keys(report?.failed ?? {});
  const found: [boolean, string][] = [
    [runs === null, 'Temporal does not answer'],
    [stands === 'behind', `the database is not migrated (${migration}): run \`settle migrate\``],
    [
      stands === 'ahead',
      `the database is ${migration}, so this version is older than the workers'`,
    ],
    [runs?.workers.length === 0, 'no worker runs'],
    [(runs?.failedRuns ?? 0) > 0, `${runs?.failedRuns} run(s) of sessions failed within a day`],
    [
      (runs?.troubledRuns ?? 0) > 0,
      `${runs?.troubledRuns} run(s) cannot go on: their tasks fail (TemporalReportedProblems in Temporal's UI)`,
    ],
    [runs?.watcherRuns === false, 'the watcher does not run: is a worker running?'],
    [
      runs !== null && runs.schedule !== 'running',
      `the schedule of reconciliation is ${runs?.schedule}`,
    ],
    [
      Date.now() - reconciledAt > 20 * 60_000,
      'reconciliation has not ended for over twenty minutes',
    ],
    [failed.length > 0, `reconciliation could not look for ${failed.join(', ')}`],
    [standing.sinceReading > 300, 'no account has been read for over five minutes'],
    [standing.unreadable > 0, `${standing.unreadable} account(s) cannot be read`],
    [standing.oldestEventDue > 600, 'an event has been due for over ten minutes'],
    [standing.deadLetters > 0, `${standing.deadLetters} event(s) were given up`],
    [
      total(standing.attention) > 0,
      `${total(standing.attention)} thing(s) need a person: settle attention list`,
    ],
  ];
  return found.filter(([isSo]) => isSo).map(([, words]) => words);
}

function total(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, n) => sum + n, 0);
}

/** Everything that one screen shows. */
type Found = Standing & {
  readonly network: string;
  readonly versions: Versions;
  readonly temporal: Runs | null;
  readonly reconciled: { finishedAt: string; report: ReconcileReport } | null;
};

function inWords({
  network,
  versions,
  temporal: runs,
  reconciled,
  wrong,
  ...standing
}: Found & { readonly wrong: readonly string[] }): string {
  const lag = Object.entries(standing.coverageLag).map(
    ([account, s]) => `${account.slice(0, 8)}… ${seconds(s)}`,
  );
  const attention = Object.entries(standing.attention).map(([kind, n]) => `${kind} ${n}`);
  return fields([
    ['network', network],
    ['versions', versionsInWords(versions, runs)],
    ['workers', runs === null ? null : runs.workers.join(', ') || 'NONE'],
    [
      'watcher',
      runs === null ? 'Temporal does not answer' : runs.watcherRuns ? 'runs' : 'DOES NOT RUN',
    ],
    [
      'runs',
      runs === null
        ? null
        : `${runs.openRuns} open, ${runs.failedRuns} failed within a day` +
          (runs.troubledRuns === null ? '' : `, ${runs.troubledRuns} cannot go on`),
    ],
    ['last reading', `${seconds(standing.sinceReading)} ago`],
    ['coverage behind', lag.join(', ') || 'nowhere over two minutes'],
    ['open sessions', standing.openSessions],
    ['undecided payments', standing.undecided],
    ['events due', `${standing.eventsDue} (the oldest for ${seconds(standing.oldestEventDue)})`],
    ['dead letters', standing.deadLetters],
    ['needs a person', attention.join(', ') || 'nothing'],
    [
      'reconciled',
      reconciled === null ? 'never' : `${reconciled.finishedAt}, ${sumInWords(reconciled.report)}`,
    ],
    ['next run', runs?.nextRun ?? null],
    ...wrong.map((words) => ['WRONG', words] as const),
    ...(wrong.length === 0 ? [['all is well', ''] as const] : []),
  ]);
}

function versionsInWords(versions: Versions, runs: Runs | null): string {
  const { settle, migration, postgresql } = versions;
  const temporal = runs === null ? '' : `, Temporal ${runs.serverVersion}`;
  return `settle ${settle}, migration ${migration}, PostgreSQL ${postgresql}${temporal}`;
}

function seconds(s: number): string {
  return s < 120 ? `${Math.round(s)} s` : `${Math.round(s / 60)} min`;
}
