/** Python with packages, for examples in that language: installed once, in the cache, beside whatever the machine has. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { once } from '../../src/sandbox/cache.ts';
import { foundOr, say } from './required.ts';

const run = promisify(execFile);

/** The environment in which `python3` finds a package, `name==version`; null where that cannot be had (required.ts). */
export function pythonFinding(requirement: string): Promise<NodeJS.ProcessEnv | null> {
  const found = install(requirement).catch((error: Error) => {
    const why = `python3 with ${requirement} cannot be had here: ${error.message.trim()}`;
    throw new Error(why, { cause: error });
  });
  return foundOr(found, 'Examples in Python are skipped.');
}

async function install(requirement: string): Promise<NodeJS.ProcessEnv> {
  // A folder on the path needs no virtual environment, and changes nothing of the system's Python.
  const folder = await once(
    `python-${requirement.replace('==', '-')}`,
    async (target) => {
      say(`Installing ${requirement} for Python, once …`);
      await run('python3', ['-m', 'pip', 'install', '-q', '--target', target, requirement], {
        timeout: 120_000,
      });
    },
    { progress: say },
  );
  await run('python3', ['--version']);
  return { PYTHONPATH: folder, PYTHONDONTWRITEBYTECODE: '1' };
}
