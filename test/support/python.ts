/** Python with packages, for examples in that language: installed once, in the cache, beside whatever the machine has. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { once } from '../../src/sandbox/cache.ts';

const run = promisify(execFile);
const say = (line: string) => process.stderr.write(`  ${line}\n`);

/**
 * The environment in which `python3` finds a package, `name==version`. Null where there is no Python, or no way to
 * install it: what needs it is skipped, and says so; with ORACLE=required that is an error.
 */
export async function pythonWith(requirement: string): Promise<NodeJS.ProcessEnv | null> {
  try {
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
  } catch (error) {
    const why = `python3 with ${requirement} cannot be had here: ${(error as Error).message.trim()}`;
    if (process.env['ORACLE'] === 'required') throw new Error(why, { cause: error });
    say(`Examples in Python are skipped. ${why}`);
    return null;
  }
}
