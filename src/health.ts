/** Answers whether this process lives and whether it can work, for whoever restarts it and whoever routes to it. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { Worker } from '@temporalio/worker';
import type { Deps } from './activities/deps.ts';
import { ConfigError } from './config-error.ts';
import type { Config } from './config.ts';
import { reasonOf } from './domain/failure.ts';
import type { Temporal } from './temporal.ts';

/** Something that must be there; rejects, or takes too long, when it is not. */
type Check = () => Promise<unknown>;

/** An answer of `/readyz` is given to everybody who asks within this: who asks often does not ask the database often. */
const READY_FOR_MS = 1_000;
/** A check that takes longer is a failed one. */
const WITHIN_MS = 2_000;

/**
 * Serves health where HEALTH_ADDRESS says. Ready is a worker that can commit, reach Temporal, and has not begun to drain;
 * `workers` may still be empty. @throws ConfigError when the address cannot be had
 */
export async function serveChecks(
  { HEALTH_ADDRESS }: Config,
  { database }: Deps,
  temporal: Temporal,
  workers: readonly Worker[],
): Promise<() => Promise<void>> {
  if (HEALTH_ADDRESS === undefined) return () => Promise.resolve();
  const serving = serveHealth(HEALTH_ADDRESS, {
    postgresql: () => database.pool.query('SELECT 1'),
    temporal: () => temporal.client.workflowService.getSystemInfo({}),
    polling: () => {
      const states = workers.map((worker) => worker.getState());
      const isRunning = states.length > 0 && states.every((state) => state === 'RUNNING');
      const shown = states.length === 0 ? 'STARTING' : states.join(', ');
      return isRunning ? Promise.resolve() : Promise.reject(new Error(shown));
    },
  });
  return serving.catch((error: unknown) => {
    throw new ConfigError([
      `HEALTH_ADDRESS ${HEALTH_ADDRESS} cannot be served: ${reasonOf(error)}`,
    ]);
  });
}

/**
 * Serves `/healthz` (200 as long as the event loop turns) and `/readyz` (200 when every check passes, else 503 with
 * what does not) on `host:port`. Returns how to end it. @throws when the address cannot be had
 */
async function serveHealth(
  address: string,
  checks: Readonly<Record<string, Check>>,
): Promise<() => Promise<void>> {
  const ready = shared(() => readiness(checks), READY_FOR_MS);
  const server = createServer((request, response) => {
    void respond(request.url ?? '', response, ready);
  });
  await listen(server, address);
  return async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
}

async function listen(server: Server, address: string): Promise<void> {
  const [host = '', port] = address.split(':');
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(Number(port), host, resolve);
  });
}

async function respond(
  path: string,
  response: ServerResponse,
  ready: () => Promise<Answer>,
): Promise<void> {
  const { status, body } = await answer(path, ready);
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(body)}\n`);
}

type Answer = { readonly status: number; readonly body: object };

async function answer(path: string, ready: () => Promise<Answer>): Promise<Answer> {
  if (path === '/healthz') return { status: 200, body: { alive: true } };
  if (path !== '/readyz') return { status: 404, body: { paths: ['/healthz', '/readyz'] } };
  return ready();
}

/** The work, once at a time, and its result again for `forMs` after it is there. */
export function shared<T>(work: () => Promise<T>, forMs: number): () => Promise<T> {
  let latest: { readonly result: Promise<T>; until: number } | null = null;
  return () => {
    if (latest !== null && performance.now() < latest.until) return latest.result;
    const entry = { result: work(), until: Infinity };
    const settle = () => {
      entry.until = performance.now() + forMs;
    };
    entry.result.then(settle, settle);
    latest = entry;
    return entry.result;
  };
}

async function readiness(checks: Readonly<Record<string, Check>>): Promise<Answer> {
  const results = await Promise.all(
    Object.entries(checks).map(async ([name, check]) => [name, await problemOf(check)] as const),
  );
  const problems = results.filter(([, problem]) => problem !== null);
  return {
    status: problems.length === 0 ? 200 : 503,
    body: { ready: problems.length === 0, problems: Object.fromEntries(problems) },
  };
}

async function problemOf(check: Check): Promise<string | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`no answer within ${WITHIN_MS / 1000} s`), WITHIN_MS);
  });
  const asked = check().then(
    () => null,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
  const problem = await Promise.race([asked, late]);
  clearTimeout(timer);
  return problem;
}
