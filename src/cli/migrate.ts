import { Command } from 'commander';
import { loadMigrationConfig } from '../config.ts';
import { migrate } from '../db/migrate.ts';
import { shownText } from '../domain/shown.ts';
import { instant } from './adopt.ts';
import { print } from './output.ts';

/** `settle migrate` */
export function migrateCommand(): Command {
  return new Command('migrate')
    .description('bring the database of DATABASE_URL to this version (safe to repeat)')
    .option(
      '--history-from <instant>',
      'what an older backend has ended since is judged anew, what it ended before stands by its row; the first migration stores it (30 days ago, unless given)',
      instant,
    )
    .action(async ({ historyFrom }: { historyFrom?: Date }, command: Command) => {
      const { DATABASE_URL, NETWORK_PASSPHRASE, APP_ROLE, READ_ROLE } = loadMigrationConfig(
        process.env,
      );
      const report = await migrate(DATABASE_URL, {
        networkPassphrase: NETWORK_PASSPHRASE,
        historyFrom: historyFrom ?? null,
        roles: { app: APP_ROLE ?? null, read: READ_ROLE ?? null },
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
