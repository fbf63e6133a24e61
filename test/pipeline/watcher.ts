/** A worker, as far as the ledger is concerned: connections, a settle queue and a request budget of its own. */
import { pino } from 'pino';
import type { Deps } from '../../src/activities/deps.ts';
import { createBell } from '../../src/activities/bell.ts';
import { takeTurn } from '../../src/activities/watch/turn.ts';
import { connect, type Database } from '../../src/db/connection.ts';
import { createSettleQueue } from '../../src/db/settle-queue.ts';
import type { ReadStrategy } from '../../src/db/watching.ts';
import { createHorizonSource } from '../../src/horizon/source.ts';
import type { SandboxLedger } from '../../src/sandbox/ledger/start.ts';
import { createWebhookSender } from '../../src/webhook/post.ts';
import { countingCounters } from '../support/counters.ts';

/** A worker, as far as the ledger is concerned. */
export type Watcher = {
  readonly deps: Deps;
  /** What it has logged, as pino writes it. */
  readonly logged: readonly Record<string, unknown>[];
  /** Takes a turn; the error that ended it, if one did. */
  turn(options?: { thorough?: boolean }): Promise<Error | null>;
  end(): Promise<void>;
};

/** Starts one; `end` closes its connections. */
export function createWatcher(
  ledger: SandboxLedger,
  url: string,
  readStrategy: ReadStrategy,
): Watcher {
  const database: Database = connect(url, { max: 4 });
  const logged: Record<string, unknown>[] = [];
  const deps: Deps = {
    database,
    secretKeys: null,
    queue: createSettleQueue(database),
    source: createHorizonSource({ url: ledger.url, requestsPerHour: 0 }),
    sender: createWebhookSender({ allowPrivate: [] }),
    wake: async () => undefined,
    settledBell: createBell(),
    log: pino(
      {},
      { write: (line: string) => logged.push(JSON.parse(line) as Record<string, unknown>) },
    ),
    counters: countingCounters(),
    pollIntervalMs: 0,
    readStrategy,
    networkPassphrase: ledger.networkPassphrase,
    draining: new AbortController().signal,
  };
  let first = true;
  return {
    deps,
    logged,
    turn: async ({ thorough = false } = {}) => {
      const { signal } = new AbortController();
      const isFirst = first;
      first = false;
      return takeTurn(deps, { isFirst, thorough, signal }).then(
        () => null,
        (error: Error) => error,
      );
    },
    end: async () => {
      await Promise.all([deps.source.close(), deps.sender.close()]);
      await database.close();
    },
  };
}
