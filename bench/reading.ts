/**
 * What reading costs: requests to Horizon and time for one turn of the watcher, by strategy and number of watched
 * accounts, each with one open session. Counts do not vary; times are of this machine, against the sandbox ledger.
 *   node_modules/.bin/node bench/reading.ts [accounts …]
 */
import { randomUUID } from 'node:crypto';
import { Keypair } from '@stellar/stellar-sdk';
import { pino } from 'pino';
import type { Deps } from '../src/activities/deps.ts';
import { takeTurn } from '../src/activities/watch/turn.ts';
import { connect } from '../src/db/connection.ts';
import { migrate } from '../src/db/migrate.ts';
import { createSettleQueue } from '../src/db/settle-queue.ts';
import type { ReadStrategy } from '../src/db/watching.ts';
import type { LedgerSource } from '../src/domain/ledger-source.ts';
import { createHorizonSource } from '../src/horizon/source.ts';
import { startSandboxLedger } from '../src/sandbox/ledger/start.ts';
import { startPostgres } from '../src/sandbox/postgres.ts';
import { createWebhookSender } from '../src/webhook/post.ts';

const sizes = process.argv.slice(2).map(Number);
/** Turns that are measured, after one that warms up. */
const TURNS = 3;

const postgres = await startPostgres({ progress: () => undefined });
const ledger = await startSandboxLedger({ closeEveryMs: null });
console.log(
  'strategy  accounts  requests/turn  ms/turn (median)  requests/hour at a turn every 5 s',
);
for (const accounts of sizes.length > 0 ? sizes : [1, 100, 10_000]) {
  for (const strategy of ['accounts', 'ledgers'] as const) await measure(strategy, accounts);
}
await ledger.stop();
await postgres.stop();

async function measure(strategy: ReadStrategy, accounts: number): Promise<void> {
  const url = await postgres.createDatabase(`reading_${strategy}_${accounts}`);
  await migrate(url, { networkPassphrase: ledger.networkPassphrase });
  const database = connect(url);
  const asked = { count: 0 };
  const deps: Deps = {
    database,
    secretKeys: null,
    queue: createSettleQueue(database),
    source: counting(createHorizonSource({ url: ledger.url, requestsPerHour: 0 }), asked),
    sender: createWebhookSender({ allowPrivate: [] }),
    wake: () => Promise.resolve(),
    log: pino({ level: 'silent' }),
    counters: {
      judged: () => undefined,
      foundAfterEnding: () => undefined,
      reconciled: () => undefined,
      attempted: () => undefined,
    },
    pollIntervalMs: 1,
    readStrategy: strategy,
    networkPassphrase: ledger.networkPassphrase,
    draining: new AbortController().signal,
  };
  await fill(database, accounts);
  const turn = async () => {
    ledger.closeLedger();
    asked.count = 0;
    const started = performance.now();
    await takeTurn(deps, { isFirst: false, thorough: false, signal: deps.draining });
    return { requests: asked.count, ms: performance.now() - started };
  };
  await turn();
  if (strategy === 'ledgers') await joined(database);
  const turns = [];
  for (let i = 0; i < TURNS; i += 1) turns.push(await turn());
  const ms = turns.map((t) => t.ms).sort((a, b) => a - b)[Math.floor(TURNS / 2)] ?? 0;
  const requests = Math.max(...turns.map((t) => t.requests));
  console.log(
    `${strategy.padEnd(8)}  ${String(accounts).padStart(8)}  ${String(requests).padStart(13)}  ${ms.toFixed(0).padStart(16)}  ${String(requests * 720).padStart(12)}`,
  );
  await deps.source.close();
  await deps.sender.close();
  await database.close();
}

/** Accounts that nobody has funded: reading one costs a request all the same. */
async function fill({ pool }: ReturnType<typeof connect>, accounts: number): Promise<void> {
  const merchant = randomUUID();
  const names = Array.from({ length: accounts }, () => Keypair.random().publicKey());
  await pool.query(
    `INSERT INTO merchants (id, wallet_address, business_name, email) VALUES ($1, $2, 'bench', $2)`,
    [merchant, merchant],
  );
  await pool.query(
    `WITH s AS (INSERT INTO checkout_sessions (merchant_id, amount, asset_code, receiving_account, memo, expires_at)
       SELECT $1, 10, 'XLM', a, '1', now() + interval '1 hour' FROM unnest($2::text[]) a
       RETURNING id, receiving_account, expires_at),
     w AS (INSERT INTO settlement.watched_accounts (account, cursor, from_ledger, from_time, through_ledger, through_time)
       SELECT a, '4294967296', 1, now() - interval '1 hour', 1, now() - interval '1 hour' FROM unnest($2::text[]) a)
     INSERT INTO settlement.active_sessions (session_id, account, asset, deadline)
     SELECT id, receiving_account, 'native', expires_at FROM s`,
    [merchant, names],
  );
}

/** As after the evidence of the first minute: every account's coverage reaches to where the network's reading begins. */
async function joined({ pool }: ReturnType<typeof connect>): Promise<void> {
  await pool.query(
    `UPDATE settlement.watched_accounts w SET network_from = n.through_ledger, through_ledger = n.through_ledger,
       through_time = n.through_time FROM settlement.network_reading n`,
  );
}

function counting(source: LedgerSource, asked: { count: number }): LedgerSource {
  return new Proxy(source, {
    get: (target, name: keyof LedgerSource) => {
      const method = target[name] as (...args: unknown[]) => unknown;
      return (...args: unknown[]) => {
        asked.count += 1;
        return method(...args);
      };
    },
  });
}
