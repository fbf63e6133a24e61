/** One body of each event, as merchants get it: from cases that are played on a sandbox, by a listener's ear. */
import { startListener } from '../../src/sandbox/demo/listener.ts';
import { startSandbox } from '../../src/sandbox/demo/sandbox.ts';
import { trigger } from '../../src/sandbox/demo/trigger.ts';
import { startReceiver } from '../../src/sandbox/receiver.ts';
import type { Examples } from './page.ts';

/** Starts a sandbox, plays what makes one event of each type, and ends it. */
export async function recordExamples(progress: (line: string) => void): Promise<Examples> {
  const sandbox = await startSandbox(process.env, progress);
  const receiver = await startReceiver();
  try {
    const listener = await startListener(sandbox, new URL(receiver.url), () => undefined);
    for (const name of ['over', 'cancelled', 'expired'] as const) {
      await trigger(sandbox, name, progress);
    }
    const bodyOf = async (type: string) => {
      const [post] = await receiver.waitFor(({ event }) => event === type);
      if (post === undefined) throw new Error(`No ${type} has arrived.`);
      return post.body;
    };
    const examples = {
      'payment.confirmed': await bodyOf('payment.confirmed'),
      'session.expired': await bodyOf('session.expired'),
      'session.cancelled': await bodyOf('session.cancelled'),
      'payment.exception': await bodyOf('payment.exception'),
    };
    await listener.stop();
    return examples;
  } finally {
    await receiver.stop();
    await sandbox.stop();
  }
}
