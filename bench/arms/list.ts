/** The arms, by name. Peers are loaded by their path: their packages are installed in bench/ only. */
import type { Arm } from './arm.ts';

type Described = {
  title: string;
  file: string;
  batch: number;
  note: string;
  patienceMs?: number;
  /** Temporal keeps its histories in PostgreSQL, not in memory. */
  stored?: boolean;
};

/** Nothing comes back by itself within the time that a bench waits: see each arm's note. */
const IN_VAIN_MS = 12_000;

/**
 * An arm's name, what it is called in tables, and what a reader must know of it. `batch`: payments handed over together.
 * `patienceMs`: how long it is waited for when nothing moves, where that is known to be in vain.
 */
export const ARMS = {
  'ours-session': {
    title: 'ours, per session',
    file: './ours-session.ts',
    batch: 1,
    note: 'client → signal → session workflow → settle → webhook, with the real worker; the sessions are rows that their backend has inserted, so a run begins with the payment and opening costs nothing (opened through the client, a session costs a run then, too: see “How it grows”)',
  },
  'ours-page': {
    title: 'ours, page commit',
    file: './ours-page.ts',
    batch: 200,
    note: 'pages of 200 into the inbox, settled together; each session is then woken and sends its webhook, as after a turn of the watcher; Horizon is left out',
  },
  'naive-temporal': {
    title: 'naive Temporal',
    file: './naive-temporal.ts',
    batch: 1,
    note: 'start, signal, two regular activities; same server, same configuration as ours',
  },
  'ours-session-stored': {
    title: 'ours, per session, Temporal on PostgreSQL',
    file: './ours-session.ts',
    batch: 1,
    note: 'the first arm with a Temporal server on the same PostgreSQL, 4 shards; what the server writes is in fsyncs, WAL and PostgreSQL’s time',
    stored: true,
  },
  'naive-temporal-stored': {
    title: 'naive Temporal on PostgreSQL',
    file: './naive-temporal.ts',
    batch: 1,
    note: 'the same for naive Temporal',
    stored: true,
  },
  dbos: {
    title: 'DBOS Transact',
    file: '../peers/dbos.ts',
    batch: 1,
    note: 'a workflow per session: recv, commit step, webhook step',
  },
  restate: {
    title: 'Restate',
    file: '../peers/restate.ts',
    batch: 1,
    note: 'a workflow per session: durable promise, commit run, webhook run; its own server and store',
  },
  'graphile-worker': {
    title: 'graphile-worker',
    file: '../peers/graphile-worker.ts',
    batch: 1,
    note: 'a job per payment: commit, then webhook; the worker unlocks at its start what a killed one had taken, which by default stays locked for 4 hours',
  },
  'pg-boss': {
    title: 'pg-boss',
    file: '../peers/pg-boss.ts',
    batch: 1,
    note: 'a job per payment: commit, then webhook; LISTEN/NOTIFY on',
  },
  plain: {
    title: 'plain Node + pg',
    file: './plain.ts',
    batch: 1,
    note: 'upper bound: no durable workflow, what is in memory is lost with the process',
    patienceMs: IN_VAIN_MS,
  },
} as const satisfies Record<string, Described>;

export type ArmName = keyof typeof ARMS;

/** Whether Temporal keeps its histories in PostgreSQL, not in memory. */
export function isStored(name: ArmName): boolean {
  const described: Described = ARMS[name];
  return described.stored === true;
}

/** How long nothing may move before what is missing counts as lost. */
export function patienceOf(name: ArmName, patienceMs: number): number {
  const described: Described = ARMS[name];
  return Math.min(patienceMs, described.patienceMs ?? patienceMs);
}

/** Loads an arm. @throws Error that says what to do when a peer is not installed. */
export async function loadArm(name: ArmName): Promise<Arm> {
  const { file } = ARMS[name];
  const { arm } = (await import(new URL(file, import.meta.url).href)) as { arm: Arm };
  return arm;
}
