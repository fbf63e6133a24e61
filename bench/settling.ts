/** What settling costs by itself, without Temporal: counts that do not vary, and how they grow. */
import { Client } from 'pg';
import { connect } from '../src/db/connection.ts';
import { storeFindings } from '../src/db/inbox.ts';
import { settleOnce } from '../src/db/settle.ts';
import { createSettleQueue } from '../src/db/settle-queue.ts';
import { parseAmount } from '../src/domain/money.ts';
import { POOL, toLedgerPayment, type Payment } from './arms/arm.ts';
import { postgresCounters } from './counters.ts';
import { inParallel } from './parallel.ts';
import { createPages } from './pages.ts';
import { countRoundTrips } from './round-trips.ts';
import { FIRST_LEDGER, type Stage } from './stage.ts';
import { chunks } from './trial.ts';
import { insertSessions, openShop, paymentsFor, watch, type Shop } from './work.ts';

/** Horizon's largest page. */
const FULL_PAGE = 200;

/** A database with a shop, for settling in this process. */
async function shopIn(stage: Stage) {
  const url = await stage.createDatabase();
  const database = connect(url, { max: POOL });
  const shop = await openShop(database.pool, stage.sink.host);
  await watch(database.pool, shop.account, FIRST_LEDGER);
  const receive = async (ids: readonly string[]) => {
    const facts = paymentsFor(shop, ids).map((p) => toLedgerPayment(p, parseAmount(p.amount)));
    await storeFindings(database.pool, { payments: facts, undecoded: [] });
  };
  return { url, pool: database.pool, shop, receive, close: () => database.close() };
}

/** Round trips of one settle transaction. */
export type RoundTrips = { oneSession: number; fullPage: number };

/** Counts them on the sockets. */
export async function settleRoundTrips(stage: Stage): Promise<RoundTrips> {
  const { pool, shop, receive, close } = await shopIn(stage);
  const count = countRoundTrips(Number(new URL(stage.postgres.url).port));
  const cost = async (sessions: number) => {
    const ids = await insertSessions(pool, shop, sessions, FIRST_LEDGER);
    await receive(ids);
    const before = count();
    await settleOnce(pool, ids);
    return count() - before;
  };
  const trips = { oneSession: await cost(1), fullPage: await cost(FULL_PAGE) };
  await close();
  return trips;
}

/** Retries per commit when so many processes settle different sessions of one account at once. */
export type Retries = { processes: number; commits: number; retriesPerCommit: number };

/** A queue is what a process has one of, so two queues with pools of their own stand for two processes. */
export async function settleRetries(
  stage: Stage,
  processes: number,
  sessions: number,
): Promise<Retries> {
  const { url, pool, shop, receive, close } = await shopIn(stage);
  const ids = await insertSessions(pool, shop, sessions, FIRST_LEDGER);
  await receive(ids);
  const cost = { commits: 0, retries: 0 };
  const databases = Array.from({ length: processes }, () => connect(url, { max: POOL }));
  const queues = databases.map((database) =>
    createSettleQueue(database, ({ retries }) => {
      cost.commits += 1;
      cost.retries += retries;
    }),
  );
  await Promise.all(
    queues.map((queue, i) =>
      inParallel(
        ids.filter((_, j) => j % processes === i),
        32,
        async (id) => void (await queue.settle(id)),
      ),
    ),
  );
  for (const database of databases) await database.close();
  await close();
  return { processes, commits: cost.commits, retriesPerCommit: cost.retries / cost.commits };
}

/** What committing pages of one size costs. */
export type PageCost = {
  payments: number;
  perSecond: number;
  roundTrips: number;
  walFsyncs: number;
};

/** Commits `total` payments in pages of `size`. */
export async function pageCost(stage: Stage, size: number, total: number): Promise<PageCost> {
  const { url, pool, shop, close } = await shopIn(stage);
  const warm = paymentsFor(shop, await insertSessions(pool, shop, FULL_PAGE, FIRST_LEDGER));
  const payments = paymentsFor(shop, await insertSessions(pool, shop, total, FIRST_LEDGER));
  const pages = createPages(url);
  for (const page of chunks(warm, FULL_PAGE)) await pages.commit(page);
  const count = countRoundTrips(Number(new URL(url).port));

  const { ms, trips } = await timed(pages, payments, size, count);
  const cost = { payments: size, perSecond: (payments.length / ms) * 1000 };
  await pages.close();
  await close();
  const walFsyncs = await fsyncsOf(stage, size, total);
  return { ...cost, roundTrips: trips / payments.length, walFsyncs };
}

async function timed(
  pages: ReturnType<typeof createPages>,
  payments: readonly Payment[],
  size: number,
  count: () => number,
) {
  const before = count();
  const started = performance.now();
  for (const page of chunks(payments, size)) await pages.commit(page);
  return { ms: performance.now() - started, trips: count() - before };
}

/** Counted in a run of their own: a backend tells its counters when it ends. */
async function fsyncsOf(stage: Stage, size: number, total: number): Promise<number> {
  const { url, pool, shop, close } = await shopIn(stage);
  const payments = paymentsFor(shop, await insertSessions(pool, shop, total, FIRST_LEDGER));
  await close();
  const reader = connect(url, { max: 1 });
  const before = await postgresCounters(reader.pool);
  const pages = createPages(url);
  for (const page of chunks(payments, size)) await pages.commit(page);
  await pages.close();
  await new Promise((resolve) => setTimeout(resolve, 200));
  const after = await postgresCounters(reader.pool);
  await reader.close();
  return (after.walFsyncs - before.walFsyncs) / payments.length;
}

/** What there is much of, while pages are committed. */
export type Crowd = 'sessions open' | 'sessions finished' | 'accounts watched';

/** Page commits a second beside so many of them. */
export type Growth = { crowd: Crowd; count: number; perSecond: number };

/** Fills a database step by step and commits full pages after each. */
export async function growth(
  stage: Stage,
  crowd: Crowd,
  counts: readonly number[],
): Promise<Growth[]> {
  const { url, pool, shop, close } = await shopIn(stage);
  const pages = createPages(url);
  const measured: Growth[] = [];
  let there = 0;
  for (const count of counts) {
    await FILL[crowd](pool, shop, count - there);
    there = count;
    await tidyUp(url);
    const payments = paymentsFor(
      shop,
      await insertSessions(pool, shop, 5 * FULL_PAGE, FIRST_LEDGER),
    );
    const [first = [], ...rest] = chunks(payments, FULL_PAGE);
    await pages.commit(first);
    const started = performance.now();
    for (const page of rest) await pages.commit(page);
    const seconds = (performance.now() - started) / 1000;
    measured.push({ crowd, count, perSecond: (payments.length - first.length) / seconds });
  }
  await pages.close();
  await close();
  return measured;
}

/** What autovacuum and the checkpointer would do a little later, amid the measurement. Only the superuser may. */
async function tidyUp(url: string): Promise<void> {
  const superuser = new URL(url);
  superuser.username = 'postgres'; // has the same password in the sandbox
  const client = new Client({ connectionString: superuser.toString() });
  await client.connect();
  await client.query('VACUUM ANALYZE');
  await client.query('CHECKPOINT');
  await client.end();
}

type Fill = (
  pool: Awaited<ReturnType<typeof shopIn>>['pool'],
  shop: Shop,
  n: number,
) => Promise<void>;

/** Rows in one statement: it has 5 s (src/db/connection.ts), also on a busy machine. */
const ROWS_AT_ONCE = 5_000;

const inSteps = async (n: number, fill: (rows: number) => Promise<unknown>) => {
  for (let left = n; left > 0; left -= ROWS_AT_ONCE) await fill(Math.min(left, ROWS_AT_ONCE));
};

const FILL: Record<Crowd, Fill> = {
  'sessions open': (pool, shop, n) =>
    inSteps(n, (rows) => insertSessions(pool, shop, rows, FIRST_LEDGER)),
  'sessions finished': (pool, shop, n) =>
    inSteps(n, (rows) =>
      pool.query(
        `WITH s AS (INSERT INTO checkout_sessions (merchant_id, amount, asset_code, receiving_account, memo, status, expires_at,
             opened_after)
           SELECT $1, 10, 'XLM', $2, 'finished ' || gen_random_uuid(), 'paid', now() + interval '1 hour', 1000
           FROM generate_series(1, $3) RETURNING id, memo),
         p AS (INSERT INTO payments (session_id, merchant_id, tx_hash, amount, asset_code, sender_address, confirmed_at)
           SELECT id, $1, md5(id::text), 10, 'XLM', 'G', now() FROM s),
         e AS (INSERT INTO settlement.events (id, session_id, merchant_id, type, fact, body, occurred_at)
           SELECT gen_random_uuid(), id, $1, 'payment.confirmed', 'paid', repeat('x', 300), now() FROM s),
         d AS (INSERT INTO webhook_deliveries (merchant_id, session_id, event, payload, delivery_id, status)
           SELECT $1, id, 'payment.confirmed', '{}', gen_random_uuid(), 'delivered' FROM s)
         INSERT INTO settlement.ledger_payments (tx_hash, op_index, sub_index, operation_id, ledger, closed_at, type,
           account, sender, asset_code, amount, reference, reference_source, verdict, session_id)
         SELECT md5(id::text), 0, 0, 1, 1, now(), 'payment', $2, 'G', 'XLM', 10, memo, 'memo_text', 'credited', id FROM s`,
        [shop.merchantId, shop.account, rows],
      ),
    ),
  'accounts watched': (pool, _shop, n) =>
    inSteps(n, (rows) =>
      pool.query(
        `INSERT INTO settlement.watched_accounts (account, through_ledger)
         SELECT 'G' || upper(md5(random()::text)) || i, 1000 FROM generate_series(1, $1::int) i`,
        [rows],
      ),
    ),
};
