/** The real Horizon over a database of its own: it serves what stands there, and ingests nothing. */
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort, isAlive, run } from '../../src/sandbox/child.ts';
import { startDaemon, type Daemon } from '../../src/sandbox/daemon.ts';

/** Its 72 migrations take a second. */
const MIGRATED_WITHIN_MS = 60_000;
const READY_WITHIN_MS = 60_000;

/** A Horizon that runs. */
export type Horizon = {
  readonly url: string;
  /** Resolves when its root shows this range of ledgers; it looks once a second. */
  shows(range: { elder: number; latest: number }): Promise<void>;
  stop(): Promise<void>;
};

/** Makes Horizon's tables in an empty database. @throws Error with its own words */
export async function createHorizonTables(binary: string, databaseUrl: string): Promise<void> {
  const env = settings(databaseUrl);
  await run(binary, ['db', 'init'], { env, timeoutMs: MIGRATED_WITHIN_MS });
}

/**
 * Starts Horizon over such a database, with more settings if need be. It ends with this process.
 * @throws Error with its last words
 */
export async function startHorizon(
  binary: string,
  databaseUrl: string,
  networkPassphrase: string,
  more: NodeJS.ProcessEnv = {},
): Promise<Horizon> {
  const port = await freePort();
  const env = {
    ...settings(databaseUrl),
    NETWORK_PASSPHRASE: networkPassphrase,
    PORT: String(port),
    INGEST: 'false',
    // Both want a stellar-core.
    DISABLE_TX_SUB: 'true',
    DISABLE_PATH_FINDING: 'true',
    PER_HOUR_RATE_LIMIT: '0',
    LOG_LEVEL: 'error',
    ...more,
  };
  const daemon = await startDaemon(binary, ['serve'], { env, end: 'TERM' });
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    shows: async ({ elder, latest }) => {
      const deadline = Date.now() + READY_WITHIN_MS;
      for (;;) {
        const root = await rootOf(url);
        if (root?.history_elder_ledger === elder && root.history_latest_ledger === latest) return;
        await checkAlive(daemon);
        if (Date.now() > deadline) {
          throw new Error(
            `Horizon never showed ledgers ${elder} to ${latest}, but ${JSON.stringify(root)}`,
          );
        }
        await sleep(50);
      }
    },
    stop: () => daemon.stop(),
  };
}

/** Nothing of ours reaches it: a PORT or NETWORK meant for something else would be obeyed. */
function settings(databaseUrl: string): NodeJS.ProcessEnv {
  const url = new URL(databaseUrl);
  url.searchParams.set('sslmode', 'disable'); // its driver insists on TLS otherwise
  return { DATABASE_URL: url.toString() };
}

type Root = { history_elder_ledger: number; history_latest_ledger: number };

async function rootOf(url: string): Promise<Root | null> {
  try {
    return (await (await fetch(url)).json()) as Root;
  } catch {
    return null; // not listening yet
  }
}

async function checkAlive(daemon: Daemon): Promise<void> {
  if (isAlive(daemon.pid)) return;
  await daemon.ended; // all it had to say has arrived
  throw new Error(`Horizon ended: ${daemon.output()}`);
}
