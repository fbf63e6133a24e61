/** The whole system from end to end: opening through the client, the watcher against the sandbox, the demo's start. */
import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Account, Asset, Keypair, Operation, TransactionBuilder } from '@stellar/stellar-sdk';
import type { Pool } from 'pg';
import { connectSettlement } from '../src/client.ts';
import { referenceFor } from '../src/db/ids.ts';
import { muxedAddress } from '../src/horizon/address.ts';
import { rssMbOf } from './counters.ts';
import { inParallel } from './parallel.ts';
import { spread } from './results.ts';
import type { Stage } from './stage.ts';
import { checkTrial, chunks, commitTimes, insist, setUp, untilTold } from './trial.ts';
import { insertSessions, openShop, paymentsFor, PRICE, watch } from './work.ts';
import { randomUUID } from 'node:crypto';

/** What open sessions cost, and what one costs in history over its life. */
export type OpenSessions = {
  open: number;
  perSecond: number;
  workerRssMb: number;
  serverRssMb: number;
  serverKbPerSession: number;
  /** From opening through the client to the webhook and rest. */
  eventsInALife: number;
  lost: number;
  audit: string[] | null;
};

const SAMPLE = 20;
/** No more are opened after this: a busy machine then says how many it had. */
const OPEN_FOR_MS = 480_000;

/** Opens sessions through the client, `most` of them, and lets them wait; then some are paid. */
export async function openSessions(stage: Stage, most: number): Promise<OpenSessions> {
  const trial = await setUp(stage, 'ours-session', { pollIntervalMs: 5_000 });
  const client = await connectSettlement({ address: trial.place.temporalAddress ?? '' });
  const serverPid = trial.server?.pid ?? 0;
  const serverBefore = rssMbOf(serverPid) ?? 0;
  const ids: string[] = [];
  const started = performance.now();
  const wanted = Array.from({ length: most }, () => randomUUID());
  await inParallel(wanted, 64, async (id) => {
    if (performance.now() - started > OPEN_FOR_MS) return;
    await client.openSession(id, {
      merchantId: trial.shop.merchantId,
      amount: PRICE,
      asset: { code: 'XLM', issuer: null },
      receivingAccount: trial.shop.account,
      expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
    });
    ids.push(id);
  });
  const count = ids.length;
  const seconds = (performance.now() - started) / 1000;
  const serverRssMb = rssMbOf(serverPid) ?? 0;
  const { rssMb = 0 } = await trial.worker().count();
  const paid = ids.slice(-SAMPLE);
  const payments = paymentsFor(trial.shop, paid);
  for (const payment of payments) await insist(trial, [payment]);
  await untilTold(stage, paid, 20_000);
  await sleep(1_000); // the runs end
  const events = (await trial.client.events?.(paid)) ?? [];
  const { lost } = await checkTrial(stage, trial, payments);
  await client.close();
  const { findings } = await trial.close();
  return {
    open: count,
    perSecond: count / seconds,
    workerRssMb: rssMb,
    serverRssMb,
    serverKbPerSession: ((serverRssMb - serverBefore) * 1024) / count,
    eventsInALife: events.reduce((sum, n) => sum + n, 0) / events.length,
    lost,
    audit: findings,
  };
}

/** A backlog read and settled, and how far reading lags behind the ledger after that. */
export type Watching = {
  backlog: number;
  seconds: number;
  pollIntervalMs: number;
  /** From the close of a ledger to its payment in the inbox; the largest of a few. */
  lagMs: number;
  /** From the commit of a payment that the watcher has read to its webhook; the median of the same few. */
  toldMs: number;
  audit: string[] | null;
};

const POLL_MS = 1_000;
/** Operations in one transaction. */
const MOST_OPERATIONS = 100;

/** A trial with a customer who pays on the sandbox ledger, and an account that the watcher is yet to watch. */
async function setUpToWatch(stage: Stage) {
  const trial = await setUp(stage, 'ours-session', { pollIntervalMs: POLL_MS });
  const shop = await openShop(trial.pool, stage.sink.host);
  const customer = Keypair.random();
  await stage.ledger.fund(shop.account, '10');
  await stage.ledger.fund(customer.publicKey(), '10000000');
  const from = stage.ledger.chain.history.latest().sequence;
  return { trial, shop, customer, from };
}

/** A backlog in one run; in another, with nothing beside it, a payment now and then. */
export async function watching(stage: Stage, backlog: number, steady: number): Promise<Watching> {
  const read = await readBacklog(stage, backlog);
  const now = await readSteadily(stage, steady);
  return {
    backlog,
    seconds: read.seconds,
    pollIntervalMs: POLL_MS,
    lagMs: Math.max(...now.lags),
    toldMs: spread(now.told, (ms) => ms)?.median ?? Number.NaN,
    audit: read.findings && now.findings && [...read.findings, ...now.findings],
  };
}

/** Payments lie on the sandbox ledger before their account is watched; then the watcher finds them. */
async function readBacklog(stage: Stage, backlog: number) {
  const { trial, shop, customer, from } = await setUpToWatch(stage);
  const ids = await insertSessions(trial.pool, shop, backlog, from);
  for (const some of chunks(ids, MOST_OPERATIONS)) pay(stage, customer, shop.account, some);
  stage.ledger.closeLedger();
  const started = performance.now();
  await watch(trial.pool, shop.account, from);
  await untilPaid(trial.pool, ids);
  const seconds = (performance.now() - started) / 1000;
  const { findings } = await trial.close();
  return { seconds, findings };
}

/** For each payment: from its ledger's close to the inbox, and from its commit to its webhook. */
async function readSteadily(stage: Stage, payments: number) {
  const { trial, shop, customer, from } = await setUpToWatch(stage);
  const { pool } = trial;
  const ids = await insertSessions(pool, shop, payments, from);
  await watch(pool, shop.account, from);
  const lags: number[] = [];
  for (const [i, id] of ids.entries()) {
    // The last one was read by a poll just now: ledgers close at every moment between two of them.
    await sleep(POLL_MS * (i / ids.length));
    pay(stage, customer, shop.account, [id]);
    stage.ledger.closeLedger();
    const closedAt = Date.now();
    await untilPaid(pool, [id]);
    lags.push((await seenAt(pool, id)) - closedAt);
  }
  const untold = await untilTold(stage, ids, 60_000);
  if (untold > 0) throw new Error(`${untold} sessions had no webhook within a minute.`);
  const commits = await commitTimes(pool, ids);
  const told = ids.map(
    (id) => (stage.sink.arrived.get(id)?.at ?? Number.NaN) - (commits.get(id) ?? Number.NaN),
  );
  const { findings } = await trial.close();
  return { lags, told, findings };
}

/** One transaction that pays each session by its muxed address. */
function pay(stage: Stage, customer: Keypair, account: string, ids: readonly string[]): void {
  const { chain, networkPassphrase } = stage.ledger;
  const sequence = chain.lastSequence(customer.publicKey()) ?? 0n;
  const builder = new TransactionBuilder(new Account(customer.publicKey(), sequence.toString()), {
    fee: '100',
    networkPassphrase,
  });
  for (const id of ids) {
    const destination = muxedAddress(account, BigInt(referenceFor(id)));
    builder.addOperation(Operation.payment({ destination, asset: Asset.native(), amount: PRICE }));
  }
  const transaction = builder.setTimeout(0).build();
  transaction.sign(customer);
  chain.submit(transaction.toXdr());
}

async function untilPaid(pool: Pool, ids: readonly string[]): Promise<void> {
  const unpaid = `SELECT FROM checkout_sessions WHERE id = ANY($1::uuid[]) AND status <> 'paid' LIMIT 1`;
  for (const until = Date.now() + 120_000; (await pool.query(unpaid, [ids])).rowCount;) {
    if (Date.now() > until) throw new Error('The watcher has not settled its backlog in 120 s.');
    await sleep(20);
  }
}

async function seenAt(pool: Pool, sessionId: string): Promise<number> {
  const { rows } = await pool.query<{ seen_at: Date }>(
    'SELECT seen_at FROM settlement.ledger_payments WHERE session_id = $1',
    [sessionId],
  );
  return rows[0]?.seen_at.getTime() ?? Number.NaN;
}

/** Seconds from `npm run demo` to its first settled payment; null when it did not come. */
export async function demoStart(): Promise<number | null> {
  const root = fileURLToPath(new URL('..', import.meta.url));
  const started = performance.now();
  const demo = spawn('npm', ['run', '--silent', 'demo'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true, // a group of its own: npm, and what it runs
  });
  const kill = () => demo.pid !== undefined && process.kill(-demo.pid, 'SIGKILL');
  const patience = setTimeout(kill, 90_000);
  let settled: number | null = null;
  // It kills its worker as soon as the first webhook says that a session is paid.
  for await (const chunk of demo.stdout) {
    if (!String(chunk).includes('was killed with SIGKILL')) continue;
    settled = (performance.now() - started) / 1000;
    kill(); // its servers end with it
  }
  clearTimeout(patience);
  return settled;
}
