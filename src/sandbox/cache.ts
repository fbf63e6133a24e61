/** What is downloaded or built once for this machine, and kept outside the clone. */
import {
  accessSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive, SAY_EVERY_MS, type Progress } from './child.ts';
import { releaseLock, takeLock } from './lock.ts';

const FOLDER = 'stellar-settlement';

/**
 * The folder for what is kept: below SETTLE_CACHE, XDG_CACHE_HOME or ~/.cache, the first that is set; below the
 * system's temporary folder when that one cannot be written. It exists when this returns.
 */
export function cacheDir(env: NodeJS.ProcessEnv = process.env): string {
  const base = env['SETTLE_CACHE'] || env['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  const dir = join(base, FOLDER);
  try {
    mkdirSync(dir, { recursive: true });
    accessSync(dir, constants.W_OK);
    return dir;
  } catch {
    return sharedCacheDir();
  }
}

/**
 * The same below the system's temporary folder, where other users (PostgreSQL's, when we are root) may read.
 * @throws Error when somebody else made that folder: what lies in it is run.
 */
export function sharedCacheDir(): string {
  const uid = process.getuid?.() ?? 0;
  const dir = join(tmpdir(), `${FOLDER}-${uid}`);
  mkdirSync(dir, { recursive: true, mode: 0o755 });
  const found = lstatSync(dir);
  if (!found.isDirectory() || (process.getuid && found.uid !== uid)) {
    throw new Error(`${dir} belongs to another user. Set SETTLE_CACHE to a folder of your own.`);
  }
  return dir;
}

const underWay = new Map<string, Promise<string>>();

/**
 * The folder `name` in the cache; `build` fills it (a path to an empty folder is passed) when it is not there.
 * Processes that ask at the same time build once and the others wait. A build that fails or is killed leaves
 * nothing that a later one could take for whole: the folder gets its name by a rename, after `build` resolved.
 */
export function once(
  name: string,
  build: (dir: string) => Promise<void>,
  { progress, dir = cacheDir() }: { readonly progress: Progress; readonly dir?: string },
): Promise<string> {
  const final = join(dir, name);
  if (existsSync(final)) return Promise.resolve(final);
  const running = underWay.get(final) ?? buildLocked(final, build, progress);
  underWay.set(final, running);
  return running.finally(() => underWay.delete(final));
}

async function buildLocked(
  final: string,
  build: (dir: string) => Promise<void>,
  progress: Progress,
): Promise<string> {
  const lock = `${final}.lock`;
  for (let sayAt = 0; ;) {
    const owner = takeLock(lock);
    if (owner === null) break;
    if (Date.now() >= sayAt) {
      progress(`waiting for process ${owner}, which is preparing ${final}`);
      sayAt = Date.now() + SAY_EVERY_MS;
    }
    await sleep(100);
    if (existsSync(final)) return final;
  }
  const temporary = `${final}.${process.pid}.tmp`;
  try {
    if (existsSync(final)) return final;
    removeLeftovers(final);
    mkdirSync(temporary, { mode: 0o755 });
    await build(temporary);
    renameSync(temporary, final);
    return final;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
    releaseLock(lock);
  }
}

/** Half-filled folders of builders that were killed. */
function removeLeftovers(final: string): void {
  const parent = join(final, '..');
  for (const name of readdirSync(parent)) {
    const path = join(parent, name);
    const pid = Number(/^\.(\d+)\.tmp$/.exec(path.slice(final.length))?.[1] ?? 0);
    if (!path.startsWith(final) || !pid) continue;
    if (pid === process.pid || !isAlive(pid)) rmSync(path, { recursive: true, force: true });
  }
}
