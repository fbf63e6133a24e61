/**
 * What a turn asks of the database and of Horizon beside many watched accounts, each with an open session and ten
 * holes in its coverage, a hundredth of them with a deadline that is over. The accounts are rows only.
 *   node_modules/.bin/node bench/ledger-cost-many.ts [accounts]
 */
import { Keypair } from '@stellar/stellar-sdk';
import type { QueryResult } from 'pg';
import { extendChainBack } from '../src/activities/watch/chain.ts';
import { onClient, type Database, type Db } from '../src/db/connection.ts';
import { newestLedger } from '../src/db/ledgers.ts';
import { missingLedgers, watchedAccounts, type ReadStrategy } from '../src/db/watching.ts';
import { startPostgres } from '../src/sandbox/postgres.ts';
import { startLedgerStage } from './ledger-stage.ts';

const accounts = Number(process.argv[2] ?? 10_000);
/** Ledgers that the accounts are watched for: almost an hour. */
const WATCHED = 700;
const ROUNDS = 5;
/** What takes longer is explained. */
const TOO_LONG_MS = 300;

const postgres = await startPostgres({ progress: () => undefined });
for (const strategy of ['accounts', 'ledgers'] as const) await measure(strategy);
await postgres.stop();

async function measure(strategy: ReadStrategy): Promise<void> {
  const url = await postgres.createDatabase(`many_${strategy}`);
  const stage = await startLedgerStage(url, strategy, 1);
  const { db } = stage.deps.database;
  await stage.turn();
  await extendChainBack(stage.deps, new Date(Date.now() - 70 * 60_000));
  const newest = (await newestLedger(db))?.sequence ?? 0;
  await fill(db, strategy, newest);
  const asks = {
    watchedAccounts: (on: Db) => watchedAccounts(on),
    missingLedgers: (on: Db) => missingLedgers(on, strategy),
  };
  const figures: Record<string, { ms: number; rows: number }> = {};
  for (const [name, ask] of Object.entries(asks)) {
    const figure = await median(() => ask(db));
    figures[name] = figure;
    if (figure.ms > TOO_LONG_MS) await explain(stage.deps.database, ask);
  }
  // What ends is read first; the sandbox has no such accounts, so only the reading of all ledgers can be counted here.
  let requests = 1 + accounts;
  if (strategy === 'ledgers') {
    for (let i = 0; i < 5; i += 1) {
      stage.pass(5);
      stage.asked.count = 0;
      await stage.turn();
      requests = stage.asked.count;
    }
  }
  console.log(strategy, { accounts, requests, ...figures });
  await stage.close();
}

/** Prints the plan of what took too long. */
async function explain({ pool }: Database, ask: (db: Db) => Promise<unknown>): Promise<void> {
  const client = await pool.connect();
  const query = client.query.bind(client) as (
    asked: object,
    values?: unknown[],
  ) => Promise<QueryResult<Record<string, string>>>;
  const explaining = async (asked: { text: string }, values?: unknown[]) => {
    const text = `EXPLAIN (ANALYZE, BUFFERS) ${asked.text}`;
    const { rows } = await query({ text }, values);
    console.log(rows.map((row) => row['QUERY PLAN']).join('\n'));
    return { rows: [] };
  };
  await ask(
    onClient(Object.assign(client, { query: explaining as unknown as typeof client.query })),
  );
  client.release(true);
}

/** Milliseconds, and rows of the answer. */
async function median(
  ask: () => Promise<readonly unknown[]>,
): Promise<{ ms: number; rows: number }> {
  const times: number[] = [];
  let rows = 0;
  for (let i = 0; i < ROUNDS; i += 1) {
    const started = performance.now();
    rows = (await ask()).length;
    times.push(performance.now() - started);
  }
  return { ms: Math.round(times.sort((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? 0), rows };
}

async function fill(db: Db, strategy: ReadStrategy, newest: number): Promise<void> {
  const { $client: pool } = db;
  const names = Array.from({ length: accounts }, () => Keypair.random().publicKey());
  const first = newest - WATCHED;
  const joined = strategy === 'ledgers' ? first : null;
  // Ten ledgers in which the entry moved; where every ledger is read whole there are none.
  const holes = Array.from({ length: 10 }, (_, i) => first + 50 + i * 60);
  const ranges = [first, ...holes].map((from, i) => `[${from + 1},${holes[i] ?? newest + 1})`);
  await pool.query(
    `INSERT INTO settlement.watched_accounts (account, through_ledger, read_ledgers, read_at, network_from)
     SELECT a, $2::bigint, int8multirange(int8range($3::bigint, $2::bigint + 1)), now(), $4::bigint FROM unnest($1::text[]) a`,
    [names, newest, first, joined],
  );
  if (strategy === 'ledgers') {
    await pool.query(
      'INSERT INTO settlement.network_reading (id, through_ledger) VALUES (1, $1::bigint)',
      [newest],
    );
  } else {
    await pool.query(
      `INSERT INTO settlement.coverage (account, asset, ledgers)
       SELECT a, 'native', $2::int8multirange FROM unnest($1::text[]) a`,
      [names, `{${ranges.join(',')}}`],
    );
  }
  await pool.query(
    `WITH s AS (INSERT INTO checkout_sessions (merchant_id, amount, asset_code, receiving_account, memo, opened_after,
         expires_at, seen_status, seen_expires_at, seen_memo)
       SELECT m.id, 10, 'XLM', a, '1', $2::bigint, e, 'pending', e, '1' FROM merchants m, unnest($1::text[]) WITH ORDINALITY t(a, n),
         LATERAL (SELECT now() + CASE WHEN n % 100 = 0 THEN interval '-5 minutes' ELSE interval '1 day' END) x(e)
       RETURNING id, receiving_account, expires_at)
     INSERT INTO settlement.active_sessions (session_id, account, asset, deadline, live_session)
     SELECT id, receiving_account, 'native', expires_at, id FROM s`,
    [names, first],
  );
  await pool.query('ANALYZE');
}
