import { Command } from 'commander';
import { loadDatabaseConfig } from '../config.ts';
import { migrate } from '../db/migrate.ts';
import { print } from './output.ts';

/** `settle migrate` */
export function migrateCommand(): Command {
  return new Command('migrate')
    .description('bring the database of DATABASE_URL to this version (safe to repeat)')
    .action(async (_options: unknown, command: Command) => {
      const { DATABASE_URL, NETWORK_PASSPHRASE } = loadDatabaseConfig(process.env);
      const report = await migrate(DATABASE_URL, { networkPassphrase: NETWORK_PASSPHRASE });
      const doubled = report.supersededPayments;
      print(
        command,
        report,
        `The database is up to date, for the network "${report.network}".` +
          (doubled > 0 ? ` ${doubled} doubled payments row(s) now point to the first one.` : ''),
      );
    });
}
