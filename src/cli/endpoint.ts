import { Command } from 'commander';
import {
  disableEndpointBy,
  endpoints,
  findEndpoint,
  pauseEndpointBy,
  resumeEndpoint,
  type Endpoint,
} from '../db/operator/endpoints.ts';
import { endpointSecretCommands } from './endpoint-secret.ts';
import { endpointTestCommand } from './endpoint-test.ts';
import { asShown, endpointInWords } from './endpoint-words.ts';
import { instant } from './input.ts';
import { by, reasoned, withDatabase, type Reasoned } from './operator.ts';
import { print } from './output.ts';

/** `settle endpoint add|list|show|rotate-secret|pause|disable|resume|test` */
export function endpointCommand(top: Command): Command {
  const list = new Command('list')
    .description('where webhooks go, what rests and why, and how much waits')
    .option('--troubled', 'only what is not active, or failed last')
    .action(async ({ troubled }: { troubled?: boolean }, command: Command) => {
      const all = await withDatabase(({ db }) => endpoints(db));
      const found = all.filter((e) => !troubled || e.state !== 'active' || e.failures > 0);
      const inWords = (shown: Endpoint[]) => shown.map(endpointInWords).join('\n');
      print(command, found.map(asShown), (shown) => inWords(shown) || 'There is none.');
    });
  const show = new Command('show')
    .description('one of them')
    .argument('<id>', 'as `list` shows it')
    .action(async (id: string, _options: unknown, command: Command) => {
      const found = await withDatabase(({ db }) => findEndpoint(db, id));
      print(command, asShown(found), endpointInWords);
    });
  const [add, rotate] = endpointSecretCommands();
  for (const command of [add, list, show, rotate, ...handCommands(), endpointTestCommand()]) {
    if (command) top.addCommand(command);
  }
  return top;
}

/** A person's hand on whether something is sent there. */
function handCommands(): Command[] {
  const pause = new Command('pause')
    .description('send nothing there for a while; what falls due waits, in its order')
    .argument('<id>', 'as `list` shows it')
    .option('--until <instant>', 'ISO 8601; until it is resumed unless given')
    .action(async (id: string, options: Reasoned & { until?: string }, command: Command) => {
      const until = options.until === undefined ? null : instant(options.until, 'until');
      const paused = await withDatabase(({ pool }) =>
        pauseEndpointBy(pool, id, until, by(options)),
      );
      print(command, asShown(paused), endpointInWords);
    });
  const disable = new Command('disable')
    .description(
      'send nothing there any more: what waits and what comes becomes dead letters, until it is resumed',
    )
    .argument('<id>', 'as `list` shows it')
    .action(async (id: string, options: Reasoned, command: Command) => {
      const disabled = await withDatabase(({ pool }) => disableEndpointBy(pool, id, by(options)));
      print(command, asShown(disabled), endpointInWords);
    });
  const resume = new Command('resume')
    .description(
      'end a pause or a disabling, forget the failures, send what waits, in its order; dead letters: `settle webhook redeliver`',
    )
    .argument('<id>', 'as `list` shows it')
    .action(async (id: string, options: Reasoned, command: Command) => {
      const resumed = await withDatabase(({ pool }) => resumeEndpoint(pool, id, by(options)));
      print(command, asShown(resumed), endpointInWords);
    });
  return [reasoned(pause), reasoned(disable), reasoned(resume)];
}
