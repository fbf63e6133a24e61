import type { Command } from 'commander';
import { Refusal } from '../domain/failure.ts';
import type { Heard } from '../sandbox/demo/listener.ts';
import { printOneOf } from './output.ts';

/** `settle listen` */
export function listenCommand(top: Command): Command {
  return top
    .option('--forward-to <url>', 'your receiver; it is sent each event as merchants get it')
    .action(async ({ forwardTo }: { forwardTo?: string }, command: Command) => {
      const to = forwardTo === undefined ? null : target(forwardTo);
      // Loaded only here: an installation without development dependencies has no sandbox.
      const { findSandbox } = await import('../sandbox/demo/running.ts');
      const { startListener } = await import('../sandbox/demo/listener.ts');
      const listener = await startListener(findSandbox(process.env), to, (heard) =>
        printOneOf(command, heard, inWords),
      );
      const { url, secret } = listener;
      const started = { listening: url, secret, forwardTo: to?.href ?? null };
      printOneOf(
        command,
        started,
        (shown) =>
          `Listening${shown.forwardTo === null ? '' : `, and forwarding to ${shown.forwardTo}`}. Ctrl-C ends it.\n` +
          `The secret to verify with, of this listener alone: ${shown.secret}`,
      );
      await new Promise<void>((resolve) => {
        for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
      });
      await listener.stop();
    });
}

function target(text: string): URL {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return new URL(text);
  throw new Refusal(
    'InvalidInput',
    `--forward-to: not an http(s) address: ${JSON.stringify(text)}.`,
    'forward-to',
  );
}

function inWords({ at, event, sessionId, problem, status, tookMs, error }: Heard): string {
  const what = `${at.slice(11, 19)}  ${event.padEnd(17)}  session ${sessionId.slice(0, 8)}…`;
  if (problem !== null) return `${what}  NOT VERIFIED, refused (${problem})`;
  const answer = status === null ? (error === null ? '' : `no answer: ${error}`) : `${status}`;
  return `${what}  verified${answer === '' ? '' : `  → ${answer} (${tookMs} ms)`}`;
}
