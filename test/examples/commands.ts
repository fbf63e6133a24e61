/** Commands as a reader of the documentation types them. */
import { execFile, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { endWithUs } from '../../src/sandbox/child.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** The commands in the `sh` blocks of a page, one list a block. */
export function shownCommands(page: string): string[][] {
  const text = readFileSync(ROOT + page, 'utf8');
  const blocks = [...text.matchAll(/^```sh\n(.*?)^```$/gms)];
  return blocks.map(([, block = '']) =>
    block
      .replaceAll('\\\n', ' ')
      .split('\n')
      .filter((line) => line.trim() !== '' && !line.startsWith('#')),
  );
}

/** The blocks of a language in a page. */
export function shownCode(page: string, language: string): string[] {
  const text = readFileSync(ROOT + page, 'utf8');
  const blocks = text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'));
  return [...blocks].map(([, block = '']) => block);
}

export type Shell = { readonly cwd: string; readonly env: NodeJS.ProcessEnv };

/** What a command prints on standard output. Rejects with all that it printed when it fails. */
export async function typed(command: string, { cwd, env }: Shell): Promise<string> {
  const options = { cwd: ROOT + cwd, env, timeout: 60_000 };
  return (await promisify(execFile)('sh', ['-c', command], options)).stdout;
}

/** A command that goes on, and its process group. */
export type Started = {
  stop(): Promise<void>;
  output(): string;
  signal(name: NodeJS.Signals): void;
};

/** Starts a command that goes on; resolves when it prints `sign`, rejects with what it printed when it ends before. */
export async function started(
  command: string,
  sign: string,
  { cwd, env }: Shell,
): Promise<Started> {
  const child = spawn('sh', ['-c', `exec ${command}`], {
    cwd: ROOT + cwd,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const release = endWithUs(-(child.pid ?? 0), 'TERM');
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  let output = '';
  const shown = new Promise<void>((resolve) => {
    const read = (chunk: Buffer) => {
      output += chunk.toString();
      if (output.includes(sign)) resolve();
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
  });
  const first = await Promise.race([shown.then(() => 'shown'), ended]);
  if (first !== 'shown') throw new Error(`\`${command}\` ended:\n${output}`);
  return {
    output: () => output,
    signal: (name) => void process.kill(-(child.pid ?? 0), name),
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
      release();
    },
  };
}
