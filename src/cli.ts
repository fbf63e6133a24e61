#!/usr/bin/env node
/** `settle`: the system on the command line. One sentence for an error, and an exit code that says whose it was. */
import { Command, CommanderError } from 'commander';
import { attentionCommand } from './cli/attention.ts';
import { adoptCommand } from './cli/adopt.ts';
import { auditCommand } from './cli/audit.ts';
import { demoCommand } from './cli/demo.ts';
import { endpointCommand } from './cli/endpoint.ts';
import { EXIT, explain } from './cli/errors.ts';
import { listenCommand } from './cli/listen.ts';
import { migrateCommand } from './cli/migrate.ts';
import { networkCommand } from './cli/network.ts';
import { paymentsCommand } from './cli/payments.ts';
import { reconcileCommand } from './cli/reconcile.ts';
import { scheduleCommand } from './cli/schedule.ts';
import { secretsCommand } from './cli/secrets.ts';
import { sessionCommand } from './cli/session.ts';
import { statusCommand } from './cli/status.ts';
import { triggerCommand } from './cli/trigger.ts';
import { workerCommand } from './cli/worker.ts';

const program = new Command('settle')
  .description('Exactly-once settlement of Stellar checkout payments.')
  .option('--json', 'print JSON, one document, for programs')
  .addHelpText(
    'after',
    `
Settings come from the environment (.env.example lists them with their reasons).
Exit codes: 0 done · 1 failed, or a promise is broken · 2 wrong input or settings · 3 something does not answer.`,
  )
  .addCommand(adoptCommand())
  .addCommand(migrateCommand())
  .addCommand(workerCommand())
  .addCommand(demoCommand())
  .addCommand(listenCommand())
  .addCommand(triggerCommand())
  .addCommand(auditCommand())
  .addCommand(statusCommand())
  .addCommand(reconcileCommand())
  .addCommand(scheduleCommand())
  .addCommand(sessionCommand())
  .addCommand(paymentsCommand())
  .addCommand(attentionCommand())
  .addCommand(endpointCommand())
  .addCommand(networkCommand())
  .addCommand(secretsCommand());
for (const command of allOf(program)) {
  command
    .exitOverride()
    .showSuggestionAfterError()
    .showHelpAfterError('(--help shows what there is)');
  // Understood before and after the command's name.
  if (command !== program) command.option('--json', 'print JSON, one document, for programs');
}

function allOf(command: Command): Command[] {
  return [command, ...command.commands.flatMap(allOf)];
}

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has said it already; `--help` is no failure.
    process.exitCode = error.exitCode === 0 ? 0 : EXIT.input;
  } else {
    const { message, exitCode } = explain(error);
    process.stderr.write(`${message}\n`);
    process.exitCode = exitCode;
  }
}
