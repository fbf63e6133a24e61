import { Command } from 'commander';
import { assignPayment } from '../db/operator/assign.ts';
import { provenReturn } from '../db/operator/returned.ts';
import { by, reasoned, withDatabase, withLedger, type Reasoned } from './operator.ts';
import { print } from './output.ts';

/** `settle payments assign|returned`: what a person does about held money. */
export function heldMoneyCommands(): Command[] {
  const assign = new Command('assign')
    .description('give a held payment to a session; the ordinary rules judge it then')
    .argument('<payment>', '<tx hash>:<operation index>:<sub index>, as `held` shows it')
    .argument('<session id>')
    .action(async (payment: string, sessionId: string, options: Reasoned, command: Command) => {
      const given = await withDatabase(({ pool }) =>
        assignPayment(pool, { payment, sessionId }, by(options)),
      );
      print(
        command,
        { ...given, payment, sessionId },
        (shown) =>
          `Given to session ${shown.sessionId}; it was ${shown.before.verdict}. The watcher's next turn judges it: \`settle payments why ${shown.payment.split(':')[0]}\`.`,
      );
    });
  const returned = new Command('returned')
    .description('resolve held money that was sent back, if the ledger shows it')
    .argument('<payment>', '<tx hash>:<operation index>:<sub index>, as `held` shows it')
    .argument('<tx hash>', 'the transaction that sent it back')
    .option('--to <address>', 'whom it was sent to, if not to the payer')
    .action(
      async (
        payment: string,
        txHash: string,
        options: Reasoned & { to?: string },
        command: Command,
      ) => {
        const claim = { payment, txHash, to: options.to ?? null };
        const proven = await withLedger((database, source) =>
          provenReturn(database, source, claim, by(options)),
        );
        print(
          command,
          proven,
          ({ returned, asset, to, provenBy, held }) =>
            `Resolved: ${returned} ${asset} went back to ${to} (${provenBy}); ${held} was held.`,
        );
      },
    );
  return [reasoned(assign), reasoned(returned)];
}
