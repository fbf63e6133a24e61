/** Child processes that end when we do, however we end. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';

/** How often a long command says that it is still at work. */
export const SAY_EVERY_MS = 15_000;

/** One line for the person who waits. */
export type Progress = (line: string) => void;

/** Whether a process exists and has not ended. A zombie, whose parent has not collected it yet, has ended. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // there, but another user's
  }
  try {
    // "pid (name) state …"; the name may hold spaces and brackets, so the state follows the last bracket.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3) !== 'Z';
  } catch {
    return process.platform !== 'linux'; // only Linux has /proc; there, it ended in between
  }
}

/** Lines kept from the beginning: a program in Go says there what went wrong, and then at length where. */
const FIRST_LINES = 5;

/** Keeps the first lines and the last `lines` ones of what a child writes, for the error message when it fails. */
export function tail(child: ChildProcess, lines = 15): () => string {
  let [first, last]: [string, string | null] = ['', null];
  const keep = (chunk: Buffer): void => {
    const all = ((last ?? first) + chunk.toString()).split('\n');
    if (last === null && all.length > FIRST_LINES + lines) {
      first = all.splice(0, FIRST_LINES).join('\n');
      last = '';
    }
    if (last === null) first = all.join('\n');
    else last = all.slice(-lines).join('\n');
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  return () => (last === null ? first : `${first}\n…\n${last}`).trim();
}

/** How a command is run to its end. */
export type RunOptions = {
  readonly timeoutMs: number;
  /** Ends it earlier when, after this time, nothing speaks for waiting. */
  readonly giveUp?: { readonly afterMs: number; readonly unless: () => boolean };
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  readonly uid?: number;
  readonly gid?: number;
  /** Called every 15 s with the seconds since the start. */
  readonly onWaiting?: (seconds: number) => void;
};

/**
 * Runs a command and resolves to the last lines it wrote.
 * @throws Error with those lines when it cannot start, fails, or is not done in time (it is then ended).
 */
export async function run(
  command: string,
  args: readonly string[],
  { timeoutMs, giveUp, onWaiting, ...options }: RunOptions,
): Promise<string> {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true, // a group of its own: what the command starts in turn is ended with it
    ...options,
  });
  const output = tail(child);
  const release = child.pid === undefined ? () => undefined : endWithUs(-child.pid, 'TERM');
  let timedOut: number | null = null;
  const end = (afterMs: number): void => {
    timedOut = afterMs;
    killGroup(child);
  };
  const deadline = setTimeout(end, timeoutMs, timeoutMs);
  const earlier = setTimeout(() => {
    if (giveUp && !giveUp.unless()) end(giveUp.afterMs);
  }, giveUp?.afterMs ?? timeoutMs);
  const since = Date.now();
  const saying = setInterval(
    () => onWaiting?.(Math.round((Date.now() - since) / 1000)),
    SAY_EVERY_MS,
  );
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    if (timedOut !== null) throw new Error(`no answer within ${timedOut / 1000} s`);
    if (code !== 0) throw new Error(output() || `ended with code ${code}`);
    return output();
  } finally {
    clearTimeout(deadline);
    clearTimeout(earlier);
    clearInterval(saying);
    release();
  }
}

function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // it has just ended
  }
}

/**
 * Sends a signal to a process (a negative number: its group) once this process is gone, by SIGKILL too: the kernel
 * then closes the pipe a small shell reads from. `remove` is a folder to delete after that process has ended.
 * The returned function calls it off; without that a later process with the same number would be hit.
 */
export function endWithUs(pid: number, signal: 'INT' | 'TERM', remove?: string): () => void {
  const script = `read -r _ && exit
    kill -s ${signal} -- "$1"
    [ -n "$2" ] || exit
    n=0 # bounded: a zombie that nobody collects still answers
    while [ $n -lt 50 ] && kill -0 "$1"; do n=$((n + 1)); sleep 0.2; done
    rm -rf "$2"`;
  const reaper = spawn('sh', ['-c', script, 'reaper', String(pid), remove ?? ''], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true, // Ctrl-C at the terminal is for us, not for the one who tidies up after us
  });
  reaper.on('error', () => undefined); // no sh: then nothing is tidied up
  reaper.stdin.on('error', () => undefined);
  reaper.unref();
  (reaper.stdin as unknown as { unref(): void }).unref();
  return () => reaper.stdin.end('released\n');
}

/** A port of the loopback address that nobody used just now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Whether somebody takes connections on a port of the loopback address. */
export async function isListening(port: number): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1' });
  try {
    return await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
  } finally {
    socket.destroy();
  }
}
