/** Receivers as a hostile merchant runs them: silent, slow, endless, redirecting. One port each, so that each is a host of its own. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** How a receiver treats a POST. */
export const MOODS = ['silent', 'slow', 'endless', 'redirecting'] as const;
type Mood = (typeof MOODS)[number];

/** The running receivers. */
export type HostileReceiver = {
  url(mood: Mood): string;
  /** For the allow-list: without it they would be refused for being on this machine. */
  readonly hosts: readonly string[];
  /** An address on this machine that no webhook may reach, whatever names and redirects say. */
  readonly canary: string;
  readonly got: Record<Mood | 'canary', number>;
  stop(): Promise<void>;
};

const CHUNK = 'x'.repeat(64 * 1024);
/** One byte in this time keeps an idle timeout from ever striking. */
const DRIP_EVERY_MS = 400;

/** Starts them on this machine's loopback address. */
export async function startHostileReceiver(): Promise<HostileReceiver> {
  const got: HostileReceiver['got'] = { silent: 0, slow: 0, endless: 0, redirecting: 0, canary: 0 };
  const canary = await listen((response) => {
    got.canary += 1;
    response.writeHead(200).end();
  });
  const canaryUrl = `http://127.0.0.1:${portOf(canary)}/canary`;
  const servers = new Map<Mood, Server>();
  for (const mood of MOODS) {
    const server = await listen((response) => {
      got[mood] += 1;
      void treat(mood, response, canaryUrl).catch(() => response.destroy());
    });
    servers.set(mood, server);
  }
  const hostOf = (mood: Mood) => `127.0.0.1:${portOf(servers.get(mood))}`;
  return {
    url: (mood) => `http://${hostOf(mood)}`,
    hosts: MOODS.map(hostOf),
    canary: canaryUrl,
    got,
    stop: async () => {
      for (const server of [canary, ...servers.values()]) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
}

async function treat(mood: Mood, response: ServerResponse, canary: string): Promise<void> {
  switch (mood) {
    case 'silent':
      return;
    case 'redirecting':
      return void response.writeHead(307, { location: canary }).end();
    case 'slow':
      response.writeHead(200);
      while (!response.destroyed) {
        response.write('.');
        await sleep(DRIP_EVERY_MS);
      }
      return;
    case 'endless':
      response.writeHead(200);
      while (!response.destroyed) {
        if (!response.write(CHUNK))
          await Promise.race([once(response, 'drain'), once(response, 'close')]);
      }
  }
}

async function listen(treatment: (response: ServerResponse) => void): Promise<Server> {
  const server = createServer((request, response) => {
    request.resume();
    treatment(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

function portOf(server: Server | undefined): number {
  if (!server) throw new Error('There is no such receiver.');
  return (server.address() as AddressInfo).port;
}
