/** A Python with what examples/python needs, made once for this machine by the command that docs/backends.md shows. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { once } from '../../src/sandbox/cache.ts';
import { run, type Progress } from '../../src/sandbox/child.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const NEEDS = `${ROOT}examples/python/requirements.txt`;

/** For the shell, where a home may have a space in its name. */
export const quoted = (path: string) => `'${path}'`;

/**
 * The folder of a virtual environment, made by `command` with its `.venv` there.
 * @throws Error that says what this machine lacks, and what to do
 */
export async function pythonWith(command: string, progress: Progress): Promise<string> {
  try {
    const version = await run('python3', ['--version'], { timeoutMs: 20_000 });
    const hash = createHash('sha256').update(readFileSync(NEEDS)).update(version).digest('hex');
    const make = async (dir: string) => {
      progress('Python: making a virtual environment with the Temporal SDK, only once …');
      const inPlace = command.replaceAll('.venv', quoted(join(dir, 'venv')));
      await run('sh', ['-c', inPlace], { cwd: ROOT, timeoutMs: 600_000 });
    };
    return join(await once(`python-${hash.slice(0, 12)}`, make, { progress }), 'venv');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === 'ENOENT' ? 'python3 was not found' : message;
    throw new Error(
      `There is no Python with the Temporal SDK: ${reason}\n` +
        'Install Python 3.10 or newer with its venv module (Debian: python3-venv), and give pip access to a registry.',
      { cause: error },
    );
  }
}
