import { randomUUID } from 'node:crypto';
import { Command } from 'commander';
import { Refusal } from '../domain/failure.ts';
import { loadSenderConfig, senderOptions } from '../config.ts';
import { addMerchant, merchants, showMerchant, type Merchant } from '../db/operator/merchants.ts';
import { shownUrl } from '../domain/shown-url.ts';
import { isAccount } from '../horizon/address.ts';
import { asShown, endpointInWords } from './endpoint-words.ts';
import { line, uuid } from './input.ts';
import { by, reasoned, withDatabase, type Reasoned } from './operator.ts';
import { fields, print } from './output.ts';
import { secretStore } from './secret-store.ts';
import { webhookUrl } from './webhook-url.ts';

type AddOptions = Reasoned & {
  id?: string;
  name: string;
  email: string;
  wallet: string;
  webhookUrl?: string;
};

/** `settle merchant add|list|show` */
export function merchantCommand(top: Command): Command {
  const list = new Command('list')
    .description('every merchant, with what is open and what was given up')
    .action(async (_options: unknown, command: Command) => {
      const found = await withDatabase(({ db }) => merchants(db));
      print(
        command,
        found.map(withShownUrl),
        (shown) => shown.map(inOneLine).join('\n') || 'There is none.',
      );
    });
  const show = new Command('show')
    .description('a merchant and its endpoints')
    .argument('<id>', 'as `list` shows it')
    .action(async (id: string, _options: unknown, command: Command) => {
      const found = await withDatabase(({ db }) => showMerchant(db, uuid(id, 'id')));
      const result = { ...withShownUrl(found), endpoints: found.endpoints.map(asShown) };
      print(command, result, (shown) =>
        [inWords(shown), ...shown.endpoints.map(endpointInWords)].join('\n'),
      );
    });
  const add = new Command('add')
    .description(
      'register a merchant, where no backend does. With --webhook-url it prints the secret of its webhooks: once, here, and never again',
    )
    .requiredOption('--name <text>', 'what it is called')
    .requiredOption('--email <address>', 'unique among merchants')
    .requiredOption('--wallet <G…>', 'the account it is known by; unique among merchants')
    .option('--webhook-url <url>', 'where its events go; further ones: `settle endpoint add`')
    .option('--id <uuid>', 'its id, if it has one already')
    .action(async (options: AddOptions, command: Command) => {
      const added = await withDatabase(({ pool }) =>
        addMerchant(pool, secretStore(), read(options), by(options)),
      );
      print(
        command,
        withShownUrl(added),
        (shown) =>
          `${inWords(shown)}${shown.secret === null ? '' : `\nsecret   ${shown.secret} (shown this once)`}`,
      );
    });
  return top.addCommand(list).addCommand(show).addCommand(reasoned(add));
}

function read({ id, name, email, wallet, webhookUrl: url }: AddOptions) {
  const invalid = (field: string, wanted: string) =>
    new Refusal('InvalidInput', `--${field}: must be ${wanted}.`, field);
  line(email, 'email');
  if (!/^[^\s@]+@[^\s@]+$/.test(email)) throw invalid('email', 'an email address');
  if (!isAccount(wallet)) throw invalid('wallet', 'a Stellar account (G…)');
  return {
    merchantId: id === undefined ? randomUUID() : uuid(id, 'id'),
    name: line(name, 'name'),
    email,
    walletAddress: wallet,
    webhookUrl:
      url === undefined
        ? null
        : webhookUrl(url, senderOptions(loadSenderConfig(process.env)), 'webhook-url'),
  };
}

function withShownUrl<M extends Merchant>(merchant: M): M {
  const { webhookUrl: url } = merchant;
  return { ...merchant, webhookUrl: url === null ? null : shownUrl(url) };
}

function inOneLine({ merchantId, name, openSessions, deadLetters }: Merchant): string {
  return `${merchantId}  ${name}  ${openSessions} open session(s), ${deadLetters} dead letter(s)`;
}

function inWords(m: Merchant): string {
  return fields([
    ['merchant', m.merchantId],
    ['name', m.name],
    ['email', m.email],
    ['wallet', m.walletAddress],
    ['webhooks', m.webhookUrl],
    ['since', m.since],
    ['open', `${m.openSessions} session(s)`],
    ['given up', m.deadLetters === 0 ? null : `${m.deadLetters} event(s): settle webhook list`],
  ]);
}
