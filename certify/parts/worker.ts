/** A worker as a process of its own, with failpoints in it. */
import { fork, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Arm, Order } from './failpoint.ts';

const WORKER = fileURLToPath(new URL('../../src/worker.ts', import.meta.url));
const PRELOAD = new URL('preload.ts', import.meta.url).href;
/** A cold start on two busy cores takes some 5 s. */
const READY_WITHIN_MS = 180_000;

/** The connections of workers, as PostgreSQL's list of them shows: of what sessions ask for, and of the reader. */
export const OF_WORKERS = `application_name IN ('settlement worker', 'settlement reader')`;

/** A running worker. */
export type CertifiedWorker = {
  readonly pid: number;
  /** Resolves when it has ended, for whatever reason, to how it ended. */
  readonly ended: Promise<string>;
  /** Whether the certificate has ended it, or had it end itself. */
  expected: boolean;
  arm(arms: readonly Arm[]): void;
  signal(name: 'SIGKILL' | 'SIGTERM' | 'SIGSTOP' | 'SIGCONT'): void;
};

/** Starts a worker; resolves when it works. @throws Error with what it said */
export async function startCertifiedWorker(
  env: NodeJS.ProcessEnv,
  logFile: string,
  execPath = process.execPath,
): Promise<CertifiedWorker> {
  const log = openSync(logFile, 'a');
  const child = fork(WORKER, {
    env,
    execPath,
    execArgv: ['--import', PRELOAD],
    stdio: ['ignore', log, log, 'ipc'],
  });
  closeSync(log);
  const ended = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  await ready(child, ended, logFile);
  const worker: CertifiedWorker = {
    pid: child.pid ?? 0,
    ended,
    expected: false,
    arm: (arms) => {
      if (child.connected) child.send({ arms } satisfies Order, () => undefined);
    },
    signal: (name) => {
      if (name === 'SIGKILL' || name === 'SIGTERM') worker.expected = true;
      child.kill(name);
    },
  };
  return worker;
}

async function ready(child: ChildProcess, ended: Promise<string>, logFile: string): Promise<void> {
  const works = new Promise<'ready'>((resolve) => child.once('message', () => resolve('ready')));
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve('not ready in time'), READY_WITHIN_MS);
  });
  const first = await Promise.race([works, ended, late]);
  clearTimeout(timer);
  if (first === 'ready') return;
  child.kill('SIGKILL');
  const said = readFileSync(logFile, 'utf8').trim().split('\n').slice(-8);
  throw new Error(
    `A worker did not start (${first}):\n${said.map((line) => line.slice(0, 200)).join('\n')}`,
  );
}
