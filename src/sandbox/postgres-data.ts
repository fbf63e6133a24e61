/** The data folder of the sandbox's PostgreSQL: made whole or not at all, and owned by one process at a time. */
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive, run } from './child.ts';
import { mayUse, type PostgresBinaries, type RunAs } from './postgres-binaries.ts';

/** The superuser's and the sandbox role's: PostgreSQL listens on the loopback address only. */
export const PASSWORD = 'sandbox';

/** An empty data folder in the temporary folder, which PostgreSQL's user can enter. */
export function temporaryDataDir({ uid, gid }: RunAs): string {
  const parent = mkdtempSync(join(tmpdir(), 'settlement-postgres-'));
  if (uid !== undefined && gid !== undefined) chownSync(parent, uid, gid);
  return join(parent, 'data');
}

/**
 * Makes the data folder unless it is there.
 * @throws Error when PostgreSQL's user cannot get there.
 */
export async function ensureDataDir(
  dataDir: string,
  { initdb, runAs }: PostgresBinaries,
  fsync: boolean,
): Promise<void> {
  if (existsSync(join(dataDir, 'PG_VERSION'))) return;
  const fresh = `${dataDir}.new`; // renamed when whole, so that a killed initdb is not taken for a database
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(dirname(fresh), { recursive: true });
  mkdirSync(fresh, { mode: 0o700 });
  if (runAs.uid !== undefined && runAs.gid !== undefined) chownSync(fresh, runAs.uid, runAs.gid);
  if (!mayUse(fresh, 'w', runAs)) {
    rmSync(fresh, { recursive: true });
    throw new Error(
      `PostgreSQL cannot run as root, and its user ${runAs.uid} cannot enter ${dirname(dataDir)}. ` +
        `Put the data folder elsewhere, below ${tmpdir()} for instance.`,
    );
  }
  const passwordFile = `${fresh}.password`;
  writeFileSync(passwordFile, PASSWORD, { mode: 0o644 });
  try {
    const flags = ['--username=postgres', '--auth=scram-sha-256', '--encoding=UTF8', '--locale=C'];
    await run(
      initdb,
      [`--pgdata=${fresh}`, `--pwfile=${passwordFile}`, ...flags, ...(fsync ? [] : ['--no-sync'])],
      { timeoutMs: 120_000, cwd: '/', env: { ...process.env, LC_ALL: 'C' }, ...runAs },
    );
  } finally {
    rmSync(passwordFile, { force: true });
  }
  renameSync(fresh, dataDir);
}

/**
 * Clears the way for a new server on a data folder: one that outlived its owner (killed together with what tidies up
 * after it) is stopped, and the mark of one that is gone is removed.
 * @throws Error when the folder's owner is alive: it is using it.
 */
export async function clearStaleServer(dataDir: string): Promise<void> {
  const owner = numberIn(ownerFile(dataDir));
  const server = numberIn(join(dataDir, 'postmaster.pid'));
  if (server !== null && isAlive(server) && serves(server, dataDir)) {
    if (owner !== null && owner !== process.pid && isAlive(owner)) {
      throw new Error(`${dataDir} is in use by process ${owner}, which runs PostgreSQL ${server}.`);
    }
    process.kill(server, 'SIGINT');
    for (const until = Date.now() + 10_000; isAlive(server); await sleep(50)) {
      if (Date.now() > until) throw new Error(`PostgreSQL ${server} on ${dataDir} does not stop.`);
    }
  } else if (server !== null) {
    // PostgreSQL believes in the file when any process has that number, a zombie for instance.
    rmSync(join(dataDir, 'postmaster.pid'), { force: true });
  }
  writeFileSync(ownerFile(dataDir), String(process.pid));
}

function ownerFile(dataDir: string): string {
  return `${dataDir}.owner`;
}

function numberIn(file: string): number | null {
  try {
    return Number.parseInt(readFileSync(file, 'utf8'), 10) || null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** Numbers are used again: after a restart of the machine it may be anything. Without /proc it is believed. */
function serves(pid: number, dataDir: string): boolean {
  try {
    const [program = '', ...args] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return basename(program) === 'postgres' && args.includes(dataDir);
  } catch {
    return process.platform !== 'linux';
  }
}
