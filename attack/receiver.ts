/** The quiet merchant's receiver, a process of its own: what the harness is busy with delays no time that is measured. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Post } from '../certify/parts/merchant.ts';

/** A running receiver, which accepts everything. */
export type QuietReceiver = {
  readonly url: string;
  readonly host: string;
  /** Every POST, with the time of its arrival in milliseconds since 1970. */
  readonly posts: readonly Post[];
  stop(): Promise<void>;
};

const PATH = fileURLToPath(import.meta.url);

/** Starts it. */
export async function startQuietReceiver(): Promise<QuietReceiver> {
  const child = fork(PATH, ['serve']);
  const posts: Post[] = [];
  const [port] = (await once(child, 'message')) as [number];
  child.on('message', (post) => posts.push(post as Post));
  const host = `127.0.0.1:${port}`;
  const stop = async () => {
    const gone = once(child, 'exit');
    child.disconnect();
    await gone;
  };
  return { url: `http://${host}`, host, posts, stop };
}

if (process.argv[1] === PATH && process.argv[2] === 'serve') await serve();

async function serve(): Promise<void> {
  const server = createServer((request, response) => {
    const at = Date.now();
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      response.writeHead(200).end();
      const headers = Object.fromEntries(
        Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
      );
      const body = Buffer.concat(chunks).toString('utf8');
      const endpoint = request.url?.split('/').at(-1) ?? '';
      process.send?.({ at, endpoint, headers, body, mood: 'accepts' } satisfies Post);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  process.once('disconnect', () => process.exit(0));
  process.send?.((server.address() as AddressInfo).port);
}
