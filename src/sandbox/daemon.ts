/** A server of the sandbox: a child process that never outlives us. */
import { spawn, type SpawnOptions } from 'node:child_process';
import { endWithUs, tail } from './child.ts';

/** A server that runs as our child. */
export type Daemon = {
  readonly pid: number;
  /** The last lines it wrote. */
  readonly output: () => string;
  /** Resolves when it has ended, for whatever reason. */
  readonly ended: Promise<void>;
  /** Resolves when it has written the text; rejects with what it wrote when it ends first or takes too long. */
  wrote(text: string, withinMs: number): Promise<void>;
  /** Ends it and waits; SIGKILL after ten seconds. Does nothing when it has ended. */
  stop(): Promise<void>;
};

/** How a server is started and ended. */
export type DaemonOptions = Pick<SpawnOptions, 'env' | 'cwd' | 'uid' | 'gid'> & {
  /** The signal on which it ends in good order. */
  readonly end: 'INT' | 'TERM';
  /** A folder to delete once it has ended, when we are gone before it. */
  readonly remove?: string | undefined;
};

/**
 * Starts a server. Ctrl-C at the terminal does not reach it: its owner stops it in its turn.
 * @throws Error when the command cannot be started.
 */
export async function startDaemon(
  command: string,
  args: readonly string[],
  { end, remove, ...options }: DaemonOptions,
): Promise<Daemon> {
  const child = spawn(command, args, {
    ...options,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const output = tail(child);
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('spawn', resolve);
  });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${command} did not start.`);
  const release = endWithUs(pid, end, remove);
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => {
      release();
      resolve();
    });
  });
  const wrote = async (text: string, withinMs: number): Promise<void> => {
    let patience: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve, reject) => {
      const look = (): void => {
        if (output().includes(text)) resolve();
      };
      child.stderr?.on('data', look);
      child.stdout?.on('data', look);
      look();
      void ended.then(() => reject(new Error(output() || `${command} ended`)));
      patience = setTimeout(
        () => reject(new Error(`${command}: not ready after ${withinMs} ms: ${output()}`)),
        withinMs,
      );
    }).finally(() => clearTimeout(patience));
  };
  const stop = async (): Promise<void> => {
    child.kill(`SIG${end}`);
    const patience = setTimeout(() => child.kill('SIGKILL'), 10_000);
    await ended;
    clearTimeout(patience);
  };
  return { pid, output, ended, wrote, stop };
}
