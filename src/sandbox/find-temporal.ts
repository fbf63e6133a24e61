/** The Temporal CLI, whose dev server the sandbox runs, from wherever this machine can get it. */
import { join } from 'node:path';
import { cacheDir, once } from './cache.ts';
import { run, type Progress } from './child.ts';
import { sdkDownload } from './sdk-download.ts';

/** The version that is fetched or built; another one on the PATH is welcome if its server is new enough. */
const VERSION = 'v1.5.1';
/** The first server in which update-with-start needs no switch. */
const SERVER_NEEDED = { major: 1, minor: 28 };
const CACHED_AS = `temporal-${VERSION}`;
const GO_PACKAGE = `github.com/temporalio/cli/cmd/temporal@${VERSION}`;
/** Four minutes on two cores with an empty module cache; a slow machine may take its time. */
const GO_TIMEOUT_MS = 30 * 60_000;

/**
 * The path of a Temporal CLI that runs here. Tries in turn: `temporal` on the PATH, the cache, the download of
 * Temporal's SDK, a build with Go (about four minutes, once).
 * @throws Error that lists each source, why it failed, and what to do.
 */
export async function findTemporalCli(
  progress: Progress,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  const kept = join(cacheDir(env), CACHED_AS, 'temporal');
  const sources: [string, () => Promise<string>][] = [
    ['`temporal` on the PATH', () => usable('temporal', env)],
    [`the cached ${kept}`, () => usable(kept, env)],
    [
      'the download of the Temporal SDK',
      () => make(env, progress, (dir) => download(dir, env, progress)),
    ],
    [
      `go install ${GO_PACKAGE}`,
      () => make(env, progress, (dir) => buildWithGo(dir, env, progress)),
    ],
  ];
  const failures: string[] = [];
  for (const [source, find] of sources) {
    try {
      return await find();
    } catch (error) {
      failures.push(`  ${source}: ${reason(error)}`);
    }
  }
  throw new Error(
    `No Temporal server can be started here. Tried:\n${failures.join('\n')}\n` +
      'Install the Temporal CLI (docs.temporal.io/cli) so that `temporal` is on the PATH, ' +
      'or set TEMPORAL_ADDRESS to a server that runs.',
  );
}

/** Keeps a CLI in the cache and returns its path; what does not run is not kept. */
async function make(
  env: NodeJS.ProcessEnv,
  progress: Progress,
  build: (dir: string) => Promise<void>,
): Promise<string> {
  const fill = async (dir: string): Promise<void> => {
    await build(dir);
    await usable(join(dir, 'temporal'), env);
  };
  return join(await once(CACHED_AS, fill, { progress, dir: cacheDir(env) }), 'temporal');
}

async function download(dir: string, env: NodeJS.ProcessEnv, progress: Progress): Promise<void> {
  progress('Temporal CLI: asking for the download of the Temporal SDK …');
  await sdkDownload('dev-server', { version: VERSION, to: join(dir, 'temporal'), env, progress });
}

async function buildWithGo(dir: string, env: NodeJS.ProcessEnv, progress: Progress): Promise<void> {
  await run('go', ['version'], { env, timeoutMs: 30_000 });
  progress(`Temporal CLI: building it with Go (${GO_PACKAGE}), about 4 minutes, only once …`);
  await run('go', ['install', GO_PACKAGE], {
    env: { ...env, GOBIN: dir },
    cwd: dir,
    timeoutMs: GO_TIMEOUT_MS,
    onWaiting: (seconds) => progress(`Temporal CLI: still building, ${clock(seconds)} so far`),
  });
}

/** The path, when the CLI there runs and its server is new enough. */
async function usable(path: string, env: NodeJS.ProcessEnv): Promise<string> {
  const answer = await run(path, ['--version'], { env, timeoutMs: 20_000 });
  const [, major, minor] = /Server (\d+)\.(\d+)/.exec(answer) ?? [];
  if (major === undefined) throw new Error(`does not say which server it has: ${answer}`);
  const { major: needed, minor: neededMinor } = SERVER_NEEDED;
  if (Number(major) === needed && Number(minor) < neededMinor) {
    throw new Error(`its server ${major}.${minor} is older than ${needed}.${neededMinor}`);
  }
  return path;
}

function reason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' ? 'not found' : message;
}

function clock(seconds: number): string {
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
}
