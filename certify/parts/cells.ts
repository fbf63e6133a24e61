/** The fault matrix: each cell is one fault, how it is made to happen, and how everything becomes well again. */
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Fault } from '../../src/sandbox/ledger/faults.ts';
import { reconcileNow } from '../../src/schedule.ts';
import {
  reconcileScheduleId,
  SETTLEMENT_QUEUE,
  watcherWorkflowId,
} from '../../src/workflows/contract.ts';
import type { Rng } from '../rng.ts';
import type { Mood } from './merchant.ts';
import type { CommitFault } from './postgres-proxy.ts';
import { ownerOf, type Stack } from './stack.ts';
import type { RoundSession } from './workload.ts';

/** What a fault works on. */
export type Scene = {
  readonly stack: Stack;
  readonly rng: Rng;
  /** Sessions that have been opened so far in this round. */
  readonly sessions: readonly RoundSession[];
  /** Aborted when the round is at rest and the fault has still not struck. */
  readonly over: AbortSignal;
  /** Notes milliseconds from a SIGKILL to the next commit of another process. */
  recovered(ms: number): void;
};

/** One cell. `strike` resolves, when all is well again, to how often the fault really struck. */
export type Cell = {
  /** The row of the fault matrix (facts/faults-and-performance.md §2.2). */
  readonly row: string;
  readonly name: string;
  strike(scene: Scene): Promise<number>;
};

const SETTLE = ['settle:begun', 'settle:inside', 'settle:commit', 'settle:committed'];
const STORE = ['store:begun', 'store:inside', 'store:commit', 'store:committed'];

/** Where a worker can die, by activity. */
const POINTS: Readonly<Record<string, readonly string[]>> = {
  openSession: ['before', ...STORE, 'returned'],
  look: ['before', ...SETTLE, 'write', 'written', 'returned'],
  requestCancel: ['before', ...STORE, 'returned'],
  redeliver: ['before', 'write', 'written', 'returned'],
  deliverEvents: ['before', 'attempt', 'attempted', 'answered', 'recorded', 'returned'],
  proveReport: [
    'before',
    'write',
    'written',
    ...STORE,
    'settle:commit',
    'settle:committed',
    'returned',
  ],
  watchLedger: ['before', ...STORE, ...SETTLE, 'wakes', 'wakes taken', 'returned'],
  beginReconcile: ['before', 'returned'],
  repairPage: ['before', 'returned'],
  endReconcile: ['before', 'write', 'written', 'returned'],
};

/** Where a worker is frozen for longer than Temporal believes in it, and then goes on as if nothing had been. */
const FROZEN = [
  'openSession store:committed',
  'look settle:inside',
  'look returned',
  'requestCancel store:inside',
  'deliverEvents attempted',
  'deliverEvents answered',
  'proveReport store:commit',
  'watchLedger store:begun',
  'watchLedger store:commit',
  'watchLedger settle:inside',
  'watchLedger settle:commit',
  'watchLedger settle:committed',
  'repairPage before',
];

/** Longer than the heartbeat timeout, shorter than PostgreSQL lets a transaction idle. */
const FROZEN_MS = 5_500;

async function until(is: () => boolean, over: AbortSignal): Promise<boolean> {
  while (!is()) {
    if (over.aborted) return false;
    await sleep(10);
  }
  return true;
}

/** Runs reconciliation while `over` is not, for failpoints in its activities. */
function reconciling(point: string, { stack, over }: Scene): Promise<void> {
  if (!/reconcile|repairPage/i.test(point)) return Promise.resolve();
  const handle = stack.temporal.schedule.getHandle(reconcileScheduleId(stack.network));
  return (async () => {
    while (!over.aborted) {
      await handle.trigger().catch(() => undefined);
      await sleep(1_000);
    }
  })();
}

/** The first activities to get there are not the interesting ones alone. */
function nthOf(point: string, rng: Rng): number {
  const often = /^(openSession|deliverEvents|watchLedger (store|settle))/.test(point);
  return often && !/ (before|returned)$/.test(point) ? rng.int(1, 3) : 1;
}

function killAt(point: string): Cell {
  return {
    row: /deliverEvents (answered|attempted)/.test(point)
      ? 'F3'
      : /commit(ted)?$|written|recorded|returned/.test(point)
        ? 'F2'
        : 'F1',
    name: `SIGKILL at ${point}`,
    strike: async (scene) => {
      const { stack, rng, over } = scene;
      const arm = stack.arm({ point, nth: nthOf(point, rng), signal: 'SIGKILL' });
      void reconciling(point, scene);
      const struck = () => existsSync(arm.mark);
      if (/^watchLedger (returned|before)$/.test(point)) await drainUntil(struck, scene);
      const hit = await until(struck, over);
      arm.disarm();
      if (!hit) return 0;
      const at = Number(readFileSync(arm.mark, 'utf8').split(' ')[1]);
      await Promise.all([stack.addWorker(), nextCommit(scene, at)]);
      return 1;
    },
  };
}

/** A stretch of watching begins and ends when workers are replaced. */
async function drainUntil(struck: () => boolean, { stack }: Scene): Promise<void> {
  for (const worker of stack.workers) {
    await stack.addWorker();
    worker.signal('SIGTERM');
    await worker.ended;
    if (struck()) return;
  }
}

/** Notes when the first session changed after a worker was killed, if there is one to change at all. */
async function nextCommit({ stack, over, recovered }: Scene, at: number): Promise<void> {
  for (const end = at + 20_000; Date.now() < end && !over.aborted; await sleep(20)) {
    const [row] = await stack.rows<{ at: Date | null; waiting: boolean }>(
      `SELECT (SELECT min(at) FROM settlement.session_journal WHERE at > $1 AND actor = 'settle') AS at`,
      [new Date(at).toISOString()],
    );
    if (!row?.at) continue;
    recovered(row.at.getTime() - at);
    return;
  }
}

function freezeAt(point: string): Cell {
  return {
    row: 'F4',
    name: `SIGSTOP for ${FROZEN_MS / 1000} s at ${point}`,
    strike: async (scene) => {
      const { stack, rng, over } = scene;
      const arm = stack.arm({ point, nth: nthOf(point, rng), signal: 'SIGSTOP' });
      void reconciling(point, scene);
      const hit = await until(() => ownerOf(arm.mark) !== null, over);
      arm.disarm();
      const frozen = stack.workers.find(({ pid }) => pid === ownerOf(arm.mark));
      if (!hit || !frozen) return 0;
      await sleep(FROZEN_MS);
      frozen.signal('SIGCONT');
      return 1;
    },
  };
}

/** Some seconds in, when customers are paying. */
const soon = ({ rng }: Scene) => sleep(rng.int(300, 2_500));

const WORKERS: readonly Cell[] = [
  {
    row: 'F4',
    name: 'SIGKILL of all workers, one by one, while customers pay',
    strike: async (scene) => {
      const { stack } = scene;
      await soon(scene);
      const old = stack.workers;
      for (const worker of old) {
        const at = Date.now();
        worker.signal('SIGKILL');
        await worker.ended;
        await Promise.all([stack.addWorker(), nextCommit(scene, at)]);
      }
      return old.length;
    },
  },
  {
    row: 'F4',
    name: 'SIGKILL of all workers at once; nobody is there for five seconds',
    strike: async (scene) => {
      const { stack } = scene;
      await soon(scene);
      const old = stack.workers;
      for (const worker of old) worker.signal('SIGKILL');
      await Promise.all(old.map((worker) => worker.ended));
      await sleep(5_000);
      await Promise.all(old.map(() => stack.addWorker()));
      return old.length;
    },
  },
  {
    row: 'F4',
    name: 'SIGTERM of each worker in turn, as a deployment does',
    strike: async (scene) => {
      const { stack } = scene;
      await soon(scene);
      const old = stack.workers;
      for (const worker of old) {
        await stack.addWorker();
        worker.signal('SIGTERM');
        await worker.ended;
      }
      return old.length;
    },
  },
];

const TEMPORAL: readonly Cell[] = [0, 5_000].map((awayMs) => ({
  row: awayMs === 0 ? 'F11' : 'F12',
  name: `SIGKILL of Temporal, back after ${awayMs / 1000} s`,
  strike: async (scene: Scene) => {
    await soon(scene);
    await scene.stack.killTemporal();
    await sleep(awayMs);
    await scene.stack.restartTemporal();
    return 1;
  },
}));

function commitMeets(fault: CommitFault, times: number): Cell {
  return {
    row: fault === 'disk full' ? 'F9' : 'F5',
    name: `COMMIT: ${fault}, ${times} times`,
    strike: async ({ stack, over }) => {
      let struck = 0;
      for (let i = 0; i < times && !over.aborted; i += 1) {
        const next = stack.proxy.breakNextCommit(fault);
        const ended = new Promise<'over'>((resolve) => {
          over.addEventListener('abort', () => resolve('over'), { once: true });
        });
        if ((await Promise.race([next.struck, ended])) === 'over') next.callOff();
        else struck += 1;
        await sleep(50);
      }
      return struck;
    },
  };
}

const POSTGRES: readonly Cell[] = [
  {
    row: 'F7',
    name: 'PostgreSQL stopped with -m immediate, and started again',
    strike: async (scene) => {
      await soon(scene);
      await scene.stack.stopPostgres();
      await sleep(1_000);
      await scene.stack.restartPostgres();
      return 1;
    },
  },
  {
    row: 'F6',
    name: 'pg_terminate_backend of every connection in a transaction, for three seconds',
    strike: async ({ stack, over }) => {
      let struck = 0;
      for (const end = Date.now() + 3_000; (Date.now() < end || struck === 0) && !over.aborted;) {
        const ended = await stack.rows<{ done: boolean }>(
          `SELECT pg_terminate_backend(pid) AS done FROM pg_stat_activity
           WHERE application_name = 'settlement worker' AND xact_start IS NOT NULL`,
        );
        struck += ended.length;
        await sleep(15);
      }
      return struck;
    },
  },
  commitMeets('answer lost', 6),
  commitMeets('request lost', 6),
  commitMeets('disk full', 6),
  {
    row: 'F9',
    name: 'PostgreSQL takes no more connections (53300), and cuts those it has',
    strike: async (scene) => {
      const { stack } = scene;
      await soon(scene);
      const hoarded = await hoardConnections(stack.databaseUrl);
      await stack.rows(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'settlement worker'`,
      );
      const more = await hoardConnections(stack.databaseUrl);
      await sleep(3_000);
      for (const client of [...hoarded, ...more]) await client.end().catch(() => undefined);
      return hoarded.length + more.length > 0 ? 1 : 0;
    },
  },
  {
    row: 'F9',
    name: 'the pool is exhausted: four connections, all held up by a foreign lock',
    strike: async (scene) => {
      const { stack } = scene;
      const old = stack.workers;
      await Promise.all(old.map(() => stack.addWorker({ DATABASE_POOL: '4' })));
      for (const worker of old) worker.signal('SIGTERM');
      const struck = await holdLock(
        stack,
        'LOCK TABLE settlement.delivery_attempts IN ACCESS EXCLUSIVE MODE',
        4_000,
      );
      await Promise.all(old.map((worker) => worker.ended));
      return struck;
    },
  },
  {
    row: 'F10',
    name: 'a foreign session holds the rows of all open sessions, longer than lock_timeout',
    strike: async (scene) => {
      const { stack } = scene;
      await soon(scene);
      const lock = `SELECT FROM checkout_sessions WHERE status IN ('pending', 'processing') FOR UPDATE`;
      return holdLock(stack, lock, 3_500);
    },
  },
  {
    row: 'F10',
    name: 'thirty-two wakes of one session at once, again and again',
    strike: async ({ stack, sessions, over }) => {
      await until(() => sessions.length > 3, over);
      let struck = 0;
      for (const { id } of sessions.slice(0, 6)) {
        const wakes = Array.from({ length: 32 }, () => stack.client.wake(id));
        struck += (await Promise.allSettled(wakes)).filter((w) => w.status === 'fulfilled').length;
      }
      return struck;
    },
  },
];

/** Takes every connection that PostgreSQL has left for ordinary roles. */
async function hoardConnections(url: string): Promise<pg.Client[]> {
  const taken: pg.Client[] = [];
  for (;;) {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => undefined);
    try {
      await client.connect();
      taken.push(client);
    } catch {
      return taken;
    }
  }
}

/** Holds a lock in a foreign session; how many of the workers' statements waited for it. */
async function holdLock(stack: Stack, statement: string, ms: number): Promise<number> {
  const client = new pg.Client({ connectionString: stack.databaseUrl });
  client.on('error', () => undefined);
  let waited = 0;
  try {
    await client.connect();
    await client.query('BEGIN');
    await client.query(statement);
    for (const end = Date.now() + ms; Date.now() < end; await sleep(100)) {
      const [row] = await stack.rows<{ n: number }>(
        `SELECT count(*)::int AS n FROM pg_stat_activity
         WHERE application_name = 'settlement worker' AND wait_event_type = 'Lock'`,
      );
      waited = Math.max(waited, row?.n ?? 0);
    }
    await client.query('COMMIT');
  } catch {
    // Another fault has cut this connection, and with it the lock.
  }
  await client.end().catch(() => undefined);
  return waited;
}

const HORIZON_FAULTS: readonly (Fault & { forMs: number })[] = [
  { kind: 'rate_limited', retryAfterSeconds: 1, forMs: 3_000 },
  { kind: 'stale_history', forMs: 3_000 },
  { kind: 'still_ingesting', forMs: 3_000 },
  { kind: 'over_capacity', retryAfterSeconds: 1, forMs: 3_000 },
  { kind: 'timeout', forMs: 3_000 },
  { kind: 'server_error', forMs: 3_000 },
  { kind: 'hang', times: 4, forMs: 3_000 },
  { kind: 'disconnect', forMs: 3_000 },
  { kind: 'disconnect', half: true, forMs: 3_000 },
  { kind: 'slow', delayMs: 700, forMs: 5_000 },
  { kind: 'truncated', forMs: 3_000 },
  { kind: 'repeat_page', forMs: 9_000 },
  { kind: 'lag', ledgers: 4, forMs: 9_000 },
  { kind: 'go_back', ledgers: 5, times: 200, forMs: 9_000 },
  { kind: 'two_nodes', ledgers: 4, forMs: 9_000 },
];

const BAD_ANSWERS = new Set(['repeat_page', 'lag', 'go_back', 'two_nodes']);

const HORIZON: readonly Cell[] = HORIZON_FAULTS.map(({ forMs, ...fault }) => ({
  row: BAD_ANSWERS.has(fault.kind) ? 'F15' : 'F14',
  name: `Horizon: ${fault.kind.replaceAll('_', ' ')}${'half' in fault ? ' in the middle' : ''}`,
  strike: async (scene: Scene) => {
    const { faults } = scene.stack.ledger;
    if (!BAD_ANSWERS.has(fault.kind)) await soon(scene);
    let struck = 0;
    const strike = faults.strike.bind(faults);
    faults.strike = (path) => {
      struck += faults.list().length > 0 ? 1 : 0;
      return strike(path);
    };
    const id = faults.set(fault as Fault);
    await sleep(forMs);
    faults.clear(id);
    faults.strike = strike;
    return struck;
  },
}));

const MOODS: readonly Mood[] = [
  'slow',
  'answers 500',
  'answers 400',
  'redirects',
  'huge answer',
  'accepts and dies',
];

const RECEIVER: readonly Cell[] = [
  ...MOODS.map((mood) => ({
    row: mood === 'accepts and dies' ? 'F3' : 'F18',
    name: `the receiver ${mood === 'slow' ? 'is slow' : mood === 'huge answer' ? 'gives a huge answer' : mood}`,
    strike: async ({ stack: { merchant }, over }: Scene) => {
      let struck = 0;
      merchant.feel(() => {
        struck += 1;
        return mood;
      });
      for (const end = Date.now() + 4_000; Date.now() < end || (struck === 0 && !over.aborted);) {
        await sleep(50);
      }
      merchant.feel(() => 'accepts');
      return struck;
    },
  })),
  {
    row: 'F18',
    name: 'the receiver takes each event in another mood',
    strike: async ({ stack: { merchant }, rng, over }) => {
      let struck = 0;
      merchant.feel(() => {
        const mood = rng.pick(['accepts', ...MOODS] as const);
        struck += mood === 'accepts' ? 0 : 1;
        return mood;
      });
      for (const end = Date.now() + 6_000; Date.now() < end || (struck === 0 && !over.aborted);) {
        await sleep(50);
      }
      merchant.feel(() => 'accepts');
      return struck;
    },
  },
];

/** Sends wakes as a network may: many, late, for sessions that are long over. */
async function strayWakes({ stack, sessions, rng, over }: Scene, forMs: number): Promise<number> {
  let sent = 0;
  for (const end = Date.now() + forMs; Date.now() < end && !over.aborted; await sleep(60)) {
    if (sessions.length === 0) continue;
    const txHash = rng.chance(20) ? 'f'.repeat(64) : undefined;
    const done = stack.client.wake(rng.pick(sessions).id, txHash === undefined ? {} : { txHash });
    sent += await done.then(
      () => 1,
      () => 0,
    );
  }
  return sent;
}

const SIGNALS: readonly Cell[] = [
  {
    row: 'F13',
    name: 'duplicate and reordered wakes, with false reports among them, also after the end',
    strike: (scene) => strayWakes(scene, 8_000),
  },
  {
    row: 'F13',
    name: 'wakes are lost: nobody tells a session that it is paid, for four seconds',
    strike: async ({ stack, over }) => {
      let lost = 0;
      for (const end = Date.now() + 4_000; Date.now() < end && !over.aborted; await sleep(10)) {
        // As if Temporal had taken the wake and forgotten it: it is due again only in a minute.
        const taken = await stack.rows(
          `UPDATE settlement.active_sessions SET wake_after = now() + interval '1 minute'
           WHERE wake_after <= now() RETURNING session_id`,
        );
        lost += taken.length;
      }
      return lost;
    },
  },
];

const TWICE: readonly Cell[] = [
  {
    row: 'F17',
    name: 'two watchers read at once',
    strike: async ({ stack, over }) => {
      const handle = await stack.temporal.workflow.start('ledgerWatcher', {
        workflowId: `${watcherWorkflowId(stack.network)}:second`,
        taskQueue: SETTLEMENT_QUEUE,
        args: [{ network: stack.network }],
        workflowTaskTimeout: '5 seconds',
      });
      await sleep(9_000, undefined, { signal: over }).catch(() => undefined);
      await handle.cancel();
      await handle.result().catch(() => undefined);
      return 1;
    },
  },
  {
    row: 'F17',
    name: 'two reconcilers repair at once, again and again',
    strike: async ({ stack, over }) => {
      const { temporal, network } = stack;
      const schedule = temporal.schedule.getHandle(reconcileScheduleId(network));
      let runs = 0;
      for (const end = Date.now() + 6_000; Date.now() < end && !over.aborted;) {
        await schedule.trigger();
        await reconcileNow(temporal, network, { dryRun: false });
        runs += 1;
      }
      return runs;
    },
  },
];

const CLOCK: readonly Cell[] = [3_600_000, -3_600_000].map((ms) => ({
  row: 'F16',
  name: `the workers’ clocks are an hour ${ms > 0 ? 'ahead' : 'behind'}, and then right again`,
  strike: async ({ stack }: Scene) => {
    for (const shift of [ms, 0]) {
      const old = stack.workers;
      await Promise.all(old.map(() => stack.addWorker({ CERTIFY_CLOCK_SHIFT_MS: String(shift) })));
      for (const worker of old) worker.signal('SIGTERM');
      await Promise.all(old.map((worker) => worker.ended));
      if (shift !== 0) await sleep(6_000);
    }
    return 1;
  },
}));

/** Every cell, in the order of the certificate. */
export const CELLS: readonly Cell[] = [
  ...Object.entries(POINTS).flatMap(([activity, points]) =>
    points.map((where) => killAt(`${activity} ${where}`)),
  ),
  ...FROZEN.map(freezeAt),
  ...WORKERS,
  ...TEMPORAL,
  ...POSTGRES,
  ...HORIZON,
  ...RECEIVER,
  ...SIGNALS,
  ...TWICE,
  ...CLOCK,
];
