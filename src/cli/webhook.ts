import { Command } from 'commander';
import { Refusal } from '../domain/failure.ts';
import { redeliverAll, type Redelivered } from '../db/operator/redeliver.ts';
import {
  deliveries,
  showDelivery,
  type Attempt,
  type Delivery,
  type DeliveryStatus,
  type WhichDeliveries,
} from '../db/operator/webhooks.ts';
import { instantOrAgo, membersOf, uuid } from './input.ts';
import { by, reasoned, withDatabase, type Reasoned } from './operator.ts';
import { fields, print, printProgress } from './output.ts';

const STATUSES = ['pending', 'failed', 'delivered', 'dead'] as const;

type Filter = {
  merchant?: string;
  endpoint?: string;
  session?: string;
  since?: string;
  until?: string;
  status: string;
};

/** `settle webhook list|show|redeliver` */
export function webhookCommand(top: Command): Command {
  const list = new Command('list')
    .description(
      'events on their way to endpoints, the newest first; those that did not arrive unless --status says more',
    )
    .option('--limit <n>', 'how many at most', '50')
    .action(async (options: Filter & { limit: string }, command: Command) => {
      const most = Number(options.limit);
      if (!(Number.isInteger(most) && most > 0 && most <= 10_000)) {
        throw new Refusal('InvalidInput', '--limit: must be from 1 to 10000.', 'limit');
      }
      const found = await withDatabase(({ db }) => deliveries(db, which(options), most));
      print(command, found, (shown) => shown.map(inOneLine).join('\n') || 'There is none.');
    });
  const show = new Command('show')
    .description('one of them: its attempts, and the exact body')
    .argument('<delivery id>', 'as `list` shows it')
    .action(async (id: string, _options: unknown, command: Command) => {
      const shown = await withDatabase(({ db }) => showDelivery(db, uuid(id, 'delivery id')));
      print(command, shown, inWords);
    });
  const redeliver = new Command('redeliver')
    .description(
      'send events again under their old ids, in their order: one; or all that failed or were given up, of a merchant, an endpoint, a session or a time',
    )
    .argument('[delivery id]', 'one, whatever came of it')
    .option('--dry-run', 'only count')
    .action(
      async (
        id: string | undefined,
        options: Filter & Reasoned & { dryRun?: boolean },
        command: Command,
      ) => {
        const wanted = id === undefined ? severalOf(options) : oneOf(id);
        const onPage = ({ putBack, matching }: Redelivered) =>
          printProgress(`${putBack} of ${matching} …`);
        const dryRun = options.dryRun === true;
        const done = await withDatabase((database) =>
          redeliverAll(database, wanted, by(options), { dryRun, onPage }),
        );
        if (id !== undefined) requireDone(id, done, dryRun);
        print(command, { dryRun, ...done }, (shown) => doneInWords(shown, dryRun));
      },
    );
  return top
    .addCommand(filtered(list, 'pending,failed,dead'))
    .addCommand(show)
    .addCommand(filtered(reasoned(redeliver), 'failed,dead'));
}

function filtered(command: Command, statuses: string): Command {
  return command
    .option('--merchant <uuid>', 'only those of one merchant')
    .option('--endpoint <uuid>', 'only those to one endpoint')
    .option('--session <uuid>', 'only those of one session')
    .option('--since <when>', 'made at or after: ISO 8601, or 24h ago as `24h`')
    .option('--until <when>', 'made before')
    .option('--status <names>', `separated by commas, of ${STATUSES.join(', ')}`, statuses);
}

function which({ merchant, endpoint, session, since, until, status }: Filter): WhichDeliveries {
  const id = (text: string | undefined, name: string) =>
    text === undefined ? null : uuid(text, `--${name}`);
  return {
    statuses: membersOf<DeliveryStatus>(status, STATUSES, 'status'),
    deliveryId: null,
    merchantId: id(merchant, 'merchant'),
    endpointId: id(endpoint, 'endpoint'),
    sessionId: id(session, 'session'),
    since: since === undefined ? null : instantOrAgo(since, 'since'),
    until: until === undefined ? null : instantOrAgo(until, 'until'),
  };
}

function severalOf(options: Filter): WhichDeliveries {
  const wanted = which(options);
  const { merchantId, endpointId, sessionId, since, until } = wanted;
  if ([merchantId, endpointId, sessionId, since, until].some((filter) => filter !== null)) {
    return wanted;
  }
  throw new Refusal(
    'InvalidInput',
    'Which ones? Name a delivery, or --merchant, --endpoint, --session, --since or --until.',
  );
}

function oneOf(id: string): WhichDeliveries {
  return {
    statuses: STATUSES,
    deliveryId: uuid(id, 'delivery id'),
    merchantId: null,
    endpointId: null,
    sessionId: null,
    since: null,
    until: null,
  };
}

/** Asked for by name, it must have been sent again, or not be. @throws Refusal */
function requireDone(id: string, done: Redelivered, dryRun: boolean): void {
  if (done.matching === 0) {
    throw new Refusal('DeliveryNotFound', `There is no delivery ${id}.`, 'delivery id');
  }
  if (done.putBack > 0 || (dryRun && done.notOurs + done.endpointDisabled === 0)) return;
  const because =
    done.notOurs > 0
      ? 'an older backend made it'
      : 'its endpoint is disabled, switched off or gone (`settle endpoint resume`)';
  throw new Refusal(
    'InvalidInput',
    `Delivery ${id} cannot be sent again: ${because}.`,
    'delivery id',
  );
}

function inOneLine(d: Delivery): string {
  const next = d.nextAt === null ? '' : `, next at ${d.nextAt}`;
  const why = d.reason === null ? '' : ` (${d.reason})`;
  return (
    `${d.madeAt}  ${d.event.padEnd(17)}  ${d.status}${why}, ${d.attempts} attempt(s)${next}\n` +
    `  ${d.deliveryId} of session ${d.sessionId}`
  );
}

function inWords(d: Delivery & { body: string | null; tries: readonly Attempt[] }): string {
  return fields([
    ['delivery', d.deliveryId],
    ['event', `${d.event} ${d.eventId ?? '(an older backend’s)'}`],
    ['session', d.sessionId],
    ['merchant', d.merchantId],
    ['endpoint', d.endpointId],
    ['sequence', d.sequence],
    ['status', `${d.status}${d.reason === null ? '' : ` (${d.reason})`}`],
    ['made', d.madeAt],
    ['next', d.nextAt],
    ['delivered', d.deliveredAt],
    ...d.tries.map((t) => ['attempt', attemptInWords(t)] as const),
    ['body', d.body],
  ]);
}

function attemptInWords({ attempt, at, outcome, status, tookMs, detail }: Attempt): string {
  const what =
    outcome === null ? 'has not ended' : `${outcome}${status === null ? '' : ` ${status}`}`;
  const took = tookMs === null ? '' : ` in ${tookMs} ms`;
  return `${attempt} at ${at}: ${what}${took}${detail ? `: ${detail}` : ''}`;
}

function doneInWords(done: Redelivered, dryRun: boolean): string {
  const { matching, putBack, sessions, endpointDisabled, notOurs } = done;
  const sendable = matching - endpointDisabled - notOurs;
  return [
    dryRun
      ? `${sendable} of ${matching} would be sent again.`
      : `${putBack} event(s) of ${sessions} session(s) are sent again, under their old ids; \`settle webhook list\` shows how far it is.`,
    ...(endpointDisabled > 0
      ? [`${endpointDisabled} left: their endpoint is disabled, switched off or gone.`]
      : []),
    ...(notOurs > 0 ? [`${notOurs} left: an older backend made them.`] : []),
  ].join('\n');
}
