/** The worker as a process of its own, so that it can be killed. */
import { fork } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { codeFile } from '../code-file.ts';

/** A running worker. */
export type WorkerProcess = {
  readonly pid: number;
  /** SIGKILL: nothing is drained, nothing is said to anybody. Resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGTERM: it drains and ends. Resolves to its exit code. */
  drain(): Promise<number | null>;
};

/** How long a worker may take to bundle, connect and check; a cold start on two cores takes some 5 s. */
const READY_WITHIN_MS = 90_000;

/** Starts a worker with the given environment, its output in a file. Resolves when it works; rejects with what it said. */
export async function startWorker(env: NodeJS.ProcessEnv, logFile: string): Promise<WorkerProcess> {
  const log = openSync(logFile, 'a');
  const path = codeFile('../worker', import.meta.url);
  // Not the parent's flags: jest's are not for a worker.
  const child = fork(path, { env, execArgv: [], stdio: ['ignore', log, log, 'ipc'] });
  closeSync(log);
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const ready = new Promise<'ready'>((resolve) => child.once('message', () => resolve('ready')));
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), READY_WITHIN_MS);
  });
  const first = await Promise.race([ready, late, ended]);
  clearTimeout(timer);
  if (first !== 'ready') {
    child.kill('SIGKILL');
    const said = readFileSync(logFile, 'utf8').trim().split('\n').slice(-15).join('\n');
    throw new Error(
      `The worker did not start (${first === 'late' ? 'too slow' : `exit ${first}`}):\n${said}`,
    );
  }
  const end = async (signal: 'SIGKILL' | 'SIGTERM') => {
    child.kill(signal);
    return ended;
  };
  return {
    pid: child.pid ?? 0,
    kill: async () => void (await end('SIGKILL')),
    drain: () => end('SIGTERM'),
  };
}
