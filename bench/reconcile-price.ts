/**
 * What the indexes of reconciliation cost who settles: ordinary payments, settled in batches, with them and without, in
 * one run on one database. Only the ratios travel to other machines.
 *   node_modules/.bin/node bench/reconcile-price.ts
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Client } from 'pg';
import { connect } from '../src/db/connection.ts';
import { migrate } from '../src/db/migrate.ts';
import { createSettleQueue } from '../src/db/settle-queue.ts';
import { startPostgres } from '../src/sandbox/postgres.ts';
import { fill, openAndPay } from './reconcile-rows.ts';

const FINISHED = 100_000;
const PAID = 10_000;
const BATCH = 200;
const NETWORK = { networkPassphrase: 'bench' };
const ROUNDS = 3;
/** Payments that are deleted one by one, to see what the foreign key does. */
const DELETED = 50;

const drop = (name: string) => `DROP INDEX ${name}`;
const BY_STATUS = [drop('checkout_sessions_wrong'), drop('checkout_sessions_open')];
const BY_PAYMENT = [drop('checkout_sessions_by_payment')];
const KEY = 'ALTER TABLE checkout_sessions';
const NAME = 'CONSTRAINT checkout_sessions_payment_id_payments_id_fk';
const FOREIGN_KEY = `${KEY} DROP ${NAME}`;
/** As migration 2 adds it; the indexes come back by themselves. */
const FOREIGN_KEY_BACK = `${KEY} ADD ${NAME} FOREIGN KEY (payment_id) REFERENCES payments (id)
  ON DELETE SET NULL NOT VALID`;

/** What is taken away, by what is left. */
const ARMS: Readonly<Record<string, readonly string[]>> = {
  'all of it': [],
  'without _by_payment': BY_PAYMENT,
  'without _wrong, _open': BY_STATUS,
  'without all three': [...BY_STATUS, ...BY_PAYMENT],
  'and without the key': [...BY_STATUS, ...BY_PAYMENT, FOREIGN_KEY],
};

const isVerbose = process.argv.includes('--verbose');

type Settling = { readonly ms: number; readonly commits: number };
type Result = {
  perSecond: number;
  hot: number;
  /** Transactions that two processes have begun in vain, for each that was committed; and what they settle. */
  retries: number;
  perSecondOfTwo: number;
  msPerDelete: number;
};

const [, , url, ...ids] = process.argv;
if (url === undefined || isVerbose) await compare();
else process.send?.(await settle(url, ids));

async function compare(): Promise<void> {
  const postgres = await startPostgres({ progress: () => undefined });
  const address = await postgres.createDatabase('price');
  await migrate(address, NETWORK);
  await withClient(address, (client) => fill(client, FINISHED));
  const results = new Map(Object.keys(ARMS).map((arm) => [arm, [] as Result[]]));
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const [arm, statements] of Object.entries(ARMS)) {
      const result = await measure(address, statements);
      results.get(arm)?.push(result);
      if (isVerbose) console.log(round, arm, result);
    }
  }
  await postgres.stop();
  print(results);
}

/** Settles new sessions in this process, then others in two. */
async function measure(address: string, statements: readonly string[]): Promise<Result> {
  await withClient(address, async (client) => {
    for (const statement of statements) await client.query(statement);
  });
  const before = await counted(address);
  const paid = await open(address);
  const { ms } = await settle(address, paid);
  const alone = await counted(address);
  const others = await open(address);
  const two = await Promise.all(
    [0, 1].map((half) =>
      settleElsewhere(
        address,
        others.filter((_, i) => i % 2 === half),
      ),
    ),
  );
  const { rolledBack } = await counted(address);
  const msPerDelete = await withClient(address, async (client) => {
    const started = performance.now();
    for (const id of paid.slice(0, DELETED)) {
      await client.query('DELETE FROM payments WHERE session_id = $1', [id]);
    }
    return (performance.now() - started) / DELETED;
  });
  if (statements.includes(FOREIGN_KEY)) {
    await withClient(address, async (client) => {
      await client.query('UPDATE checkout_sessions SET payment_id = NULL WHERE id = ANY($1)', [
        paid.slice(0, DELETED),
      ]);
      await client.query(FOREIGN_KEY_BACK);
    });
  }
  await migrate(address, NETWORK);
  return {
    perSecond: PAID / (ms / 1000),
    hot: (alone.hot - before.hot) / (alone.updated - before.updated),
    retries: (rolledBack - alone.rolledBack) / two.reduce((sum, { commits }) => sum + commits, 0),
    perSecondOfTwo: PAID / (Math.max(...two.map((one) => one.ms)) / 1000),
    msPerDelete,
  };
}

async function open(address: string): Promise<string[]> {
  return withClient(address, async (client) => {
    const ids = await openAndPay(client, PAID);
    await client.query('VACUUM ANALYZE');
    return ids;
  });
}

/** What PostgreSQL has counted so far: updates of sessions, HOT ones, and transactions rolled back. */
async function counted(
  address: string,
): Promise<{ updated: number; hot: number; rolledBack: number }> {
  return withClient(address, async (client) => {
    const { rows } = await client.query<{ updated: number; hot: number; rolledBack: number }>(
      `SELECT n_tup_upd::int AS updated, n_tup_hot_upd::int AS hot, (SELECT xact_rollback::int
         FROM pg_stat_database WHERE datname = current_database()) AS "rolledBack"
       FROM pg_stat_user_tables WHERE relname = 'checkout_sessions'`,
    );
    return rows[0] ?? { updated: 0, hot: 0, rolledBack: 0 };
  });
}

/** As a process does: batch after batch through its queue, which halves a batch that cannot be committed. */
async function settle(address: string, sessionIds: readonly string[]): Promise<Settling> {
  const database = connect(address, { max: 1 });
  await database.pool.query('SELECT 1');
  let commits = 0;
  const queue = createSettleQueue(database, () => void (commits += 1));
  const started = performance.now();
  for (let i = 0; i < sessionIds.length; i += BATCH) {
    for (const [id, settled] of await queue.settleAll(sessionIds.slice(i, i + BATCH))) {
      if (settled instanceof Error) throw settled;
      if (settled.status !== 'paid')
        throw new Error(`Session ${id} is ${settled.status}, not paid.`);
    }
  }
  const ms = performance.now() - started;
  await database.close();
  return { ms, commits };
}

async function settleElsewhere(address: string, sessionIds: readonly string[]): Promise<Settling> {
  const child = fork(import.meta.filename, [address, ...sessionIds]);
  const gone = once(child, 'exit').then(() => Promise.reject(new Error('A process has failed.')));
  const [settling] = (await Promise.race([once(child, 'message'), gone])) as [Settling];
  gone.catch(() => undefined);
  child.disconnect();
  return settling;
}

async function withClient<T>(address: string, use: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: address });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

function print(results: ReadonlyMap<string, readonly Result[]>): void {
  const median = (arm: string, of: (result: Result) => number) => {
    const sorted = (results.get(arm) ?? []).map(of).sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? 0;
  };
  const NONE = 'without all three';
  const speed = (arm: string, of: (result: Result) => number) => [
    median(arm, of).toFixed(0).padStart(6),
    (median(arm, of) / median(NONE, of)).toFixed(2).padStart(5),
  ];
  console.log(
    'indexes                 sessions/s  ratio    HOT  of two  ratio  retries/commit  ms per deleted payment',
  );
  for (const arm of Object.keys(ARMS)) {
    const columns = [
      arm.padEnd(22),
      ...speed(arm, (r) => r.perSecond).map((text) => text.padStart(5)),
      `${(median(arm, (r) => r.hot) * 100).toFixed(0)} %`.padStart(5),
      ...speed(arm, (r) => r.perSecondOfTwo),
      median(arm, (r) => r.retries)
        .toFixed(2)
        .padStart(14),
      median(arm, (r) => r.msPerDelete)
        .toFixed(2)
        .padStart(22),
    ];
    console.log(columns.join('  '));
  }
}
