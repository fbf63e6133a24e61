import { Command } from 'commander';
import { Refusal } from '../client.ts';
import {
  endpoints,
  pauseEndpointBy,
  resumeEndpoint,
  UNTIL_RESUMED,
  type Endpoint,
} from '../db/operator/endpoints.ts';
import { by, reasoned, withDatabase, type Reasoned } from './operator.ts';
import { print } from './output.ts';

/** `settle endpoint list|pause|resume` */
export function endpointCommand(): Command {
  const list = new Command('list')
    .description('where webhooks go, what rests and why, and how much waits')
    .option('--troubled', 'only what is not active, or failed last')
    .action(async ({ troubled }: { troubled?: boolean }, command: Command) => {
      const all = await withDatabase(({ db }) => endpoints(db));
      const shown = all.filter((e) => !troubled || e.state !== 'active' || e.failures > 0);
      print(command, shown, shown.map(inWords).join('\n') || 'There is none.');
    });
  const pause = new Command('pause')
    .description('send nothing there for a while; what falls due waits, in its order')
    .argument('<id>', 'as `list` shows it')
    .option('--until <instant>', 'ISO 8601; until it is resumed unless given')
    .action(async (id: string, options: Reasoned & { until?: string }, command: Command) => {
      const until = options.until === undefined ? null : instant(options.until);
      const paused = await withDatabase(({ pool }) =>
        pauseEndpointBy(pool, id, until, by(options)),
      );
      print(command, paused, inWords(paused));
    });
  const resume = new Command('resume')
    .description('end a pause or a disabling, forget the failures, send what waits')
    .argument('<id>', 'as `list` shows it')
    .action(async (id: string, options: Reasoned, command: Command) => {
      const resumed = await withDatabase(({ pool }) => resumeEndpoint(pool, id, by(options)));
      print(command, resumed, inWords(resumed));
    });
  return new Command('endpoint')
    .description('the receivers of webhooks')
    .addCommand(list)
    .addCommand(reasoned(pause))
    .addCommand(reasoned(resume));
}

function instant(text: string): Date {
  const date = new Date(text);
  if (/^\d{4}-\d\d-\d\dT/.test(text) && !Number.isNaN(date.getTime())) return date;
  throw new Refusal(
    'InvalidInput',
    `--until: not an instant (ISO 8601, say 2026-03-01T12:00:00Z): ${JSON.stringify(text)}.`,
    'until',
  );
}

function inWords(e: Endpoint): string {
  const until =
    e.pausedUntil === UNTIL_RESUMED.toISOString()
      ? 'until it is resumed'
      : `until ${e.pausedUntil}`;
  const why = {
    active: e.failures > 0 ? `active, ${e.failures} failure(s) in a row` : 'active',
    paused: `paused ${until}`,
    disabled: `disabled: ${e.disabledReason}`,
    inactive: 'switched off by the backend (webhook_endpoints.is_active)',
  }[e.state];
  return `${e.endpointId}  ${why}, ${e.waiting} waiting\n  ${e.url} of merchant ${e.merchantId}`;
}
