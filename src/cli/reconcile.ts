import type { Command } from 'commander';
import { reconcileNow } from '../schedule.ts';
import { reportInWords } from '../domain/discrepancy.ts';
import { cadenceOf } from './cadence.ts';
import { EXIT } from './errors.ts';
import { print } from './output.ts';
import { withTemporal } from './temporal.ts';

/** `settle reconcile` */
export function reconcileCommand(top: Command): Command {
  return top
    .option('--dry-run', 'only say what there is')
    .action(async ({ dryRun = false }: { dryRun?: boolean }, command: Command) => {
      const { networkName } = await cadenceOf(process.env);
      const report = await withTemporal((client) => reconcileNow(client, networkName, { dryRun }));
      print(command, report, reportInWords);
      const left = Object.values(report.classes).some((tally) => tally.left > 0);
      if (!dryRun && (left || Object.keys(report.failed).length > 0))
        process.exitCode = EXIT.failed;
    });
}
