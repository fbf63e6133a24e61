import { Command } from 'commander';
import { loadDatabaseConfig } from '../config.ts';
import { connect } from '../db/connection.ts';
import { lastRun } from '../db/reconcile-runs.ts';
import { readStanding, type Standing } from '../db/standing.ts';
import { sumInWords, type ReconcileReport } from '../domain/discrepancy.ts';
import { describeSchedule } from '../schedule.ts';
import { isRunning } from '../temporal.ts';
import { watcherWorkflowId } from '../workflows/contract.ts';
import { cadenceOf } from './cadence.ts';
import { EXIT } from './errors.ts';
import { fields, print } from './output.ts';
import { withTemporal } from './temporal.ts';

/** What Temporal says of the whole; null where it does not answer. */
type Runs = {
  readonly watcherRuns: boolean;
  readonly schedule: 'running' | 'paused' | 'missing';
  readonly nextRun: string | null;
};

/** `settle status` */
export function statusCommand(): Command {
  return new Command('status')
    .description(
      'one screen: what waits, what is wrong, what needs a person; exit 1 when something is wrong',
    )
    .action(async (_options: unknown, command: Command) => {
      const { DATABASE_URL } = loadDatabaseConfig(process.env);
      const { networkName } = await cadenceOf(process.env);
      const database = connect(DATABASE_URL, { max: 2, applicationName: 'settle status' });
      try {
        const standing = await readStanding(database.db);
        const reconciled = await lastRun(database.db);
        const runs = await askTemporal(networkName);
        const wrong = problemsOf(standing, runs, reconciled?.report ?? null);
        print(
          command,
          { network: networkName, ...standing, temporal: runs, reconciled, wrong },
          inWords(networkName, standing, runs, reconciled, wrong),
        );
        if (wrong.length > 0) process.exitCode = EXIT.failed;
      } finally {
        await database.close();
      }
    });
}

async function askTemporal(networkName: string): Promise<Runs | null> {
  try {
    return await withTemporal(async (client) => {
      const schedule = await describeSchedule(client, networkName);
      return {
        watcherRuns: await isRunning(client, watcherWorkflowId(networkName)),
        schedule: schedule === null ? 'missing' : schedule.state.paused ? 'paused' : 'running',
        nextRun: schedule?.info.nextActionTimes[0]?.toISOString() ?? null,
      };
    });
  } catch {
    return null;
  }
}

/** The same limits as deploy/alerts.yml. */
function problemsOf(
  standing: Standing,
  runs: Runs | null,
  report: ReconcileReport | null,
): string[] {
  const reconciledAt = (standing.reconciledAt ?? Number.POSITIVE_INFINITY) * 1000;
  const failed = Object.keys(report?.failed ?? {});
  const found: [boolean, string][] = [
    [runs === null, 'Temporal does not answer'],
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

function inWords(
  networkName: string,
  standing: Standing,
  runs: Runs | null,
  reconciled: { finishedAt: string; report: ReconcileReport } | null,
  wrong: readonly string[],
): string {
  const lag = Object.entries(standing.coverageLag).map(
    ([account, s]) => `${account.slice(0, 8)}… ${seconds(s)}`,
  );
  const attention = Object.entries(standing.attention).map(([kind, n]) => `${kind} ${n}`);
  return fields([
    ['network', networkName],
    [
      'watcher',
      runs === null ? 'Temporal does not answer' : runs.watcherRuns ? 'runs' : 'DOES NOT RUN',
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

function seconds(s: number): string {
  return s < 120 ? `${Math.round(s)} s` : `${Math.round(s / 60)} min`;
}
