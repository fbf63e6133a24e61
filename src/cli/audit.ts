import { Command } from 'commander';
import { loadDatabaseConfig } from '../config.ts';
import { auditDatabase } from '../db/audit.ts';
import { EXIT } from './errors.ts';
import { print } from './output.ts';

/** `settle audit` */
export function auditCommand(): Command {
  return new Command('audit')
    .description('check the promises P1–P3 against the database; exit 1 when one is broken')
    .action(async (_options: unknown, command: Command) => {
      const { DATABASE_URL } = loadDatabaseConfig(process.env);
      const report = await auditDatabase(DATABASE_URL);
      const { sessions, ledgerPayments, events, findings } = report;
      const scope = `${sessions} sessions, ${ledgerPayments} ledger payments and ${events} events`;
      const words =
        findings.length === 0
          ? `P1, P2 and P3 hold for ${scope}.`
          : [
              `${findings.length} promise(s) broken among ${scope}:`,
              ...findings.map((f) => `${f.promise}  ${f.subject}: ${f.problem}`),
            ].join('\n');
      print(command, report, words);
      if (findings.length > 0) process.exitCode = EXIT.failed;
    });
}
