/** The reading side without Temporal: a sandbox ledger, a database, and turns of the watcher taken by hand. */
import { pino } from 'pino';
import type { Deps } from '../../src/activities/deps.ts';
import { createBell } from '../../src/activities/bell.ts';
import { takeTurn, type TurnReport } from '../../src/activities/watch/turn.ts';
import { createSettleQueue } from '../../src/db/settle-queue.ts';
import { connect } from '../../src/db/connection.ts';
import type { ReadStrategy } from '../../src/db/watching.ts';
import type { LedgerSource } from '../../src/domain/ledger-source.ts';
import { createHorizonSource } from '../../src/horizon/source.ts';
import { startSandboxLedger, type SandboxLedger } from '../../src/sandbox/ledger/start.ts';
import { SandboxWallet } from '../../src/sandbox/ledger/wallet.ts';
import { createWebhookSender } from '../../src/webhook/post.ts';
import { countingCounters } from '../support/counters.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

export type Reading = {
  readonly database: TestDatabase;
  readonly ledger: SandboxLedger;
  readonly deps: Deps;
  /** Requests to Horizon since the last `turn`, by the method of the source. */
  readonly asked: Map<string, number>;
  readonly counted: ReadonlyMap<string, number>;
  wallet(): Promise<SandboxWallet>;
  /** Moves the ledger's clock and closes a ledger; by 0 seconds, in the second of the one before. */
  pass(seconds: number): void;
  turn(thorough?: boolean): Promise<TurnReport>;
  close(): Promise<void>;
};

/** Starts a reading; the ledger begins some minutes ago, and its clock stands still between calls of `pass`. */
export async function startReading(
  strategy: ReadStrategy,
  minutesAgo = 0,
  given: TestDatabase | null = null,
  // The product's own, unless a test waits for it to be over: half a second is too short on a busy machine.
  answerWithinMs = 10_000,
): Promise<Reading> {
  const database = given ?? (await createTestDatabase());
  // Workers have no more rights than these. A database that a test brings along may have no roles.
  const ours = given === null ? connect(database.appUrl) : database;
  let time = Date.now() - minutesAgo * 60_000;
  const ledger = await startSandboxLedger({ closeEveryMs: null, clock: () => new Date(time) });
  const network = {
    url: ledger.url,
    networkPassphrase: ledger.networkPassphrase,
    closeLedger: () => ledger.closeLedger(),
  };
  const asked = new Map<string, number>();
  const source = counting(
    createHorizonSource({ url: ledger.url, requestsPerHour: 0, answerWithinMs }),
    asked,
  );
  const counters = countingCounters();
  const deps: Deps = {
    database: ours,
    secretKeys: null,
    queue: createSettleQueue(ours),
    source,
    sender: createWebhookSender({ allowPrivate: [] }),
    wake: () => Promise.resolve(),
    settledBell: createBell(),
    log: pino({ level: 'silent' }),
    counters,
    pollIntervalMs: 1,
    readStrategy: strategy,
    networkPassphrase: ledger.networkPassphrase,
    draining: new AbortController().signal,
  };
  return {
    database,
    ledger,
    deps,
    asked,
    counted: counters.counted,
    wallet: async () => {
      const wallet = new SandboxWallet(network);
      await ledger.fund(wallet.address, '10000');
      return wallet;
    },
    pass: (seconds) => {
      time += seconds * 1000;
      ledger.closeLedger({ sameSecond: seconds === 0 });
    },
    turn: (thorough = false) => {
      asked.clear();
      return takeTurn(deps, { isFirst: false, thorough, signal: deps.draining });
    },
    close: async () => {
      await Promise.all([source.close(), deps.sender.close(), ledger.stop()]);
      if (ours !== database) await ours.close();
      await database.close();
    },
  };
}

function counting(source: LedgerSource, asked: Map<string, number>): LedgerSource {
  return new Proxy(source, {
    get: (target, name: keyof LedgerSource) => {
      const method = target[name] as (...args: unknown[]) => unknown;
      return (...args: unknown[]) => {
        asked.set(name, (asked.get(name) ?? 0) + 1);
        return method(...args);
      };
    },
  });
}
