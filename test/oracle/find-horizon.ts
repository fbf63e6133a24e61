/** Stellar's Horizon 23, the last one that can be built with nothing but the Go module proxy. */
import { join } from 'node:path';
import { cacheDir, once } from '../../src/sandbox/cache.ts';
import { run, type Progress } from '../../src/sandbox/child.ts';

const CACHED_AS = 'horizon-23.0.0';
/** The commit of tag horizon-v23.0.0; Horizon has since moved to a module that the proxy does not have. */
const GO_PACKAGE = 'github.com/stellar/go/services/horizon@v0.0.0-20250814141936-1ccc2b074af6';
/** Three minutes on two cores with an empty module cache; a slow machine may take its time. */
const GO_TIMEOUT_MS = 30 * 60_000;

/**
 * The path of a Horizon 23 that runs here. Tries in turn: the cache, a build with Go (about three minutes, once).
 * One on the PATH is not asked: `horizon version` of a release does not tell which API it serves.
 * @throws Error that lists each source, why it failed, and what to do
 */
export async function findHorizon(
  progress: Progress,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  const kept = join(cacheDir(env), CACHED_AS, 'horizon');
  const sources: [string, () => Promise<string>][] = [
    [`the cached ${kept}`, () => usable(kept, env)],
    [`go install ${GO_PACKAGE}`, () => make(env, progress)],
  ];
  const failures: string[] = [];
  for (const [source, find] of sources) {
    try {
      return await find();
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      failures.push(`  ${source}: ${code === 'ENOENT' ? 'not found' : message}`);
    }
  }
  throw new Error(
    `There is no Horizon to compare the sandbox with. Tried:\n${failures.join('\n')}\n` +
      'Install Go (go.dev/doc/install) and give it access to a module proxy.',
  );
}

/** Keeps a Horizon in the cache and returns its path; what does not run is not kept. */
async function make(env: NodeJS.ProcessEnv, progress: Progress): Promise<string> {
  const fill = async (dir: string): Promise<void> => {
    await buildWithGo(dir, env, progress);
    await usable(join(dir, 'horizon'), env);
  };
  return join(await once(CACHED_AS, fill, { progress, dir: cacheDir(env) }), 'horizon');
}

async function buildWithGo(dir: string, env: NodeJS.ProcessEnv, progress: Progress): Promise<void> {
  await run('go', ['version'], { env, timeoutMs: 30_000 });
  progress(`Horizon: building it with Go (${GO_PACKAGE}), about 3 minutes, only once …`);
  await run('go', ['install', GO_PACKAGE], {
    env: { ...env, GOBIN: dir },
    cwd: dir,
    timeoutMs: GO_TIMEOUT_MS,
    onWaiting: (seconds) => progress(`Horizon: still building, ${seconds} s so far`),
  });
}

async function usable(path: string, env: NodeJS.ProcessEnv): Promise<string> {
  await run(path, ['version'], { env, timeoutMs: 20_000 });
  return path;
}
