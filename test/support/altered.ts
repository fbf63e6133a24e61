/** A second Horizon that answers as another one does, but for what a test changes. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Json = Record<string, unknown>;

/** Passes every GET on to `url`; `change` gets the path and the body of each answer. */
export async function startAltered(
  url: string,
  change: (path: string, body: Json) => Json,
): Promise<{ url: string; stop(): Promise<void> }> {
  const server = createServer((request, response) => {
    void pass(url, request.url ?? '/', change, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function pass(
  url: string,
  path: string,
  change: (path: string, body: Json) => Json,
  response: ServerResponse,
): Promise<void> {
  const answer = await fetch(url + path);
  const body = change(new URL(url + path).pathname, (await answer.json()) as Json);
  const latest = answer.headers.get('latest-ledger');
  response.writeHead(answer.status, {
    'content-type': answer.headers.get('content-type') ?? 'application/json',
    ...(latest === null ? {} : { 'latest-ledger': latest }),
  });
  response.end(JSON.stringify(body));
}
