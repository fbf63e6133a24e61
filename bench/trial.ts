/** One trial of one arm: a database, a server and a worker process of its own. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import { auditDatabase } from '../src/db/audit.ts';
import { connect } from '../src/db/connection.ts';
import { freePort } from '../src/sandbox/child.ts';
import { ARMS, isStored, loadArm, type ArmName } from './arms/list.ts';
import type { ArmClient, Payment, Place } from './arms/arm.ts';
import { cpuMsOf, postgresCounters, rssMbOf, type PostgresCounters } from './counters.ts';
import { inParallel } from './parallel.ts';
import { startRestate, startTemporal, type Server } from './servers.ts';
import { FIRST_LEDGER, type Stage } from './stage.ts';
import { startStoredTemporal } from './stored-temporal.ts';
import { startArmWorker, type WorkerProcess } from './worker-process.ts';
import {
  check,
  insertSessions,
  openShop,
  paymentsFor,
  watch,
  type Checked,
  type Shop,
} from './work.ts';

/** An arm set up to be paid. */
export type Trial = {
  readonly name: ArmName;
  readonly place: Place;
  readonly pool: Pool;
  readonly shop: Shop;
  readonly client: ArmClient;
  readonly server: Server | null;
  readonly before: PostgresCounters;
  worker(): WorkerProcess;
  /** Last words of workers that ended by themselves; each was started again, as a supervisor does. */
  readonly crashes: string[];
  /** Sessions as the backend inserts them, opened with the arm. Tells how long the opening took. */
  open(count: number): Promise<{ ids: string[]; ms: number }>;
  /** SIGKILL, and a new one, in which our watcher takes a turn this often. */
  restartWorker(options: { pollIntervalMs: number }): Promise<void>;
  /** Ends the arm; what PostgreSQL has counted over all of it is read after that. */
  close(): Promise<{ counted: PostgresCounters; findings: string[] | null }>;
};

const DRIVER = 'bench driver';
/** Sessions are opened, and a page of payments is sent one by one, so many at once. */
const OPEN_AT_ONCE = 20;

/** Sets an arm up. `pollIntervalMs` is how often our watcher takes a turn. */
export async function setUp(
  stage: Stage,
  name: ArmName,
  { pollIntervalMs }: { pollIntervalMs: number },
): Promise<Trial> {
  const arm = await loadArm(name);
  const databaseUrl = await stage.createDatabase();
  const driverUrl = `${databaseUrl}?application_name=${encodeURIComponent(DRIVER)}`;
  const temporal = arm.needs === 'temporal' ? await temporalFor(stage, name) : null;
  const restate = arm.needs === 'restate' ? await startRestate() : null;
  const place: Place = {
    databaseUrl,
    driverUrl,
    sink: stage.sink.host,
    horizonUrl: stage.ledger.url,
    networkPassphrase: stage.ledger.networkPassphrase,
    temporalAddress: temporal?.address ?? null,
    restate: restate && { ingress: restate.address, admin: restate.admin },
    workerPort: await freePort(),
    bundles: stage.bundles,
    pollIntervalMs,
  };
  const database = connect(driverUrl, { max: 4, applicationName: DRIVER });
  const { pool } = database;
  const before = await postgresCounters(pool);
  const shop = await openShop(pool, stage.sink.host);
  await watch(pool, shop.account, FIRST_LEDGER);
  const crashes: string[] = [];
  let isOver = false;
  let turns = pollIntervalMs;
  const start = async (): Promise<WorkerProcess> => {
    const started = await startArmWorker(name, { ...place, pollIntervalMs: turns });
    started.onCrash((said) => {
      crashes.push(said);
      if (isOver) return;
      void start().then(
        (next) => (worker = next),
        (error: unknown) => crashes.push(String(error)),
      );
    });
    return started;
  };
  let worker = await start();
  const client = await arm.client(place, (payments) => worker.pay(payments));
  stage.sink.forget();
  return {
    name,
    place,
    pool,
    shop,
    client,
    server: temporal ?? restate,
    before,
    worker: () => worker,
    crashes,
    open: async (count) => {
      const ids = await insertSessions(pool, shop, count, FIRST_LEDGER);
      const started = performance.now();
      await inParallel(chunks(ids, 10), OPEN_AT_ONCE, (some) => client.open(some));
      return { ids, ms: performance.now() - started };
    },
    restartWorker: async (options) => {
      turns = options.pollIntervalMs;
      await worker.kill();
      worker = await start();
    },
    close: async () => {
      isOver = true;
      await client.close();
      await worker.kill();
      await (temporal ?? restate)?.stop();
      await endOthers(pool);
      const counted = difference(await postgresCounters(pool), before);
      await database.close();
      return { counted, findings: name.startsWith('ours') ? await audited(databaseUrl) : null };
    },
  };
}

function temporalFor({ postgres }: Stage, name: ArmName): Promise<Server> {
  return isStored(name) ? startStoredTemporal(postgres) : startTemporal();
}

/** Ends what is left of the arm's connections, so that their counters are told. */
async function endOthers(pool: Pool): Promise<void> {
  await terminateBackends(pool);
  const others = `SELECT FROM pg_stat_activity WHERE datname = current_database()
    AND application_name <> '${DRIVER}' AND backend_type = 'client backend'`;
  while ((await pool.query(others)).rowCount) await sleep(20);
}

/** Cuts every connection of the arm's worker, as a failover does. */
export async function terminateBackends(pool: Pool): Promise<void> {
  await pool.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name <> '${DRIVER}'
      AND backend_type = 'client backend'`);
}

async function audited(url: string): Promise<string[]> {
  const { findings } = await auditDatabase(url);
  return findings.map(({ promise, subject, problem }) => `${promise} ${subject}: ${problem}`);
}

function difference(after: PostgresCounters, before: PostgresCounters): PostgresCounters {
  const names = Object.keys(after) as (keyof PostgresCounters)[];
  return Object.fromEntries(
    names.map((name) => [name, after[name] - before[name]]),
  ) as PostgresCounters;
}

/** Splits a list. */
export function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) =>
    items.slice(i * size, (i + 1) * size),
  );
}

/** When each session's payment was committed, by PostgreSQL's clock, in milliseconds since 1970. */
export async function commitTimes(
  pool: Pool,
  sessionIds: readonly string[],
): Promise<Map<string, number>> {
  const { rows } = await pool.query<{ id: string; at: number }>(
    `SELECT session_id AS id, (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000)::float8 AS at
     FROM payments WHERE session_id = ANY($1::uuid[])`,
    [sessionIds],
  );
  return new Map(rows.map(({ id, at }) => [id, at]));
}

/** Processor time until now, by process. */
export type Cpu = { server: number | null; postgres: number | null; worker: number; trips: number };

/** Reads it. */
export async function cpuOf(
  stage: Stage,
  trial: Trial,
): Promise<Cpu & { extra: Record<string, number> }> {
  const { cpuMs = 0, roundTrips = 0, ...extra } = await trial.worker().count();
  return {
    server: trial.server && cpuMsOf(trial.server.pid),
    postgres: cpuMsOf(stage.postgres.pid),
    worker: cpuMs,
    trips: roundTrips,
    extra: { ...extra, serverRssMb: (trial.server && rssMbOf(trial.server.pid)) ?? 0 },
  };
}

/** Brings payments until the arm has accepted them, as a signaller does that got no answer. Tells how often it was refused. */
export async function insist(trial: Trial, payments: readonly Payment[]): Promise<number> {
  for (let refused = 0; ; refused += 1) {
    try {
      await trial.client.pay(payments);
      return refused;
    } catch (error) {
      if (refused > 300) throw error;
      await sleep(100);
    }
  }
}

/** Waits until every session has had its webhook, or nothing has moved for `patienceMs`. Returns how many have not. */
export async function untilTold(
  stage: Stage,
  sessionIds: readonly string[],
  patienceMs: number,
): Promise<number> {
  let missing = sessionIds.length;
  for (let movedAt = Date.now(); missing > 0 && Date.now() - movedAt < patienceMs;) {
    await sleep(10);
    const left = sessionIds.filter((id) => !stage.sink.arrived.has(id)).length;
    if (left < missing) movedAt = Date.now();
    missing = left;
  }
  return missing;
}

/** Sessions with their payments in order of arrival, ready to be paid. */
export async function prepare(
  trial: Trial,
  count: number,
): Promise<{ ids: string[]; payments: Payment[]; openMs: number }> {
  const { ids, ms } = await trial.open(count);
  return { ids, payments: paymentsFor(trial.shop, ids), openMs: ms };
}

/** The correctness check. */
export function checkTrial(
  stage: Stage,
  { pool }: Trial,
  payments: readonly Payment[],
): Promise<Checked> {
  return check(pool, payments, stage.sink.arrived);
}

/** Payments that are handed over together by this arm. */
export function batchOf(name: ArmName): number {
  return ARMS[name].batch;
}
