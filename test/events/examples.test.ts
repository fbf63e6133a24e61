/** The examples of examples/webhooks, each as the process that a merchant would run. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { eventBody } from '../../src/domain/event.ts';
import { signedHeaders, type SignedEvent } from '../../src/webhook/sign.ts';
import { pythonFinding } from '../support/python.ts';

const python = await pythonFinding('standardwebhooks==1.1.0');

const FOLDER = fileURLToPath(new URL('../../examples/webhooks/', import.meta.url));
const WHSEC = `whsec_${Buffer.from('a secret of thirty-two bytes, yes').toString('base64')}`;
/** As the existing backend makes its secrets. */
const HEX = 'c0ffee'.repeat(10) + 'c0ff';
const ID = '0f9c7e4a-6f0e-5b7e-9a58-8d4f1f6f7b3c';

const occurredAt = new Date('2026-03-01T12:00:05Z');
const event = (fields: Partial<SignedEvent>): SignedEvent => ({
  eventId: ID,
  deliveryId: '5c1d8c0e-1111-5222-8333-444455556666',
  event: 'session.expired',
  sequence: 1,
  occurredAt,
  body: eventBody(ID, {
    type: 'session.expired',
    fact: 'ended',
    occurredAt,
    data: { metadata: { note: 'für ☕' } },
  }),
  secrets: [WHSEC],
  ...fields,
});

type Running = { child: ChildProcess; url: string; nextLine: () => Promise<string> };

async function start(file: string, args: string[], secret: string) {
  const command = file.endsWith('.py') ? 'python3' : process.execPath;
  const child = spawn(command, [FOLDER + file, ...args], {
    env: { ...process.env, WEBHOOK_SECRET: secret, PORT: '0', ...python },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child, 'spawn');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const nextLine = async () => String((await lines.next()).value);
  const url = /^listening on (\S+)$/.exec(await nextLine())?.[1] ?? '';
  return { child, url, nextLine } satisfies Running;
}

async function post(url: string, { body }: SignedEvent, headers: Record<string, string>) {
  return (await fetch(url, { method: 'POST', headers, body })).status;
}

const CASES: [file: string, args: string[], secret: string][] = [
  ['receiver.ts', [], WHSEC],
  ['receiver.ts', [], HEX],
  ['receiver.ts', ['backend-headers'], HEX],
];
const IN_PYTHON = CASES.map(([, ...rest]): [string, string[], string] => ['receiver.py', ...rest]);

describe.each(CASES)('%s %j, secret %s', takesWhatItShould);
(python === null ? describe.skip : describe).each(IN_PYTHON)('%s %j, secret %s', takesWhatItShould);

function takesWhatItShould(file: string, args: string[], secret: string): void {
  const isBackends = args.length > 0;
  let receiver: Running;
  beforeAll(async () => {
    receiver = await start(file, args, secret);
  });
  afterAll(async () => {
    receiver.child.kill();
    await once(receiver.child, 'exit');
  });
  const send = async (fields: Partial<SignedEvent>, sentAt = new Date(), sent = fields) => {
    const signed = signedHeaders(event({ secrets: [secret], ...fields }), sentAt);
    const status = await post(receiver.url, event(sent), signed);
    return { status, line: await receiver.nextLine() };
  };

  test('takes an event once, and a repeat without acting on it', async () => {
    expect(await send({})).toEqual({ status: 200, line: `session.expired ${ID}` });
    expect(await send({})).toEqual({ status: 200, line: `again ${ID}` });
  });

  test('takes what is signed with two secrets, while one rotates', async () => {
    // The existing backend's header has one signature: that of the current secret.
    const secrets = isBackends ? ([secret, WHSEC] as const) : ([`whsec_${HEX}aa`, secret] as const);
    expect(await send({ secrets: [...secrets] })).toMatchObject({ status: 200 });
  });

  test('refuses another secret, and another body', async () => {
    const refused = { status: 400, line: expect.stringContaining('refused: ') };
    expect(await send({ secrets: [`${secret.slice(0, -4)}AAAA`] })).toEqual(refused);
    expect(await send({}, new Date(), { body: event({}).body.replace('☕', '🍵') })).toEqual(
      refused,
    );
  });

  test('refuses what has no headers at all', async () => {
    expect(await post(receiver.url, event({}), {})).toBe(400);
    expect(await receiver.nextLine()).toContain('refused: ');
  });

  test('knows an old request from a fresh one, where the signature tells', async () => {
    const old = await send({}, new Date(Date.now() - 6 * 60_000));
    expect(old.status).toBe(isBackends ? 200 : 400);
  });
}
