/** A newcomer's path through examples/nestjs, by the commands of its README. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import { freePort } from '../../src/sandbox/child.ts';
import { until } from '../support/system.ts';
import { shownCommands, started, typed, type Shell } from './commands.ts';
import { given } from '../support/given.ts';

const EXAMPLE = 'examples/nestjs';
const [[sandbox = ''] = [], [start = ''] = [], [open = '', pay = '', show = ''] = [], again = []] =
  shownCommands(`${EXAMPLE}/README.md`);

type Opened = { order: Order; payment: { paymentUri: string } };
type Order = { id: string; status: string; txHash: string | null; events: string[] };

let port: number;
let settings: string;
let shell: Shell;
const running: { stop(): Promise<void>; output(): string }[] = [];
beforeAll(async () => {
  port = await freePort();
  settings = join(mkdtempSync(join(tmpdir(), 'settle-test-')), 'sandbox.env');
  const options = `--webhook ${url('/webhooks/settlement')} --settings ${settings}`;
  const here = { ...process.env, TEMPORAL_ADDRESS: '', DATABASE_URL: given('postgres') };
  const env = { ...here, WORKFLOW_BUNDLE: given('bundle') };
  running.push(
    await started(`${sandbox} -- ${options}`, 'The sandbox runs', { cwd: EXAMPLE, env }),
  );
  const told = parseEnv(readFileSync(settings, 'utf8'));
  shell = { cwd: EXAMPLE, env: { ...process.env, ...told, PORT: String(port) } };
  running.push(await started(start, 'successfully started', shell));
}, 300_000);
afterAll(async () => {
  for (const part of running.toReversed()) await part.stop();
});

const url = (path: string) => `http://127.0.0.1:${port}${path}`;
const type = (command: string) =>
  typed(command.replaceAll('127.0.0.1:3000', `127.0.0.1:${port}`), shell);
const post = (path: string, body?: unknown) =>
  fetch(url(path), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
const order = async (id: string) =>
  ((await (await fetch(url(`/orders/${id}`))).json()) as { order: Order }).order;

async function webhook(event: object, secret = shell.env['WEBHOOK_SECRET'] ?? '') {
  const [id, at, body] = [randomUUID(), new Date(), JSON.stringify(event)];
  const headers = {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(secret).sign(id, at, body),
  };
  return (await fetch(url('/webhooks/settlement'), { method: 'POST', headers, body })).status;
}

test('an order is paid in the sandbox, and the verified webhook says so', async () => {
  const { order: opened, payment } = JSON.parse(await type(open)) as Opened;
  expect(opened).toMatchObject({ status: 'open', events: [] });
  const txHash = (await type(pay.replace('<paymentUri>', payment.paymentUri))).trim();
  await until(
    () => order(opened.id),
    ({ status }) => status === 'paid',
  );
  const shown = JSON.parse(await type(show.replace('<id>', opened.id))) as object;
  expect(shown).toMatchObject({
    order: { status: 'paid', txHash },
    session: { status: 'paid', paidBy: txHash },
  });
  expect(await (await post(`/orders/${opened.id}/paid`, { txHash })).json()).toMatchObject({
    kind: 'paid',
    txHash,
  });
  expect(await (await post(`/orders/${opened.id}/cancel`)).json()).toEqual({
    kind: 'refused',
    because: 'paid',
    txHash,
  });
});

test('money that came twice is explained', async () => {
  const { order: opened, payment } = JSON.parse(await type(open)) as Opened;
  await type(pay.replace('<paymentUri>', payment.paymentUri));
  await until(
    () => order(opened.id),
    ({ status }) => status === 'paid',
  );
  const [payAgain = '', ...ask] = again;
  const hash = `${payAgain.replace('<paymentUri>', payment.paymentUri)}; echo "$TX_HASH"`;
  const txHash = (await type(hash)).trim();
  const said = await until(
    () => type([`TX_HASH=${txHash}`, ...ask].join('\n').replace('../.sandbox.env', settings)),
    (text) => text.includes('duplicate'),
  );
  expect(said).toContain(txHash);
  expect(said).toContain('coverage');
  expect((await order(opened.id)).events).toHaveLength(1);
});

test('an order that nobody pays is cancelled, and the webhook says so', async () => {
  const body = await (await post('/orders', { reference: 'B-1', lumens: '1' })).json();
  const { id } = (body as { order: Order }).order;
  await until(
    async () => (await (await post(`/orders/${id}/cancel`)).json()) as { kind: string },
    ({ kind }) => kind === 'cancelled',
  );
  expect(
    await until(
      () => order(id),
      ({ status }) => status !== 'open',
    ),
  ).toMatchObject({ status: 'cancelled' });
});

test('an event counts once, and only when it is signed with the secret', async () => {
  const body = await (await post('/orders', { reference: 'C-1', lumens: '1' })).json();
  const { id } = (body as { order: Order }).order;
  const event = (type: string) => ({
    id: randomUUID(),
    type,
    timestamp: new Date().toISOString(),
    data: { sessionId: id },
  });
  const expired = event('session.expired');
  expect(await webhook(expired, 'b'.repeat(64))).toBe(401);
  expect(await order(id)).toMatchObject({ status: 'open', events: [] });
  expect(await webhook(expired)).toBe(204);
  expect(await webhook(event('payment.confirmed'))).toBe(204);
  expect(await webhook(expired)).toBe(204);
  expect(await order(id)).toMatchObject({ status: 'paid', events: { length: 2 } });
});

test('what is refused is told with its field', async () => {
  const answer = await post('/orders', { reference: 'D-1', lumens: 'a lot' });
  expect(answer.status).toBe(400);
  expect(await answer.json()).toMatchObject({ code: 'InvalidInput', field: 'amount' });
});
