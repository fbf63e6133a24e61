/** The HTTP side of the sandbox ledger: requests in, faults applied, Horizon's JSON out. */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { admin } from './admin.ts';
import type { Controls } from './admin.ts';
import type { Chain } from './chain.ts';
import type { Faults, Trouble } from './faults.ts';
import type { Json } from './history.ts';
import { Problem, notFound, serverError, timeout } from './problem.ts';
import { route } from './routes.ts';
import { submit, submitAsync } from './submit.ts';
import { View } from './view.ts';

type Reply = { status: number; body: Json; headers?: Readonly<Record<string, string>> };

/** What the server serves. `submitTimeoutMs` is how long POST /transactions waits for its ledger, `keepAliveMs` how long an idle connection stays open. */
export type Served = {
  readonly chain: Chain;
  readonly faults: Faults;
  readonly controls: Controls;
  readonly submitTimeoutMs: number;
  readonly keepAliveMs: number;
};

/** An HTTP server for a sandbox network; not listening yet. */
export function createLedgerServer(served: Served): Server {
  const server = createServer({ keepAliveTimeout: served.keepAliveMs }, (request, response) => {
    void handle(served, request, response).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : undefined);
    });
  });
  return server;
}

async function handle(
  served: Served,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const base = `http://${request.headers.host ?? 'localhost'}`;
  const url = new URL(base + (request.url ?? '/'));
  const body = await readBody(request);
  if (url.pathname.startsWith('/sandbox/')) {
    send(response, await answer(() => admin(served.controls, url, body)));
    return;
  }
  const trouble = served.faults.strike(url.pathname + url.search);
  if (trouble.delayMs > 0) await delay(trouble.delayMs, undefined, { ref: false });
  if (trouble.hang) return;
  if (trouble.disconnect === 'before') {
    request.socket.resetAndDestroy();
    return;
  }
  const reply = trouble.problem
    ? { ...problemReply(trouble.problem), headers: trouble.headers }
    : await answer(() => respond(served, request.method ?? 'GET', url, body, trouble, base));
  spoil(response, request, trouble.loseAnswer ? problemReply(timeout()) : reply, trouble);
}

async function respond(
  served: Served,
  method: string,
  url: URL,
  body: string,
  trouble: Trouble,
  base: string,
): Promise<Reply> {
  const { chain, controls } = served;
  if (url.pathname === '/friendbot') {
    const address = url.searchParams.get('addr') ?? new URLSearchParams(body).get('addr') ?? '';
    return { status: 200, body: await controls.friendbot(address, base) };
  }
  if (method === 'POST') {
    const form = new URLSearchParams(body);
    if (url.pathname === '/transactions') {
      return { status: 200, body: await submit(chain, form, served.submitTimeoutMs, base) };
    }
    if (url.pathname === '/transactions_async') return await submitAsync(chain, form);
    throw notFound();
  }
  const node = controls.nodes.choose(url.pathname + url.search);
  if (trouble.ignoreCursor) url.searchParams.delete('cursor');
  const reply = await answer(() => {
    const view = new View(chain, node, trouble.behind, base);
    return { status: 200, ...route({ view, url }) };
  });
  if (node.delayMs) await delay(node.delayMs, undefined, { ref: false });
  return { ...reply, headers: { ...reply.headers, 'Sandbox-Node': node.name } };
}

async function answer(work: () => Reply | Promise<Reply>): Promise<Reply> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Problem) return problemReply(error);
    const reply = problemReply(serverError());
    const cause = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { ...reply, body: { ...reply.body, extras: { sandbox: cause } } };
  }
}

function problemReply(problem: Problem): Reply {
  return { status: problem.status, body: problem.body };
}

function spoil(
  response: ServerResponse,
  request: IncomingMessage,
  reply: Reply,
  trouble: Trouble,
): void {
  if (!trouble.truncated && trouble.disconnect === null) {
    send(response, reply);
    return;
  }
  const text = JSON.stringify(reply.body, null, 2);
  const half = text.slice(0, Math.ceil(text.length / 2));
  if (trouble.truncated) {
    response.writeHead(reply.status, headers(reply)).end(half);
    return;
  }
  response.writeHead(reply.status, {
    ...headers(reply),
    'Content-Length': Buffer.byteLength(text),
  });
  response.write(half, () => request.socket.resetAndDestroy());
}

function send(response: ServerResponse, reply: Reply): void {
  response.writeHead(reply.status, headers(reply)).end(JSON.stringify(reply.body, null, 2));
}

function headers(reply: Reply): Record<string, string> {
  const type = reply.status >= 400 && 'type' in reply.body ? 'problem+json' : 'hal+json';
  return {
    'Content-Type': `application/${type}; charset=utf-8`,
    'Cache-Control': 'no-cache, no-store, max-age=0',
    ...reply.headers,
  };
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
