import { type Command, InvalidArgumentError } from 'commander';
import { loadDatabaseConfig } from '../config.ts';
import { checkAdoption, type Adoption } from '../db/adopt.ts';
import { isoDay, isoInstant } from '../doors/text.ts';
import { EXIT } from './errors.ts';
import { fields, print } from './output.ts';

/** Accounts that are listed in words; --json has them all. */
const SHOWN = 10;

/** `settle adopt --check` */
export function adoptCommand(top: Command): Command {
  return top
    .requiredOption(
      '--check',
      'only look (adopting itself is `settle migrate` and a worker: docs/adoption.md)',
    )
    .option('--history-from <instant>', 'as for `settle migrate`', instant)
    .action(async ({ historyFrom }: { historyFrom?: Date }, command: Command) => {
      const { DATABASE_URL } = loadDatabaseConfig(process.env);
      const adoption = await checkAdoption(DATABASE_URL, historyFrom ?? null);
      print(command, adoption, inWords);
      if (adoption.stops.length > 0) process.exitCode = EXIT.failed;
    });
}

/** An instant as it is typed: a date, or a time with its zone. */
export function instant(text: string): Date {
  const exists = isoDay.safeParse(text).success || isoInstant.safeParse(text).success;
  const at = new Date(text);
  if (!exists || at > new Date()) {
    throw new InvalidArgumentError(
      'It is an instant in the past, ISO 8601: 2026-01-31 or 2026-01-31T12:00:00Z.',
    );
  }
  return at;
}

function inWords(a: Adoption): string {
  const { sessions: s } = a;
  const deliveries = Object.entries(a.openDeliveries).map(([event, n]) => `${n} ${event}`);
  const list = (names: readonly string[]) => (names.length === 0 ? 'nothing' : names.join(', '));
  return fields([
    ['database', a.migrated ? 'migrated already' : 'not migrated yet'],
    ...a.stops.map((stop) => ['STOPS IT', stop] as const),
    ['tables to be made', list(a.adds.tables)],
    ['columns to be added', list(a.adds.columns)],
    ['indexes to be built', list(a.adds.indexes)],
    ['judged anew from', a.historyFrom],
    ['sessions', s.all],
    [
      'open',
      `${s.open}, ${s.openPastDeadline} of them past the deadline: they end, or are paid, as the ledger says`,
    ],
    ['stuck in processing', `${s.stuckProcessing}: paid, or back to pending`],
    [
      'ended since then',
      `${s.endedSince}: proven on the ledger, paid where the money came in time`,
    ],
    ['ended before', `${s.endedBefore}: stand by their row`],
    [
      'paid',
      `${s.paid}, ${s.paidWithoutRow} of them without a payments row: completed from the ledger`,
    ],
    ['row, but not paid', `${s.rowButNotPaid}: become paid`],
    ['doubled payments', `${a.doubledPayments}: point to the first row of their session`],
    [
      'open webhooks',
      deliveries.length === 0 ? 'none' : `${deliveries.join(', ')}: taken over under their ids`,
    ],
    ['accounts to be read', a.accounts.length],
    ...a.accounts
      .slice(0, SHOWN)
      .map(
        ({ account, readFrom, sessions }) =>
          ['', `${account} from ${readFrom}, ${sessions} session(s)`] as const,
      ),
    ...(a.accounts.length > SHOWN ? [['', `and ${a.accounts.length - SHOWN} more`] as const] : []),
    ...a.person.map((what) => ['needs a person', what] as const),
  ]);
}
