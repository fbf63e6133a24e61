import { Command } from 'commander';
import { NETWORKS } from '../config.ts';
import { acceptReset, type AcceptedReset } from '../db/operator/network.ts';
import { by, reasoned, withLedger, type Reasoned } from './operator.ts';
import { print } from './output.ts';

/** `settle network accept-reset` */
export function networkCommand(top: Command): Command {
  const acceptResetCommand = new Command('accept-reset')
    .description('read a test network that began anew from its first ledger')
    .action(async (options: Reasoned, command: Command) => {
      const accepted = await withLedger((database, source) =>
        acceptReset(database, source, NETWORKS['public'] ?? '', by(options)),
      );
      print(command, accepted, inWords);
    });
  return top.addCommand(reasoned(acceptResetCommand));
}

function inWords({ network, fromLedger, fromTime, accounts, unprovable }: AcceptedReset): string {
  const lines = [
    `"${network}" is read anew: ${accounts} account(s), from ledger ${fromLedger} (${fromTime}).`,
  ];
  if (unprovable > 0) {
    lines.push(
      `Horizon has forgotten the beginning of the new ledger: ${unprovable} open session(s) end by themselves only where their account did not move before ledger ${fromLedger}.`,
    );
  }
  return lines.join('\n');
}
