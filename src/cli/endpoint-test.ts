import { Command } from 'commander';
import { loadSenderConfig, senderOptions } from '../config.ts';
import { secretsOf } from '../db/operator/endpoint-secrets.ts';
import { findEndpoint } from '../db/operator/endpoints.ts';
import { createWebhookSender } from '../webhook/post.ts';
import { sendTestEvent, type TestResult } from '../webhook/test-event.ts';
import { shownUrl } from '../domain/shown-url.ts';
import { EXIT } from './errors.ts';
import { withDatabase } from './operator.ts';
import { print } from './output.ts';
import { secretStore } from './secret-store.ts';

/** `settle endpoint test` */
export function endpointTestCommand(): Command {
  return new Command('test')
    .description(
      'POST one event of the type `endpoint.test` there, signed as every event is, and say what came back; exit 1 unless 2xx. ' +
        'No fact stands behind it: nothing is written down, counted or tried again, and it goes out from here, ' +
        'whether the endpoint is paused or not',
    )
    .argument('<id>', 'as `list` shows it')
    .action(async (id: string, _options: unknown, command: Command) => {
      const sender = createWebhookSender(senderOptions(loadSenderConfig(process.env)));
      try {
        const result = await withDatabase(async ({ db }) => {
          const endpoint = await findEndpoint(db, id);
          const secrets = await secretsOf(db, secretStore(), endpoint);
          return {
            url: shownUrl(endpoint.url),
            ...(await sendTestEvent(sender, endpoint, secrets)),
          };
        });
        print(command, result, inWords);
        if (!isAccepted(result)) process.exitCode = EXIT.failed;
      } finally {
        await sender.close();
      }
    });
}

function isAccepted({ outcome }: TestResult): boolean {
  return outcome.kind === 'answered' && outcome.status >= 200 && outcome.status < 300;
}

function inWords(result: TestResult & { url: string }): string {
  const { url, eventId, signatures, outcome, tookMs } = result;
  const sent = `endpoint.test ${eventId}, with ${signatures} signature(s), to ${url}`;
  if (outcome.kind === 'refused') return `Nothing was sent to ${url}: ${outcome.detail}`;
  if (outcome.kind === 'failed') return `${sent}\n  no answer: ${outcome.detail}`;
  const said = outcome.detail === '' ? '' : `: ${outcome.detail}`;
  const verdict = isAccepted(result) ? 'accepted' : 'NOT accepted';
  return `${sent}\n  ${verdict}, ${outcome.status} in ${tookMs} ms${said}`;
}
