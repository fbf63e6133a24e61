/** Reading the sandbox ledger without a worker: the activities' dependencies, and accounts to watch. */
import { randomUUID } from 'node:crypto';
import { Keypair } from '@stellar/stellar-sdk';
import { pino } from 'pino';
import type { Pool } from 'pg';
import type { Counters, Deps } from '../src/activities/deps.ts';
import { createBell } from '../src/activities/bell.ts';
import { connect } from '../src/db/connection.ts';
import { createSettleQueue } from '../src/db/settle-queue.ts';
import type { ReadStrategy } from '../src/db/watching.ts';
import type { LedgerSource } from '../src/domain/ledger-source.ts';
import { createHorizonSource } from '../src/horizon/source.ts';
import type { SandboxLedger } from '../src/sandbox/ledger/start.ts';
import { createWebhookSender } from '../src/webhook/post.ts';

/** What an activity that reads works with; `asked` counts its requests to Horizon. */
export type Reader = {
  readonly deps: Deps;
  readonly asked: { count: number };
  close(): Promise<void>;
};

/** Count into nothing. */
export const NO_COUNTERS: Counters = {
  judged: () => undefined,
  foundAfterEnding: () => undefined,
  reconciled: () => undefined,
  attempted: () => undefined,
  reportLimited: () => undefined,
  setAside: () => undefined,
};

/** A reader of the ledger for a database; it wakes nobody, logs nothing, and waits for no budget. */
export function createReader(
  databaseUrl: string,
  ledger: SandboxLedger,
  readStrategy: ReadStrategy,
): Reader {
  const database = connect(databaseUrl);
  const asked = { count: 0 };
  const source = createHorizonSource({ url: ledger.url, requestsPerHour: 0 });
  const sender = createWebhookSender({ allowPrivate: [] });
  const deps: Deps = {
    database,
    secretKeys: null,
    queue: createSettleQueue(database),
    source: counting(source, asked),
    sender,
    wake: () => Promise.resolve(),
    settledBell: createBell(),
    log: pino({ level: 'silent' }),
    counters: NO_COUNTERS,
    pollIntervalMs: 1,
    readStrategy,
    networkPassphrase: ledger.networkPassphrase,
    draining: new AbortController().signal,
  };
  return {
    deps,
    asked,
    close: async () => {
      await source.close();
      await sender.close();
      await database.close();
    },
  };
}

/** Watched accounts, the first `open` of them with an open session. Nobody has funded them: reading one costs a request all the same. */
export async function watchAccounts(
  pool: Pool,
  { accounts, open, readTo }: { accounts: number; open: number; readTo: number },
): Promise<void> {
  const merchant = randomUUID();
  const names = Array.from({ length: accounts }, () => Keypair.random().publicKey());
  await pool.query(
    `INSERT INTO merchants (id, wallet_address, business_name, email) VALUES ($1, $2, 'bench', $2)`,
    [merchant, merchant],
  );
  await pool.query(
    `INSERT INTO settlement.watched_accounts (account, through_ledger, read_ledgers)
     SELECT a, $2, int8multirange(int8range(2, $2 + 1)) FROM unnest($1::text[]) a`,
    [names, readTo],
  );
  await pool.query(
    `WITH s AS (INSERT INTO checkout_sessions (merchant_id, amount, asset_code, receiving_account, memo, expires_at,
         opened_after, seen_status, seen_expires_at, seen_memo)
       SELECT $1, 10, 'XLM', a, '1', over.at, $3, 'pending', over.at, '1'
       FROM unnest($2::text[]) a, (SELECT now() + interval '1 hour' AS at) over
       RETURNING id, receiving_account, expires_at)
     INSERT INTO settlement.active_sessions (session_id, live_session, account, asset, deadline)
     SELECT id, id, receiving_account, 'native', expires_at FROM s`,
    [merchant, names.slice(0, open), readTo],
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
