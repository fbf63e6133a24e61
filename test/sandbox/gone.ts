import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive } from '../../src/sandbox/child.ts';

/** Runs a module in a process of its own, resolves to the first line it prints, and to how it is killed. */
export async function elsewhere(
  script: string,
): Promise<{ line: string; kill: () => Promise<void> }> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  const kill = async () => {
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  return { line, kill };
}

/** Resolves when a process has ended; the test's own time limit is the bound. */
export async function gone(pid: number): Promise<void> {
  while (isAlive(pid)) await sleep(20);
}
