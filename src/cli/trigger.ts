import { Argument, type Command } from 'commander';
import type { Case } from '../sandbox/demo/cases.ts';
import { CASES } from '../sandbox/demo/cases.ts';
import type { Outcome } from '../sandbox/demo/trigger.ts';
import { EXIT } from './errors.ts';
import { fields, print, printProgress } from './output.ts';

/** `settle trigger <case>` */
export function triggerCommand(top: Command): Command {
  const list = Object.entries(CASES).map(([name, what]) => `  ${name.padEnd(13)} ${what}`);
  return top
    .addArgument(new Argument('<case>', 'what happens').choices(Object.keys(CASES)))
    .addHelpText('after', `\nCases:\n${list.join('\n')}`)
    .action(async (name: Case, _options: unknown, command: Command) => {
      // Loaded only here: an installation without development dependencies has no sandbox.
      const { findSandbox } = await import('../sandbox/demo/running.ts');
      const { trigger } = await import('../sandbox/demo/trigger.ts');
      const sandbox = findSandbox(process.env);
      const outcome = await trigger(sandbox, name, printProgress);
      print(command, outcome, inWords);
      if (!outcome.asExpected) process.exitCode = EXIT.failed;
    });
}

function inWords({ asExpected, paid, why, view }: Outcome): string {
  const hashes = new Set(view.payments.map(({ payment }) => payment.split(':')[0]));
  return fields([
    ['session', view.sessionId],
    ['paid', `${paid}, of ${view.price}`],
    ['status', asExpected ? view.status : `${view.status}, which is NOT what was expected`],
    ['because', why],
    ...view.payments.map((p) => ['payment', `${p.payment} ${p.verdict}`] as const),
    ...view.deliveries.map((d) => ['webhook', `${d.event} ${d.status}`] as const),
    ...[...hashes].map((hash) => ['look', `settle payments why ${hash}`] as const),
  ]);
}
