/** A merchant's receiver that fails as receivers do, and remembers everything that reached it. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** How the receiver takes one POST. */
export type Mood =
  | 'accepts'
  | 'slow'
  | 'answers 500'
  | 'answers 400'
  | 'redirects'
  | 'huge answer'
  /** It has taken the event, and is gone before it answers. */
  | 'accepts and dies';

/** One POST. */
export type Post = {
  readonly at: number;
  readonly endpoint: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly mood: Mood;
};

export type Merchant = {
  readonly url: string;
  readonly host: string;
  readonly posts: readonly Post[];
  /** Decides how POSTs are taken from now on. */
  feel(mood: (post: Omit<Post, 'mood'>) => Mood): void;
  stop(): Promise<void>;
};

const SLOW_MS = 2_500;
const HUGE = 'x'.repeat(1024 * 1024);

/** Starts a receiver; the last part of a POST's path names the endpoint. */
export async function startMerchant(): Promise<Merchant> {
  const posts: Post[] = [];
  let decide: (post: Omit<Post, 'mood'>) => Mood = () => 'accepts';
  const server = createServer((request, response) => {
    void receive(request, response).catch(() => response.destroy());
  });
  async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const post = {
      at: Date.now(),
      endpoint: request.url?.split('/').at(-1) ?? '',
      headers: Object.fromEntries(
        Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
      ),
      body: Buffer.concat(chunks).toString('utf8'),
    };
    const mood = decide(post);
    posts.push({ ...post, mood });
    await answer(response, mood);
  }
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: `http://${host}`,
    host,
    posts,
    feel: (mood) => {
      decide = mood;
    },
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answer(response: ServerResponse, mood: Mood): Promise<void> {
  switch (mood) {
    case 'accepts':
      return void response.writeHead(200).end();
    case 'slow':
      await sleep(SLOW_MS);
      return void response.writeHead(200).end();
    case 'answers 500':
      return void response.writeHead(500).end('Something is broken.');
    case 'answers 400':
      return void response.writeHead(400).end('I do not like it.');
    case 'redirects':
      return void response.writeHead(302, { location: '/elsewhere' }).end();
    case 'huge answer':
      return void response.writeHead(200).end(HUGE);
    case 'accepts and dies':
      return void response.destroy();
  }
}

/** Whether the receiver has the event, whatever the sender knows of it. */
export function hasTaken({ mood }: Post): boolean {
  return ['accepts', 'slow', 'huge answer', 'accepts and dies'].includes(mood);
}

/** The session that a POST is about; empty where its body does not say. */
export function sessionOf({ body }: Pick<Post, 'body'>): string {
  try {
    return (JSON.parse(body) as { data: { sessionId: string } }).data.sessionId;
  } catch {
    return '';
  }
}
