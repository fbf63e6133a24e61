import { Command } from 'commander';
import { Refusal } from '../domain/failure.ts';
import {
  openAttention,
  resolveAttention,
  type OpenAttention,
  type WhichAttention,
} from '../db/operator/attention.ts';
import { by, reasoned, withDatabase, type Reasoned } from './operator.ts';
import { print } from './output.ts';

/** `settle attention list|resolve` */
export function attentionCommand(top: Command): Command {
  const list = new Command('list')
    .description('what needs a person, the oldest first, and what to do about it')
    .action(async (_options: unknown, command: Command) => {
      const open = await withDatabase(({ db }) => openAttention(db));
      print(command, open, (shown) => shown.map(inWords).join('\n') || 'Nothing needs a person.');
    });
  const resolve = new Command('resolve')
    .description('say that a person has dealt with it; the same reason is not asked about again')
    .argument(
      '<id or subject>',
      'the number that `list` shows; or a session, an account, `network`',
    )
    .argument('[kind]', 'with a subject: which of its attentions')
    .action(
      async (which: string, kind: string | undefined, options: Reasoned, command: Command) => {
        const wanted = whichOf(which, kind);
        const done = await withDatabase(({ pool }) => resolveAttention(pool, wanted, by(options)));
        print(command, done, ({ kind, subject }) => `Resolved: ${kind} of ${subject}.`);
      },
    );
  return top.addCommand(list).addCommand(reasoned(resolve));
}

function inWords({ id, since, kind, subject, detail, whatToDo }: OpenAttention): string {
  return `${id}  ${since}  ${kind}  ${subject}\n  ${detail}\n  To do: ${whatToDo}`;
}

function whichOf(which: string, kind: string | undefined): WhichAttention {
  if (kind !== undefined) return { subject: which, kind };
  if (/^\d{1,9}$/.test(which)) return { id: Number(which) };
  throw new Refusal(
    'InvalidInput',
    `Which attention of ${which}? Name its kind, too, or give its number (\`settle attention list\`).`,
    'kind',
  );
}
