import type { Command } from 'commander';
import { loadMigrationConfig } from '../config.ts';
import { migrate } from '../db/migrate.ts';
import { rightsProblems } from '../db/rights-check.ts';
import { shownText } from '../domain/shown.ts';
import { instant } from './adopt.ts';
import { EXIT } from './errors.ts';
import { print } from './output.ts';

type Options = { readonly historyFrom?: Date; readonly check?: true };

/** `settle migrate --check`: any role of the database may ask; nothing is changed. */
async function checkRights(
  config: ReturnType<typeof loadMigrationConfig>,
  command: Command,
): Promise<void> {
  const { DATABASE_URL, APP_ROLE = null, READ_ROLE = null, TRUSTED_DATABASE_CODE } = config;
  const found = await rightsProblems(DATABASE_URL, {
    roles: { app: APP_ROLE, read: READ_ROLE },
    trusted: TRUSTED_DATABASE_CODE,
  });
  const named = [APP_ROLE, READ_ROLE].filter((role) => role !== null);
  print(command, { problems: found, roles: named }, ({ problems, roles }) => {
    if (problems.length > 0) return problems.join('\n');
    const asked =
      roles.length === 0
        ? 'APP_ROLE and READ_ROLE are not set: no role was looked at'
        : `looked at ${roles.join(' and ')}`;
    return `Nothing is more than it should be (${asked}).`;
  });
  if (found.length > 0) process.exitCode = EXIT.failed;
}

/** `settle migrate` */
export function migrateCommand(top: Command): Command {
  return top
    .option(
      '--history-from <instant>',
      'what an older backend has ended since is judged anew, what it ended before stands by its row; the first migration stores it (30 days ago, unless given)',
      instant,
    )
    .option(
      '--check',
      'only look: which rights are more than ours, and what of others would run with our rights; exit 1 when there is any',
    )
    .action(async ({ historyFrom, check }: Options, command: Command) => {
      const config = loadMigrationConfig(process.env);
      if (check === true) return checkRights(config, command);
      const { DATABASE_URL, NETWORK_PASSPHRASE, APP_ROLE, READ_ROLE } = config;
      const report = await migrate(DATABASE_URL, {
        networkPassphrase: NETWORK_PASSPHRASE,
        historyFrom: historyFrom ?? null,
        roles: { app: APP_ROLE ?? null, read: READ_ROLE ?? null },
        trusted: config.TRUSTED_DATABASE_CODE,
      });
      const granted = [APP_ROLE, READ_ROLE].filter((role) => role !== undefined);
      const storedBefore =
        historyFrom !== undefined && report.historyFrom !== historyFrom.toISOString();
      print(
        command,
        report,
        (shown) =>
          `The database is up to date, for the network "${shown.network}".` +
          (granted.length > 0
            ? ` Rights are given to ${granted.map(shownText).join(' and ')}.`
            : '') +
          (storedBefore
            ? ` It was migrated before: what was stored then stands, history from ${shown.historyFrom}.`
            : '') +
          (shown.supersededPayments > 0
            ? ` ${shown.supersededPayments} doubled payments row(s) now point to the first one.`
            : ''),
      );
    });
}
