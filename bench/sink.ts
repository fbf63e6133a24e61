/** The merchant's side: takes every webhook at once and remembers when it came. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';

/** What came for one session: when first, how often, under which ids. */
export type Arrived = { at: number; posts: number; ids: Set<string> };

export type Sink = {
  /** `127.0.0.1:port` */
  readonly host: string;
  /** By session id; emptied by `forget`. */
  readonly arrived: Map<string, Arrived>;
  /** Every so many POSTs one is verified with the Standard Webhooks library; these were not signed rightly. */
  readonly unsigned: { count: number };
  /** Called with the session id at each session's first webhook. */
  onFirst(listen: (sessionId: string) => void): void;
  forget(): void;
  stop(): Promise<void>;
};

const VERIFY_EVERY = 10;

/** Starts the sink on the loopback address; connections are kept alive. */
export async function startSink(secret: string): Promise<Sink> {
  const arrived = new Map<string, Arrived>();
  const unsigned = { count: 0 };
  const webhook = new Webhook(secret);
  let listen: (sessionId: string) => void = () => undefined;
  let posts = 0;
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      response.writeHead(200).end();
      const at = performance.timeOrigin + performance.now();
      const body = Buffer.concat(chunks).toString('utf8');
      const { data } = JSON.parse(body) as { data: { sessionId: string } };
      const id = String(request.headers['webhook-id']);
      posts += 1;
      if (posts % VERIFY_EVERY === 1) {
        try {
          webhook.verify(body, request.headers as Record<string, string>);
        } catch {
          unsigned.count += 1;
        }
      }
      const known = arrived.get(data.sessionId);
      if (known) {
        known.posts += 1;
        known.ids.add(id);
        return;
      }
      arrived.set(data.sessionId, { at, posts: 1, ids: new Set([id]) });
      listen(data.sessionId);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    arrived,
    unsigned,
    onFirst: (next) => {
      listen = next;
    },
    forget: () => arrived.clear(),
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
