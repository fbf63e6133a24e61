/** The whole of `settle`: its commands, and what an error is on a shell. */
import { Command, CommanderError } from 'commander';
import { EXIT, explain } from './errors.ts';
import { COMMANDER_OUTPUT, printError } from './output.ts';

/** Gives a command its options, its sub-commands, and what it does. */
type Fill = (command: Command) => Command;

type Entry = {
  readonly name: string;
  readonly description: string;
  /** Loads what the command needs: most of a short command's time is the reading of modules. */
  readonly load: () => Promise<Fill>;
};

const ENTRIES: readonly Entry[] = [
  {
    name: 'adopt',
    description:
      "what adopting an older backend's database would do; exit 1 when something would stop it",
    load: async () => (await import('./adopt.ts')).adoptCommand,
  },
  {
    name: 'migrate',
    description: 'bring the database of DATABASE_URL to this version (safe to repeat)',
    load: async () => (await import('./migrate.ts')).migrateCommand,
  },
  {
    name: 'worker',
    description: 'run a worker until SIGTERM, then drain',
    load: async () => (await import('./worker.ts')).workerCommand,
  },
  {
    name: 'demo',
    description:
      'play every kind of payment on a ledger of its own, kill the worker, audit the result',
    load: async () => (await import('./demo.ts')).demoCommand,
  },
  {
    name: 'listen',
    description:
      'show the events of a running sandbox (SETTLE_SANDBOX), and hand them on, until ^C',
    load: async () => (await import('./listen.ts')).listenCommand,
  },
  {
    name: 'trigger',
    description:
      'make a case happen on a running sandbox (SETTLE_SANDBOX), with signed transactions',
    load: async () => (await import('./trigger.ts')).triggerCommand,
  },
  {
    name: 'audit',
    description: 'check the promises P1–P4 against the database; exit 1 when one is broken',
    load: async () => (await import('./audit.ts')).auditCommand,
  },
  {
    name: 'status',
    description:
      'one screen: what waits, what is wrong, what needs a person; exit 1 when something is wrong',
    load: async () => (await import('./status.ts')).statusCommand,
  },
  {
    name: 'reconcile',
    description:
      'look for what is inconsistent now, repair it, and print the report; exit 1 when something is left',
    load: async () => (await import('./reconcile.ts')).reconcileCommand,
  },
  {
    name: 'schedule',
    description:
      'make the schedule of reconciliation, or bring it in line, and show it (safe to repeat)',
    load: async () => (await import('./schedule.ts')).scheduleCommand,
  },
  {
    name: 'session',
    description: 'open, show, report to or cancel a checkout session',
    load: async () => (await import('./session.ts')).sessionCommand,
  },
  {
    name: 'payments',
    description: 'look into what was received, and deal with what is held',
    load: async () => (await import('./payments.ts')).paymentsCommand,
  },
  {
    name: 'attention',
    description: 'what needs a person',
    load: async () => (await import('./attention.ts')).attentionCommand,
  },
  {
    name: 'merchant',
    description: 'who is paid',
    load: async () => (await import('./merchant.ts')).merchantCommand,
  },
  {
    name: 'account',
    description: 'the receiving accounts that are read',
    load: async () => (await import('./account.ts')).accountCommand,
  },
  {
    name: 'endpoint',
    description: 'the receivers of webhooks',
    load: async () => (await import('./endpoint.ts')).endpointCommand,
  },
  {
    name: 'webhook',
    description: 'events on their way to merchants',
    load: async () => (await import('./webhook.ts')).webhookCommand,
  },
  {
    name: 'network',
    description: 'the network that the database belongs to',
    load: async () => (await import('./network.ts')).networkCommand,
  },
  {
    name: 'secrets',
    description: 'webhook secrets at rest',
    load: async () => (await import('./secrets.ts')).secretsCommand,
  },
];

/** Runs one command line. What went wrong is one sentence on standard error; `process.exitCode` says whose fault it was. */
export async function runSettle(args: readonly string[]): Promise<void> {
  try {
    // Whichever of these words is the command, it is among them.
    const settle = await program((name) => args.includes(name));
    await settle.parseAsync(args, { from: 'user' });
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

/**
 * The commands, as a tree; each leaf has its options. Runs nothing. Commands that are not `wanted` have a name and a
 * description, enough for the list of all.
 */
export async function program(wanted: (name: string) => boolean = () => true): Promise<Command> {
  const settle = new Command('settle')
    .description('Exactly-once settlement of Stellar checkout payments.')
    .option('--json', 'print JSON, one document, for programs')
    .addHelpText(
      'after',
      `
Settings come from the environment (.env.example lists them with their reasons).
Exit codes: 0 done · 1 failed, or a promise is broken · 2 wrong input or settings · 3 something does not answer.`,
    );
  for (const { name, description, load } of ENTRIES) {
    const command = settle.command(name).description(description);
    if (wanted(name)) (await load())(command);
  }
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
