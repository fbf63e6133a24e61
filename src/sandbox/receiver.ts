/** A merchant's webhook receiver, for the demo and the tests: it keeps what it gets and answers as it is told. */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** One POST as it arrived. */
export type Received = {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The raw text: what the signature covers. */
  readonly body: string;
  readonly event: string;
  readonly eventId: string;
  readonly deliveryId: string;
  /** The session that the event is about. */
  readonly sessionId: string;
};

/** What the receiver answers to one POST. */
export type Reply = {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly delayMs?: number;
};

/** A running receiver. */
export type Receiver = {
  /** `http://127.0.0.1:port`. */
  readonly url: string;
  /** `127.0.0.1:port`, for the allow-list. */
  readonly host: string;
  /** Everything that arrived, whatever was answered. */
  readonly received: readonly Received[];
  /** Decides the answers from now on; 200 until then. */
  answerWith(decide: (post: Received) => Reply): void;
  /** Resolves when so many POSTs that match have arrived. Rejects after `withinMs`, telling what did arrive. */
  waitFor(
    matches: (post: Received) => boolean,
    count?: number,
    withinMs?: number,
  ): Promise<Received[]>;
  stop(): Promise<void>;
};

/** Starts a receiver on this machine's loopback address, on a free port unless one is given. */
export async function startReceiver(port = 0): Promise<Receiver> {
  const received: Received[] = [];
  const watching = new Set<() => void>();
  let decide: (post: Received) => Reply = () => ({ status: 200 });
  const server = createServer((request, response) => {
    void (async () => {
      const post = await readPost(request);
      received.push(post);
      for (const look of watching) look();
      const { status, headers = {}, body = '', delayMs = 0 } = decide(post);
      if (delayMs > 0) await sleep(delayMs);
      response.writeHead(status, headers).end(body);
    })().catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: `http://${host}`,
    host,
    received,
    answerWith: (next) => {
      decide = next;
    },
    waitFor: (matches, count = 1, withinMs = 30_000) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          watching.delete(look);
          const got = received.map(({ event, sessionId }) => `${event} ${sessionId}`).join(', ');
          reject(
            new Error(`Waited ${withinMs} ms for ${count} webhook(s); got: ${got || 'none'}.`),
          );
        }, withinMs);
        const look = () => {
          const found = received.filter(matches);
          if (found.length < count) return;
          clearTimeout(timer);
          watching.delete(look);
          resolve(found);
        };
        watching.add(look);
        look();
      }),
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function readPost(request: IncomingMessage): Promise<Received> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks).toString('utf8');
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
  );
  const { event, data } = JSON.parse(body) as { event: string; data: { sessionId: string } };
  return {
    path: request.url ?? '/',
    headers,
    body,
    event,
    eventId: headers['webhook-id'] ?? '',
    deliveryId: headers['x-orbitstream-delivery-id'] ?? '',
    sessionId: data.sessionId,
  };
}
