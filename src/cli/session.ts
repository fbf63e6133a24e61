import { randomUUID } from 'node:crypto';
import { Command } from 'commander';
import {
  connectSettlement,
  Refusal,
  type CancelAnswer,
  type OpenedSession,
  type OpenRequest,
  type ReportAnswer,
  type SessionView,
  type SettlementClient,
} from '../client.ts';
import { EXIT } from './errors.ts';
import { fields, print } from './output.ts';

/** `settle session open|show|report|cancel` */
export function sessionCommand(top: Command): Command {
  const show = new Command('show')
    .description('what is known of a session')
    .argument('<session id>')
    .action(async (id: string, _options: unknown, command: Command) => {
      const view = await withClient((client) => client.sessionState(id, { fresh: true }));
      if (view === null) throw new Refusal('SessionNotFound', `There is no session ${id}.`);
      print(command, view, viewInWords);
    });
  const report = new Command('report')
    .description('have a transaction proven on the ledger')
    .argument('<session id>')
    .argument('<tx hash>')
    .action(async (id: string, txHash: string, _options: unknown, command: Command) => {
      const answer = await withClient((client) => client.reportPayment(id, txHash));
      print(command, answer, reportInWords);
    });
  const cancel = new Command('cancel')
    .description('stop taking payments; ask again while the answer is `closing`')
    .argument('<session id>')
    .action(async (id: string, _options: unknown, command: Command) => {
      const answer = await withClient((client) => client.cancelSession(id));
      print(command, answer, cancelInWords);
      if (answer.kind === 'refused') process.exitCode = EXIT.failed;
    });
  return top.addCommand(openCommand()).addCommand(show).addCommand(report).addCommand(cancel);
}

type OpenOptions = {
  id?: string;
  merchant: string;
  amount: string;
  asset: string;
  account: string;
  expires: string;
  memo?: string;
};

function openCommand(): Command {
  return new Command('open')
    .description('open a checkout session and say how it is paid')
    .option('--id <uuid>', "the session's id; the same id again finds the same session")
    .requiredOption('--merchant <uuid>', "the merchant's id")
    .requiredOption('--amount <decimal>', 'the price, at most seven decimals')
    .requiredOption('--asset <asset>', 'native, or CODE:ISSUER')
    .requiredOption('--account <G…>', 'the receiving account')
    .requiredOption('--expires <when>', 'an instant (ISO 8601), or minutes from now')
    .option('--memo <text>', 'a reference of your own instead of the derived one')
    .action(async (options: OpenOptions, command: Command) => {
      const id = options.id ?? randomUUID();
      const opened = await withClient((client) => client.openSession(id, requestOf(options)));
      print(command, opened, openedInWords);
    });
}

function openedInWords(opened: OpenedSession): string {
  return fields([
    ['session', opened.sessionId],
    ['status', opened.status],
    ['amount', `${opened.amount} ${opened.asset.code}`],
    ['pay to', opened.receivingAccount],
    [`memo (${opened.memoType})`, opened.memo],
    ['or to', opened.muxedAccount],
    ['until', opened.expiresAt],
    ['URI', opened.paymentUri],
    ...opened.warnings.map((warning) => ['warning', warning] as const),
  ]);
}

function requestOf(options: OpenOptions): OpenRequest {
  const [code = '', issuer] = options.asset.split(':');
  const native = options.asset === 'native' || options.asset === 'XLM';
  const inMinutes = /^\d{1,6}$/.test(options.expires)
    ? new Date(Date.now() + Number(options.expires) * 60_000).toISOString()
    : options.expires;
  return {
    merchantId: options.merchant,
    amount: options.amount,
    asset: native ? { code: 'XLM', issuer: null } : { code, issuer: issuer ?? null },
    receivingAccount: options.account,
    expiresAt: inMinutes,
    ...(options.memo === undefined ? {} : { memo: options.memo }),
  };
}

async function withClient<T>(ask: (client: SettlementClient) => Promise<T>): Promise<T> {
  const client = await connectSettlement();
  try {
    return await ask(client);
  } finally {
    await client.close();
  }
}

function viewInWords(view: SessionView): string {
  return fields([
    ['session', view.sessionId],
    ['status', view.status],
    ['credited', `${view.credited} of ${view.price} ${view.asset}`],
    ['paid by', view.paidBy],
    ['deadline', view.deadline],
    ['closed through ledger', view.closedThroughLedger],
    ...counted('payments', view.paymentCount, view.payments.length),
    ...view.payments.map((p) => ['payment', `${p.payment} ${p.verdict}`] as const),
    ...counted('webhooks', view.deliveryCount, view.deliveries.length),
    ...view.deliveries.map(
      (d) =>
        ['webhook', `${d.event} ${d.status}, ${d.attempts} attempt(s), ${d.deliveryId}`] as const,
    ),
    ...view.attention.map((kind) => ['needs attention', kind] as const),
  ]);
}

/** Older workers gave no count, and listed all. */
function counted(what: string, count: number | undefined, shown: number) {
  return count !== undefined && count > shown
    ? [[what, `${count}, the first and last ${shown / 2} are listed`] as const]
    : [];
}

function reportInWords(answer: ReportAnswer): string {
  switch (answer.kind) {
    case 'paid':
      return `Paid: ${answer.credited} of ${answer.price} (overpaid by ${answer.overpaid}).`;
    case 'underpaid':
      return `Underpaid: ${answer.credited} of ${answer.price}; ${answer.missing} is missing.`;
    case 'not_on_ledger':
      return `Not on the ledger as of ${answer.asOfLedger}. If it arrives, it is seen all the same.`;
    case 'unknown':
      return `Unknown: ${answer.reason}`;
    default:
      return `It does not pay the session: ${answer.kind}.`;
  }
}

function cancelInWords(answer: CancelAnswer): string {
  switch (answer.kind) {
    case 'cancelled':
      return answer.throughLedger === null
        ? 'Cancelled already, by an older backend.'
        : `Cancelled; the ledger is covered through ${answer.throughLedger}.`;
    case 'closing':
      return `Closing: payments up to ${answer.cancelAt} may still show. Ask again.`;
    case 'refused':
      return answer.because === 'paid'
        ? `Not cancelled: it is paid, by ${answer.txHash ?? 'an older row'}.`
        : `Not cancelled: it had expired (${answer.throughLedger === null ? 'an older backend ended it' : `ledger ${answer.throughLedger}`}).`;
  }
}
