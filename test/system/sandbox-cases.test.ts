/** A merchant's developer at the sandbox: every case, really signed, heard by `settle listen` and handed on. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import { examplesIn } from '../../scripts/events/page.ts';
import type { EventType } from '../../src/domain/event.ts';
import { CASES, type Case } from '../../src/sandbox/demo/cases.ts';
import { startSandbox } from '../../src/sandbox/demo/sandbox.ts';
import { trigger } from '../../src/sandbox/demo/trigger.ts';
import { startReceiver, type Receiver } from '../../src/sandbox/receiver.ts';
import { expectEvent, shapeOf } from '../events/bodies.ts';
import { given } from '../support/given.ts';

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
const EXAMPLES = examplesIn(readFileSync(new URL('../../docs/events.md', import.meta.url), 'utf8'));

let sandbox: Awaited<ReturnType<typeof startSandbox>>;
let receiver: Receiver;
let listener: ChildProcess;
/** What has been started, so that nothing is left when a part does not start. */
const stops: (() => Promise<unknown>)[] = [];
let lines: AsyncIterator<string>;
let secret: string;

const settle = (...args: string[]) =>
  spawn(process.execPath, [CLI, ...args], {
    env: {
      ...process.env,
      SETTLE_SANDBOX: sandbox.file,
      TEMPORAL_ADDRESS: sandbox.temporalAddress,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });

beforeAll(async () => {
  const env = { ...process.env, DATABASE_URL: given('postgres') };
  receiver = await startReceiver();
  stops.push(() => receiver.stop());
  sandbox = await startSandbox(env, () => undefined);
  stops.push(() => sandbox.stop());
  listener = settle('listen', '--forward-to', `${receiver.url}/mine`, '--json');
  stops.push(async () => {
    listener.kill('SIGTERM');
    await once(listener, 'exit');
  });
  lines = createInterface({ input: listener.stdout ?? process.stdin })[Symbol.asyncIterator]();
  ({ secret } = JSON.parse(String((await lines.next()).value)) as { secret: string });
}, 120_000);
afterAll(async () => {
  for (const stop of stops.toReversed()) await stop();
});

const ofSession = (id: string) =>
  receiver.received.filter(({ sessionId }) => sessionId === id).map(({ event }) => event);

test('every case comes out as it says, and its events arrive as they are documented', async () => {
  // Twice at the first delivery: the answer of the receiver is the sandbox's, and a 500 brings the event again.
  let failed = false;
  receiver.answerWith(({ event }) => {
    if (failed || event !== 'session.cancelled') return { status: 200 };
    failed = true;
    return { status: 500 };
  });
  const names = (Object.keys(CASES) as Case[]).filter((name) => name !== 'paid');
  const [outcomes, cli] = await Promise.all([
    Promise.all(names.map((name) => trigger(sandbox, name, () => undefined))),
    printed(settle('trigger', 'paid', '--json')),
  ]);
  expect(cli).toMatchObject({
    code: 0,
    result: { case: 'paid', asExpected: true, view: { status: 'paid' } },
  });
  expect(Object.fromEntries(outcomes.map((o) => [o.case, [o.asExpected, o.view.status]]))).toEqual({
    partial: [true, 'expired'],
    over: [true, 'paid'],
    late: [true, 'expired'],
    duplicate: [true, 'paid'],
    'wrong-issuer': [true, 'expired'],
    'path-payment': [true, 'paid'],
    expired: [true, 'expired'],
    cancelled: [true, 'cancelled'],
  });
  const idOf = (name: Case) => outcomes.find((o) => o.case === name)?.view.sessionId ?? '';
  await receiver.waitFor(({ event }) => event === 'session.cancelled', 2);
  await receiver.waitFor(({ event }) => event === 'payment.exception', 5);
  expect(ofSession(idOf('over')).sort()).toEqual(['payment.confirmed', 'payment.exception']);
  expect(ofSession(idOf('late')).sort()).toEqual(['payment.exception', 'session.expired']);
  expect(ofSession(idOf('cancelled'))).toEqual(['session.cancelled', 'session.cancelled']);
  for (const { body, headers, event } of receiver.received) {
    expectEvent(body);
    expect(shapeOf(JSON.parse(body))).toEqual(shapeOf(JSON.parse(EXAMPLES[event as EventType])));
    expect(new Webhook(secret).verify(body, headers)).toEqual(JSON.parse(body));
  }
  const heard = [];
  for (const post of receiver.received) {
    heard.push([post.eventId, JSON.parse(String((await lines.next()).value))]);
  }
  expect(heard).toHaveLength(receiver.received.length);
  expect(heard.map(([, line]) => (line as { problem: null }).problem)).toEqual(
    heard.map(() => null),
  );
}, 120_000);

async function printed(child: ChildProcess): Promise<{ code: number | null; result: unknown }> {
  let out = '';
  child.stdout?.on('data', (chunk) => (out += String(chunk)));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, result: JSON.parse(out) as unknown };
}
