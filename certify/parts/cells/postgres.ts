/** What PostgreSQL, its disk, its locks and the connections to it do to a worker. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import type { CommitFault } from '../postgres-proxy.ts';
import type { Stack } from '../stack.ts';
import { OF_WORKERS } from '../worker.ts';
import { soon, until, type Cell } from './scene.ts';

function commitMeets(fault: CommitFault, times: number): Cell {
  return {
    row: fault === 'disk full' ? 'F9' : 'F5',
    name: `COMMIT: ${fault}, ${times} times`,
    rivals: 'COMMIT',
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

function stopped(name: string, awayMs: number, times: number): Cell {
  return {
    row: 'F7',
    name,
    rivals: 'PostgreSQL',
    strike: async (scene) => {
      for (let i = 0; i < times; i += 1) {
        await soon(scene);
        await scene.stack.stopPostgres();
        await sleep(awayMs);
        await scene.stack.restartPostgres();
        scene.settlesAgain('PostgreSQL’s return', Date.now());
      }
      return times;
    },
  };
}

/** PostgreSQL in trouble. */
export const POSTGRES: readonly Cell[] = [
  stopped('PostgreSQL stopped with -m immediate, back after 1 s, three times', 1_000, 3),
  stopped('PostgreSQL stopped with -m immediate, back after 6 s', 6_000, 1),
  inTransactions('F6', 'pg_terminate_backend'),
  inTransactions('F10', 'pg_cancel_backend'),
  commitMeets('answer lost', 6),
  commitMeets('request lost', 6),
  commitMeets('disk full', 6),
  {
    row: 'F9',
    name: 'PostgreSQL takes no more connections (53300), and cuts those it has',
    rivals: 'PostgreSQL',
    strike: async (scene) => {
      const { stack } = scene;
      await soon(scene);
      const hoarded = await hoardConnections(stack.databaseUrl);
      await cutWorkersOff(stack);
      const more = await hoardConnections(stack.databaseUrl);
      await sleep(3_000);
      for (const client of [...hoarded, ...more]) await client.end().catch(() => undefined);
      return hoarded.length + more.length > 0 ? 1 : 0;
    },
  },
  {
    row: 'F9',
    name: 'the database is read-only, as while it fails over, for four seconds',
    rivals: 'PostgreSQL',
    strike: async (scene) => {
      const { stack } = scene;
      await soon(scene);
      await stack.rows('ALTER DATABASE certify SET default_transaction_read_only = on');
      const cut = await cutWorkersOff(stack);
      await sleep(4_000);
      await stack.rows('ALTER DATABASE certify RESET default_transaction_read_only');
      await cutWorkersOff(stack);
      return cut.length;
    },
  },
  {
    row: 'F9',
    name: 'the pool is exhausted: four connections, all held up by a foreign lock',
    rivals: 'workers',
    strike: async (scene) => {
      const { stack } = scene;
      await soon(scene);
      const old = stack.workers;
      const replaced = async () => {
        await Promise.all(old.map(() => stack.addWorker({ DATABASE_POOL: '4' })));
        for (const worker of old) worker.signal('SIGTERM');
        await sleep(4_000);
      };
      const lock = 'LOCK TABLE settlement.delivery_attempts IN ACCESS EXCLUSIVE MODE';
      const struck = await holdLock(stack, lock, replaced());
      await Promise.all(old.map((worker) => worker.ended));
      return struck;
    },
  },
  {
    row: 'F10',
    name: 'a foreign session holds the rows of all open sessions, longer than lock_timeout',
    rivals: 'rows held',
    strike: async (scene) => {
      const { stack } = scene;
      // Open ones, which are just being paid.
      await until(() => scene.sessions.length > 8, scene.over);
      const lock = `SELECT FROM checkout_sessions WHERE status IN ('pending', 'processing') FOR UPDATE`;
      return holdLock(stack, lock, sleep(3_500));
    },
  },
  {
    row: 'F10',
    name: 'thirty-two wakes of one session at once, again and again',
    rivals: 'many wakes',
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

/** Does it to every connection of a worker that is in a transaction, for three seconds. */
function inTransactions(row: string, does: 'pg_terminate_backend' | 'pg_cancel_backend'): Cell {
  return {
    row,
    name: `${does} of every connection in a transaction, for three seconds`,
    rivals: 'transactions',
    strike: async ({ stack, over }) => {
      let struck = 0;
      for (const end = Date.now() + 3_000; (Date.now() < end || struck === 0) && !over.aborted;) {
        const met = await stack.rows(
          `SELECT ${does}(pid) FROM pg_stat_activity
           WHERE ${OF_WORKERS} AND xact_start IS NOT NULL`,
        );
        struck += met.length;
        await sleep(15);
      }
      return struck;
    },
  };
}

/** Cuts every connection of the workers. */
const cutWorkersOff = (stack: Stack) =>
  stack.rows(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${OF_WORKERS}`);

/** Takes every connection that PostgreSQL has left for ordinary roles. */
async function hoardConnections(url: string): Promise<Client[]> {
  const taken: Client[] = [];
  for (;;) {
    const client = new Client({ connectionString: url });
    client.on('error', () => undefined);
    try {
      await client.connect();
      taken.push(client);
    } catch {
      return taken;
    }
  }
}

/** Holds a lock in a foreign session until then; how many of the workers' statements waited for it. */
async function holdLock(stack: Stack, statement: string, until: Promise<unknown>): Promise<number> {
  const lock = { isHeld: true };
  const end = until.finally(() => {
    lock.isHeld = false;
  });
  const connectionString = stack.databaseUrl;
  const holder = new Client({ connectionString, statement_timeout: 20_000 });
  // It counts on a connection of its own: whoever else asks may be waiting for this very lock.
  const counter = new Client({ connectionString, statement_timeout: 20_000 });
  for (const client of [holder, counter]) client.on('error', () => undefined);
  let waited = 0;
  try {
    await Promise.all([holder.connect(), counter.connect()]);
    await holder.query('BEGIN');
    await holder.query(statement);
    for (; lock.isHeld; await sleep(100)) {
      const { rows } = await counter.query<{ n: number }>(
        `SELECT count(*)::int AS n FROM pg_stat_activity
         WHERE ${OF_WORKERS} AND wait_event_type = 'Lock'`,
      );
      waited = Math.max(waited, rows[0]?.n ?? 0);
    }
    await holder.query('COMMIT');
  } catch {
    // Another fault has cut a connection. The lock goes with its own.
  }
  await Promise.all([holder, counter].map((client) => client.end().catch(() => undefined)));
  await end;
  return waited;
}
