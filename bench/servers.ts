/** The servers that arms need, one for each trial, so that no arm finds what another has left. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '../src/sandbox/child.ts';
import { startDaemon } from '../src/sandbox/daemon.ts';
import { startTemporalServer } from '../src/sandbox/temporal-server.ts';
import { SA_NAMES } from '../src/temporal.ts';
import { SEARCH_ATTRIBUTES } from '../src/workflows/search-attributes.ts';

/** A server that one trial needs. */
export type Server = {
  readonly pid: number;
  readonly address: string;
  stop(): Promise<void>;
};

/** A Temporal dev server, as the product's sandbox starts it: poll rates raised, its store in memory. */
export async function startTemporal(): Promise<Server> {
  return startTemporalServer({
    progress: () => undefined,
    searchAttributes: SEARCH_ATTRIBUTES.map(({ name, type }) => [name, SA_NAMES[type]] as const),
  });
}

/** A Restate server with a store of its own in a temporary folder. `address` is its ingress. */
export async function startRestate(): Promise<Server & { readonly admin: string }> {
  const name = `restate-server-${process.platform}-${process.arch}`;
  const binary = fileURLToPath(
    new URL(`./node_modules/@restatedev/${name}/bin/restate-server`, import.meta.url),
  );
  const folder = mkdtempSync(join(tmpdir(), 'settle-bench-restate-'));
  const [ingress, admin, node] = [await freePort(), await freePort(), await freePort()];
  const settings = {
    RESTATE_INGRESS__BIND_ADDRESS: `127.0.0.1:${ingress}`,
    RESTATE_ADMIN__BIND_ADDRESS: `127.0.0.1:${admin}`,
    RESTATE_BIND_ADDRESS: `127.0.0.1:${node}`,
    RESTATE_ADVERTISED_ADDRESS: `http://127.0.0.1:${node}`,
    RESTATE_BASE_DIR: folder,
    RESTATE_DISABLE_TELEMETRY: 'true',
    RESTATE_LOG_FILTER: 'warn',
    DO_NOT_TRACK: '1',
  };
  const server = await startDaemon(binary, [], {
    end: 'TERM',
    env: { ...process.env, ...settings },
    cwd: folder,
    remove: folder,
  });
  const url = `http://127.0.0.1:${admin}`;
  const stop = async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  for (const until = Date.now() + 60_000; ; await sleep(100)) {
    const isUp = await fetch(`${url}/health`).then(
      (answer) => answer.ok,
      () => false,
    );
    if (isUp) break;
    if (Date.now() < until) continue;
    const said = server.output();
    await stop();
    throw new Error(`The Restate server is not ready after 60 s: ${said}`);
  }
  return { pid: server.pid, address: `http://127.0.0.1:${ingress}`, admin: url, stop };
}
