import { randomUUID } from 'node:crypto';
import { Command } from 'commander';
import { loadSenderConfig, senderOptions } from '../config.ts';
import { endOverlap, rotateSecret } from '../db/operator/endpoint-secrets.ts';
import { addEndpoint } from '../db/operator/merchants.ts';
import { asShown, endpointInWords } from './endpoint-words.ts';
import { durationMs, eventTypes, uuid } from './input.ts';
import { by, reasoned, withDatabase, type Reasoned } from './operator.ts';
import { print } from './output.ts';
import { secretStore } from './secret-store.ts';
import { webhookUrl } from './webhook-url.ts';

const ONCE = 'It is shown this once; nothing prints it again.';

type AddOptions = Reasoned & { merchant: string; url: string; events?: string };
type RotateOptions = Reasoned & { overlap: string; end?: boolean };

/** `settle endpoint add|rotate-secret`: what prints a new secret, once. */
export function endpointSecretCommands(): Command[] {
  const add = new Command('add')
    .description(
      'one more endpoint of a merchant. It gets the events that are made from now on. Prints its secret: once, here, and never again',
    )
    .requiredOption('--merchant <uuid>', "the merchant's id")
    .requiredOption('--url <url>', 'http(s), and public: no webhook goes inside')
    .option(
      '--events <names>',
      'separated by commas, or `all`; unless given, those that are sent by default',
    )
    .action(async (options: AddOptions, command: Command) => {
      const endpoint = {
        endpointId: randomUUID(),
        merchantId: uuid(options.merchant, 'merchant'),
        url: webhookUrl(options.url, senderOptions(loadSenderConfig(process.env)), 'url'),
        events: eventTypes(options.events ?? ''),
      };
      const added = await withDatabase(({ pool }) =>
        addEndpoint(pool, secretStore(), endpoint, by(options)),
      );
      print(
        command,
        asShown(added),
        (shown) => `${endpointInWords(shown)}\n  secret ${shown.secret}\n  ${ONCE}`,
      );
    });
  const rotate = new Command('rotate-secret')
    .description(
      'give it a new secret, and print that: once, here, and never again. During the overlap every event carries two ' +
        'Standard Webhooks signatures, with the new secret and with the old one; X-OrbitStream-Signature has room for one, ' +
        'of the new secret, so a receiver that verifies by it tries both',
    )
    .argument('<id>', 'as `list` shows it')
    .option(
      '--overlap <time>',
      'how long the old one goes on signing: 30m, 24h, 7d; 0 ends it at once',
      '24h',
    )
    .option('--end', 'make no new secret, but end the overlap that runs')
    .action(async (id: string, options: RotateOptions, command: Command) => {
      if (options.end === true) {
        const ended = await withDatabase(({ pool }) => endOverlap(pool, id, by(options)));
        const done = '  The old secret signs nothing more.';
        print(command, asShown(ended), (shown) => `${endpointInWords(shown)}\n${done}`);
        return;
      }
      const overlapMs = durationMs(options.overlap, 'overlap');
      const rotated = await withDatabase(({ pool }) =>
        rotateSecret(pool, secretStore(), { endpointId: id, overlapMs }, by(options)),
      );
      const result = { ...rotated, endpoint: asShown(rotated.endpoint) };
      print(
        command,
        result,
        ({ endpoint, secret }) => `${endpointInWords(endpoint)}\n  secret ${secret}\n  ${ONCE}`,
      );
    });
  return [reasoned(add), reasoned(rotate)];
}
