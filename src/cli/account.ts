import { Command } from 'commander';
import { Refusal } from '../domain/failure.ts';
import { accounts, addAccount, showAccount, type Account } from '../db/operator/accounts.ts';
import { isAccount } from '../horizon/address.ts';
import { by, reasoned, withDatabase, withLedger, type Reasoned } from './operator.ts';
import { fields, print } from './output.ts';

/** `settle account add|list|show` */
export function accountCommand(top: Command): Command {
  const list = new Command('list')
    .description('the accounts that are read, how far that is proven, and which cannot be read')
    .action(async (_options: unknown, command: Command) => {
      const found = await withDatabase(({ db }) => accounts(db));
      print(command, found, (f) => f.map(inOneLine).join('\n') || 'No account is watched.');
    });
  const show = new Command('show')
    .description('one of them, and what is proven of its assets')
    .argument('<G…>')
    .action(async (account: string, _options: unknown, command: Command) => {
      const shown = await withDatabase(({ db }) => showAccount(db, address(account)));
      print(command, shown, (a) => {
        const assets = a.assets.map(
          ({ asset, fromLedger, throughLedger }) =>
            ['proven', `${asset}, ledgers ${fromLedger} through ${throughLedger}`] as const,
        );
        return `${inWords(a)}${assets.length > 0 ? `\n${fields(assets)}` : ''}`;
      });
    });
  const add = new Command('add')
    .description(
      'read an account from now on, before it has a session: what arrives there is held as unmatched. Opening a session does the same by itself',
    )
    .argument('<G…>')
    .action(async (account: string, options: Reasoned, command: Command) => {
      const decision = by(options);
      const added = await withLedger(async (database, source) => {
        const { sequence } = await source.newestLedger();
        const start = { afterLedger: sequence, known: null };
        const registration = { account: address(account), start };
        return addAccount(database.pool, registration, decision);
      });
      print(command, added, (a) =>
        a.isNew ? inWords(a) : `It was watched already.\n${inWords(a)}`,
      );
    });
  return top.addCommand(list).addCommand(show).addCommand(reasoned(add));
}

function address(text: string): string {
  if (isAccount(text)) return text;
  const wrong = `Not a Stellar account (G…): ${JSON.stringify(text)}.`;
  throw new Refusal('InvalidInput', wrong, 'account');
}

function inOneLine({
  account,
  throughLedger,
  throughTime,
  openSessions,
  parked,
  problem,
}: Account): string {
  const held = parked > 0 ? `, ${parked} parked record(s)` : '';
  const why = problem === null ? '' : `\n  CANNOT BE READ: ${problem}`;
  return `${account}  through ledger ${throughLedger}${at(throughTime)}, ${openSessions} open session(s)${held}${why}`;
}

function inWords(a: Account): string {
  return fields([
    ['account', a.account],
    [
      'covered',
      `ledger ${a.fromLedger ?? a.throughLedger} through ${a.throughLedger}${at(a.throughTime)}`,
    ],
    ['read', a.readAt ?? 'not yet'],
    ['open', `${a.openSessions} session(s)`],
    ['parked', a.parked === 0 ? null : `${a.parked} record(s): settle payments parked`],
    ['PROBLEM', a.problem],
  ]);
}

function at(time: string | null): string {
  return time === null ? '' : ` (${time})`;
}
