/** Names of merchants, by name servers that are silent, lie, change their minds, or say nothing. */
import { createServer } from 'node:http';
import { Socket, type AddressInfo, type LookupFunction } from 'node:net';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { createHorizonHttp } from '../../src/horizon/http.ts';
import { AddressRefused } from '../../src/webhook/guard.ts';
import { createWebhookSender } from '../../src/webhook/post.ts';
import { createNames, NotResolved } from '../../src/webhook/resolve.ts';
import { startNameServer, type NameServer, type Said } from '../support/name-server.ts';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

async function nameServer(say: (name: string, type: string) => Said) {
  const server = await startNameServer(say);
  ends.push(() => server.stop());
  return server;
}

function senderBy(nameServers: readonly string[], postWithinMs = 60_000) {
  const sender = createWebhookSender({
    allowPrivate: [],
    plainHttp: true,
    postWithinMs,
    nameServers,
  });
  ends.push(() => sender.close());
  return sender;
}

const never = new AbortController().signal;

describe('silent name servers', () => {
  test('of twenty merchants do not keep the name of Horizon waiting', async () => {
    const silent = await nameServer(() => 'silence');
    const sender = senderBy([silent.address]);
    const posts = Array.from({ length: 20 }, (_, i) =>
      sender.post(`http://m${i}.example/`, {}, '{}'),
    );
    await silent.askedTimes(40);
    const horizon = createServer((_, response) => response.end('{}')).listen(0, '127.0.0.1');
    await new Promise((resolve) => horizon.once('listening', resolve));
    const { port } = horizon.address() as AddressInfo;
    const http = createHorizonHttp({ url: `http://localhost:${port}`, requestsPerHour: 0 });
    ends.push(
      () => http.close(),
      () => new Promise((resolve) => horizon.close(resolve)),
    );
    const first = await Promise.race([
      http.get('/').then(() => 'Horizon'),
      ...posts.map((post) => post.then(() => 'a webhook')),
    ]);
    expect(first).toBe('Horizon');
    const outcomes = await Promise.all(posts);
    expect(new Set(outcomes.map(({ kind }) => kind))).toEqual(new Set(['failed']));
  });

  test('are given up when the POST is: nothing goes on asking', async () => {
    const silent = await nameServer(() => 'silence');
    const post = senderBy([silent.address], 50).post('http://m.example/', {}, '{}');
    const outcome = await beforeAskedAgain(silent, post);
    expect(outcome).toEqual({ kind: 'failed', detail: 'No answer within 0.05 s.' });
  });

  test('are given up after a time of their own, and said so', async () => {
    const silent = await nameServer(() => 'silence');
    const names = createNames({ servers: [silent.address], withinMs: 50 });
    const held = names.holding('m.example', never, () => Promise.resolve());
    await expect(beforeAskedAgain(silent, held)).rejects.toThrow(NotResolved);
    await expect(held).rejects.toThrow('No name server answered for m.example within 0.05 s.');
  });

  test('for IPv6 alone do not keep the IPv4 address waiting', async () => {
    const half = await nameServer((_, type) => (type === 'A' ? ['8.8.8.8'] : 'silence'));
    const names = createNames({ servers: [half.address] });
    const held = beforeAskedAgain(half, heldBy(names, 'm.example'));
    expect(await held).toEqual([{ address: '8.8.8.8', family: 4 }]);
  });
});

/** What comes of it, if it comes before a name server that said nothing is asked once more (after 1.5 s). */
function beforeAskedAgain<T>(server: NameServer, work: Promise<T>): Promise<T> {
  const again = server.askedTimes(3).then(() => {
    throw new Error('The silent name server was asked again.');
  });
  return Promise.race([work, again]);
}

/** What connections get while the name is held. */
function heldBy(names: ReturnType<typeof createNames>, host: string): Promise<unknown> {
  return names.holding(host, never, () => lookedUp(names, host));
}

function lookedUp(names: ReturnType<typeof createNames>, host: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    names.lookup(host, { all: true }, (error, addresses) =>
      error ? reject(error) : resolve(addresses),
    );
  });
}

describe('what is connected to', () => {
  test('is what was judged: an answer that changes afterwards is never asked for', async () => {
    let now = ['8.8.8.8', '2606:4700::1111'];
    const changing = await nameServer(() => now);
    const names = createNames({ servers: [changing.address] });
    await names.holding('m.example', never, async () => {
      now = ['127.0.0.1', '::1'];
      const got = await lookedUp(names, 'm.example');
      expect(got).toEqual([
        { address: '8.8.8.8', family: 4 },
        { address: '2606:4700::1111', family: 6 },
      ]);
    });
    expect(changing.asked.toSorted()).toEqual(['A m.example', 'AAAA m.example']);
    // The next POST asks again, and is refused.
    await expect(heldBy(names, 'm.example')).rejects.toThrow(/leads to 127\.0\.0\.1/);
    await expect(lookedUp(names, 'm.example')).rejects.toThrow(AddressRefused);
  });

  test('is what was judged, also by the socket', async () => {
    const server = await nameServer(() => ['8.8.8.8']);
    const found: unknown[] = [];
    const connect = jest.spyOn(Socket.prototype, 'connect').mockImplementation(function (
      this: Socket,
      ...asked: unknown[]
    ) {
      const [options] = asked.flat() as { lookup?: LookupFunction }[];
      options?.lookup?.('m.example', { all: true }, (_, addresses) => found.push(addresses));
      setImmediate(() => this.destroy(new Error('It is not connected to in a test.')));
      return this;
    });
    ends.push(() => Promise.resolve(connect.mockRestore()));
    const outcome = await senderBy([server.address]).post('http://m.example/', {}, '{}');
    expect(outcome).toMatchObject({ kind: 'failed' });
    expect(found).toEqual([[{ address: '8.8.8.8', family: 4 }]]);
  });

  test.each([
    ['the only address', ['127.0.0.1']],
    ['one of two', ['8.8.8.8', '10.0.0.1']],
    ['the IPv6 address beside a public IPv4 one', ['8.8.8.8', 'fd00::1']],
    ['IPv4 in disguise', ['64:ff9b::7f00:1']],
    ['one behind many', [...Array.from({ length: 20 }, (_, i) => `8.8.8.${i}`), '169.254.169.254']],
  ])('is nothing when what leads inside is %s', async (_, addresses) => {
    const server = await nameServer(() => addresses);
    const outcome = await senderBy([server.address]).post('http://m.example/', {}, '{}');
    expect(outcome).toEqual({ kind: 'refused', detail: expect.stringMatching(/not public/) });
  });

  test('is at most eight addresses of a name that has many', async () => {
    const many = Array.from({ length: 20 }, (_, i) => `8.8.8.${i}`);
    const server = await nameServer(() => many);
    expect(await heldBy(createNames({ servers: [server.address] }), 'm.example')).toHaveLength(8);
  });

  test('is nothing when the name has no address: refused, and no error that nobody catches', async () => {
    const empty = await nameServer(() => []);
    const outcome = await senderBy([empty.address]).post('https://m.example/', {}, '{}');
    expect(outcome).toEqual({
      kind: 'refused',
      detail: 'The webhook host m.example has no address.',
    });
  });

  test('is nothing when there is no such name; it may come', async () => {
    const server = await nameServer(() => 'unknown name');
    const outcome = await senderBy([server.address]).post('https://m.example/', {}, '{}');
    expect(outcome).toEqual({ kind: 'failed', detail: expect.stringContaining('ENOTFOUND') });
  });
});
