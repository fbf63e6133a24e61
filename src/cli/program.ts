/** The whole of `settle`: its commands, and what an error is on a shell. */
import { Command, CommanderError } from 'commander';
import { accountCommand } from './account.ts';
import { attentionCommand } from './attention.ts';
import { adoptCommand } from './adopt.ts';
import { auditCommand } from './audit.ts';
import { demoCommand } from './demo.ts';
import { endpointCommand } from './endpoint.ts';
import { EXIT, explain } from './errors.ts';
import { listenCommand } from './listen.ts';
import { merchantCommand } from './merchant.ts';
import { migrateCommand } from './migrate.ts';
import { networkCommand } from './network.ts';
import { COMMANDER_OUTPUT, printError } from './output.ts';
import { paymentsCommand } from './payments.ts';
import { reconcileCommand } from './reconcile.ts';
import { scheduleCommand } from './schedule.ts';
import { secretsCommand } from './secrets.ts';
import { sessionCommand } from './session.ts';
import { statusCommand } from './status.ts';
import { triggerCommand } from './trigger.ts';
import { webhookCommand } from './webhook.ts';
import { workerCommand } from './worker.ts';

/** Runs one command line. What went wrong is one sentence on standard error; `process.exitCode` says whose fault it was. */
export async function runSettle(args: readonly string[]): Promise<void> {
  try {
    await program().parseAsync(args, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has said it already; `--help` is no failure.
      process.exitCode = error.exitCode === 0 ? 0 : EXIT.input;
    } else {
      const { message, exitCode } = explain(error);
      printError(message);
      process.exitCode = exitCode;
    }
  }
}

/** The commands, as a tree; each leaf has its options. Runs nothing. */
export function program(): Command {
  const settle = new Command('settle')
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
    .addCommand(merchantCommand())
    .addCommand(accountCommand())
    .addCommand(endpointCommand())
    .addCommand(webhookCommand())
    .addCommand(networkCommand())
    .addCommand(secretsCommand());
  for (const command of allOf(settle)) {
    command
      .configureOutput(COMMANDER_OUTPUT)
      .exitOverride()
      .showSuggestionAfterError()
      .showHelpAfterError('(--help shows what there is)');
    // Understood before and after the command's name.
    if (command !== settle) command.option('--json', 'print JSON, one document, for programs');
  }

  return settle;
}

function allOf(command: Command): Command[] {
  return [command, ...command.commands.flatMap(allOf)];
}
