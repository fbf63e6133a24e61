import { Command } from 'commander';
import { dismissParked, parkedRecords, redecode, type Redecoded } from '../db/operator/parked.ts';
import { decodeRecord } from '../horizon/decode.ts';
import { by, reasoned, withDatabase, type Reasoned } from './operator.ts';
import { print } from './output.ts';

/** `settle payments parked|re-decode|dismiss`: records that could not be read. */
export function parkedRecordsCommands(): Command[] {
  const parked = new Command('parked')
    .description('records that could not be read; --json shows them whole')
    .option('--account <G…>', 'only those of one account')
    .action(async ({ account }: { account?: string }, command: Command) => {
      const records = await withDatabase(({ db }) => parkedRecords(db, account ?? null));
      print(command, records, (shown) => {
        const words = shown.map(
          (r) => `${r.since}  ${r.account}  ${r.operationId} (ledger ${r.ledger})\n  ${r.problem}`,
        );
        return words.join('\n') || 'Every record could be read.';
      });
    });
  const again = new Command('re-decode')
    .description('read parked records again with this version, and store what can be read now')
    .option('--account <G…>', 'only those of one account')
    .option('--reason <text>', 'why', 'this version may read what an older one could not')
    .option('--by <name>', 'who decides; the user of this shell unless given')
    .action(async (options: Reasoned & { account?: string }, command: Command) => {
      const results = await withDatabase((database) =>
        redecode(
          database,
          (record, account) => decodeRecord(record, new Set([account]), account),
          options.account ?? null,
          by(options),
        ),
      );
      print(command, results, inWords);
    });
  const dismiss = new Command('dismiss')
    .description('say that a parked record is no payment, or was dealt with otherwise')
    .argument('<account>')
    .argument('<operation id>', 'as `parked` shows it')
    .action(async (account: string, operationId: string, options: Reasoned, command: Command) => {
      const done = await withDatabase(({ pool }) =>
        dismissParked(pool, { account, operationId }, by(options)),
      );
      const rest =
        done.left > 0
          ? `${done.left} record(s) of the account are left, and hold back its endings.`
          : 'It was the last one: sessions of the account can end again.';
      print(command, done, () => `Dismissed. ${rest}`);
    });
  return [parked, again, reasoned(dismiss)];
}

function inWords(results: readonly Redecoded[]): string {
  if (results.length === 0) return 'No record is parked.';
  const unreadable = results.filter((r) => r.outcome === 'unreadable');
  const payments = results.flatMap((r) => r.payments);
  return [
    `${results.length - unreadable.length} of ${results.length} record(s) can be read now, with ${payments.length} payment(s):`,
    ...payments.map((key) => `  ${key}`),
    ...unreadable.map((r) => `Not readable: ${r.operationId} of ${r.account}: ${r.problem}`),
  ].join('\n');
}
