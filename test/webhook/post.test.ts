/** One POST to a real receiver: whatever that does is an outcome, and never an exception. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { createWebhookSender, type WebhookSender } from '../../src/webhook/post.ts';

type Handler = (response: ServerResponse, request: IncomingMessage) => void;
type Got = { method: string; path: string; headers: IncomingMessage['headers']; body: string };

/** What a test has: a sender that may reach the receiver by its address, and what the receiver got. */
type Scene = { sender: WebhookSender; host: string; port: number; got: Got[] };

/** Runs a test against a receiver that answers as told. */
async function onReceiver(
  handle: Handler,
  body: (scene: Scene) => Promise<void>,
  postWithinMs = 15_000,
) {
  const got: Got[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url: path = '', headers } = request;
      got.push({ method, path, headers, body: Buffer.concat(chunks).toString('utf8') });
      handle(response, request);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const host = `127.0.0.1:${port}`;
  const sender = createWebhookSender({ allowPrivate: [host], postWithinMs });
  try {
    await body({ sender, host, port, got });
  } finally {
    await sender.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

/** What one POST to such a receiver comes to. */
async function outcomeOf(handle: Handler, postWithinMs?: number) {
  let outcome;
  await onReceiver(
    handle,
    async ({ sender, host }) => {
      outcome = await sender.post(`http://${host}/hook`, {}, '{}');
    },
    postWithinMs,
  );
  return outcome;
}

const answering =
  (status: number, headers: Record<string, string> = {}, body = ''): Handler =>
  (response) =>
    response.writeHead(status, headers).end(body);

test('the receiver gets exactly the bytes and headers, once', async () => {
  const body = '{"note":"für ☕","amount":"10.0000000"}';
  await onReceiver(answering(204), async ({ sender, host, got }) => {
    const headers = { 'content-type': 'application/json', 'webhook-id': 'e-1' };
    const outcome = await sender.post(`http://${host}/hook?shop=7`, headers, body);
    const answered = { kind: 'answered', status: 204, retryAfterMs: null, detail: '' };
    expect(outcome).toEqual(answered);
    expect(got).toHaveLength(1);
    expect(got[0]).toMatchObject({ method: 'POST', path: '/hook?shop=7', headers, body });
    const size = Buffer.byteLength(body);
    expect(got[0]?.headers['content-length']).toBe(String(size));
  });
});

describe('an answer', () => {
  test.each([200, 202, 400, 404, 408, 410, 429, 500, 503])('%d is told', async (status) => {
    const outcome = await outcomeOf(answering(status, {}, 'so it is'));
    expect(outcome).toMatchObject({ kind: 'answered', status, detail: 'so it is' });
  });

  test.each([301, 302, 303, 307, 308])('%d is not followed', async (status) => {
    await onReceiver(answering(status, { location: '/inside' }), async ({ sender, host, got }) => {
      const outcome = await sender.post(`http://${host}/hook`, {}, '{}');
      expect(outcome).toMatchObject({ kind: 'answered', status });
      expect(got.map(({ path }) => path)).toEqual(['/hook']);
    });
  });

  test('of a stranger is made harmless and short before anybody reads it', async () => {
    const outcome = await outcomeOf(
      answering(500, {}, `\u001b[31mred\u0000\r\n\tü\u202e${'x'.repeat(1000)}`),
    );
    expect(outcome).toMatchObject({ detail: expect.stringMatching(/^\[31mred ü x+$/) });
    expect(outcome).toHaveProperty('detail.length', 300);
  });

  test('that never ends is read only at its beginning', async () => {
    let closed: Promise<unknown> = Promise.resolve();
    const outcome = await outcomeOf((response) => {
      closed = new Promise((resolve) => response.once('close', resolve));
      const pour = () => {
        while (!response.destroyed && response.write('x'.repeat(16_384)));
        response.once('drain', pour);
      };
      pour();
    });
    expect(outcome).toMatchObject({ kind: 'answered', status: 200, detail: 'x'.repeat(300) });
    await closed;
  });
});

describe('Retry-After', () => {
  const asked = async (value: string) =>
    (await outcomeOf(answering(503, { 'retry-after': value }))) as never as {
      retryAfterMs: number | null;
    };

  test.each([
    ['0', 0],
    ['120', 120_000],
  ])('in seconds: %s', async (value, ms) => {
    expect(await asked(value)).toMatchObject({ retryAfterMs: ms });
  });

  test('as a date', async () => {
    const hour = 3_600_000;
    const { retryAfterMs } = await asked(new Date(Date.now() + hour).toUTCString());
    expect(retryAfterMs).toBeLessThanOrEqual(hour);
    expect(retryAfterMs).toBeGreaterThan(hour / 2);
    const past = new Date(Date.now() - hour).toUTCString();
    expect(await asked(past)).toMatchObject({ retryAfterMs: 0 });
  });

  test.each(['soon', ''])('that is neither is none: %j', async (value) => {
    expect(await asked(value)).toMatchObject({ retryAfterMs: null });
  });
});

describe('no answer is a failure: it may have arrived', () => {
  test('a receiver that hangs, when the time is over', async () => {
    await onReceiver(
      () => {},
      async ({ sender, host, got }) => {
        const outcome = await sender.post(`http://${host}/hook`, {}, '{}');
        expect(outcome.kind).toBe('failed');
        expect(outcome.detail).toMatch(/no answer within|timeout/i);
        expect(got.length).toBeLessThanOrEqual(1);
      },
      100,
    );
  });

  test('a connection that is reset', async () => {
    const outcome = await outcomeOf((_, request) => request.socket.resetAndDestroy());
    expect(outcome).toMatchObject({ kind: 'failed', detail: expect.stringMatching(/\w/) });
  });

  test('an answer that is not HTTP', async () => {
    const outcome = await outcomeOf((_, request) => request.socket.end('hello\r\n'));
    expect(outcome).toMatchObject({ kind: 'failed' });
  });

  test('nobody there', async () => {
    const port = await new Promise<number>((resolve) => {
      const server = createServer().listen(0, '127.0.0.1', () => {
        const address = server.address() as AddressInfo;
        server.close(() => resolve(address.port));
      });
    });
    const sender = createWebhookSender({ allowPrivate: [`127.0.0.1:${port}`] });
    const outcome = await sender.post(`http://127.0.0.1:${port}/`, {}, '{}');
    expect(outcome).toMatchObject({ kind: 'failed', detail: expect.stringMatching(/REFUSED/) });
    await sender.close();
  });
});

describe('an answer that breaks off after its status has been given', () => {
  const cut =
    (status: number, headers: Record<string, string> = {}): Handler =>
    (response, request) => {
      response.writeHead(status, { ...headers, 'content-length': '100' });
      response.write('begin', () => request.socket.resetAndDestroy());
    };

  test.each([200, 410, 503])('%d', async (status) => {
    const outcome = await outcomeOf(cut(status, { 'retry-after': '60' }));
    expect(outcome).toMatchObject({ kind: 'answered', status, retryAfterMs: 60_000 });
  });

  test('or hangs then', async () => {
    const outcome = await outcomeOf((response) => void response.writeHead(200).write('begin'), 200);
    expect(outcome).toMatchObject({ kind: 'answered', status: 200 });
  });
});

describe('what leads inside is refused, and nothing is sent', () => {
  test.each([
    ['a name that resolves inside', (port: number) => `http://localhost:${port}/hook`],
    ['another spelling', (port: number) => `http://[::ffff:127.0.0.1]:${port}/hook`],
    ['another address of this machine', (port: number) => `http://127.0.0.2:${port}/hook`],
    ['user info', (port: number) => `http://me:secret@127.0.0.1:${port}/hook`],
    ['another scheme', (port: number) => `ftp://127.0.0.1:${port}/hook`],
    ['no URL', () => 'hook'],
  ])('%s', async (_, urlOf) => {
    await onReceiver(answering(200), async ({ sender, port, got }) => {
      const outcome = await sender.post(urlOf(port), {}, '{}');
      expect(outcome).toMatchObject({ kind: 'refused', detail: expect.stringMatching(/webhook/) });
      expect(outcome.detail).not.toContain('secret');
      expect(got).toEqual([]);
    });
  });
});

test('five POSTs at once to one endpoint, and no sixth that has no time to wait', async () => {
  const waiting: ServerResponse[] = [];
  let allHere: () => void = () => {};
  const five = new Promise<void>((resolve) => (allHere = resolve));
  const handle: Handler = (response) => {
    waiting.push(response);
    if (waiting.length === 5) allHere();
  };
  await onReceiver(handle, async ({ sender, host }) => {
    const post = async () => (await sender.post(`http://${host}/`, {}, '{}')).kind;
    const posts = Array.from({ length: 5 }, () =>
      sender.withSlot({ endpointId: 'e', merchantId: 'm' }, 60_000, post),
    );
    await five;
    expect(await sender.withSlot({ endpointId: 'e', merchantId: 'm' }, 1, post)).toBeNull();
    for (const response of waiting) response.end();
    expect(await Promise.all(posts)).toEqual(Array(5).fill('answered'));
  });
});

test('fifty pieces of work beside the commits, and no more: what comes then is told so at once', async () => {
  const sender = createWebhookSender({ allowPrivate: [] });
  const ends: (() => void)[] = [];
  const work = () => new Promise<string>((resolve) => ends.push(() => resolve('done')));
  const all = Array.from({ length: 50 }, () => sender.besideCommits(work));
  expect(await sender.besideCommits(() => Promise.resolve('one too many'))).toBeNull();
  for (const end of ends) end();
  expect(await Promise.all(all)).toEqual(Array(50).fill('done'));
  expect(await sender.besideCommits(() => Promise.resolve('again'))).toBe('again');
  await sender.close();
});

test('twenty POSTs of one merchant at once, whatever its endpoints; another merchant does not wait', async () => {
  const sender = createWebhookSender({ allowPrivate: [] });
  const ends: (() => void)[] = [];
  const work = () => new Promise<string>((resolve) => ends.push(() => resolve('done')));
  const all = Array.from({ length: 20 }, (_, i) =>
    sender.withSlot({ endpointId: `e${i}`, merchantId: 'm' }, 60_000, work),
  );
  const atOnce = () => Promise.resolve('one too many');
  expect(await sender.withSlot({ endpointId: 'e20', merchantId: 'm' }, 1, atOnce)).toBeNull();
  const other = sender.withSlot({ endpointId: 'x', merchantId: 'n' }, 1, () =>
    Promise.resolve('sent'),
  );
  expect(await other).toBe('sent');
  for (const end of ends) end();
  expect(await Promise.all(all)).toEqual(Array(20).fill('done'));
  await sender.close();
});
