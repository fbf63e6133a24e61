/** The command line in this process: as a shell runs it, without the second that a process takes to start. */
import { jest } from '@jest/globals';
import { runSettle } from '../../src/cli/program.ts';

export type Ran = { readonly code: number; readonly out: string; readonly err: string };

/** Runs one command line under `env`, on top of what is set. One at a time: the streams are this process's. */
export async function settle(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ran> {
  const before = { ...process.env };
  const said = { out: '', err: '' };
  const hear = (stream: NodeJS.WriteStream, key: keyof typeof said) =>
    jest.spyOn(stream, 'write').mockImplementation((chunk) => {
      said[key] += String(chunk);
      return true;
    });
  const spies = [hear(process.stdout, 'out'), hear(process.stderr, 'err')];
  Object.assign(process.env, env);
  try {
    await runSettle(args);
    return { code: Number(process.exitCode ?? 0), ...said };
  } finally {
    process.exitCode = undefined;
    process.env = before;
    for (const spy of spies) spy.mockRestore();
  }
}
