import { Command } from 'commander';
import { Refusal } from '../domain/failure.ts';
import { explainPayments, type ExplainedPayment } from '../db/payments.ts';
import { isTxHash } from '../domain/ledger-payment.ts';
import { heldCommand } from './held.ts';
import { heldMoneyCommands } from './held-money.ts';
import { withDatabase } from './operator.ts';
import { fields, print } from './output.ts';
import { parkedRecordsCommands } from './parked-records.ts';

/** `settle payments held|why|assign|returned|parked|re-decode|dismiss` */
export function paymentsCommand(top: Command): Command {
  const why = new Command('why')
    .description('what a transaction was judged to be, by which rule, and what happens next')
    .argument('<tx hash>', 'outer or inner hash')
    .action(async (txHash: string, _options: unknown, command: Command) => {
      if (!isTxHash(txHash)) {
        throw new Refusal('InvalidInput', `Not a transaction hash: ${JSON.stringify(txHash)}.`);
      }
      const payments = await withDatabase(({ db }) => explainPayments(db, txHash));
      if (payments.length === 0) {
        throw new Refusal(
          'InvalidInput',
          `Nothing that transaction ${txHash} moved has been read. \`settle session report\` has it looked for on the ledger.`,
        );
      }
      print(command, payments, (shown) => shown.map(whyInWords).join('\n\n'));
    });
  top.addCommand(heldCommand()).addCommand(why);
  for (const command of [...heldMoneyCommands(), ...parkedRecordsCommands()]) {
    top.addCommand(command);
  }
  return top;
}

function whyInWords(p: ExplainedPayment): string {
  return fields([
    ['payment', p.payment],
    ['received', `${p.amount} ${p.asset} by ${p.account}`],
    ['from', p.sender],
    ['closed', `${p.closedAt} (ledger ${p.ledger})`],
    ['reference', p.reference],
    ['session', p.sessionId === null ? null : `${p.sessionId} (${p.sessionStatus})`],
    ['verdict', p.verdict],
    ['because', p.rule],
    ['next', p.next],
  ]);
}
