/** Code in a process of its own, with its own pool, that starts when the test says so. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { TestDatabase } from '../support/database.ts';

/** A process that has connected and waits. `go()` lets it run its script and resolves to what that returned. */
export type Elsewhere = { go(): Promise<unknown> };

const SRC = new URL('../../src/', import.meta.url).href;

/**
 * Starts a process that runs `script` when it is let go. The script is the body of an async function that finds
 * `src` (a function that imports a module of src/), `database` and `input`.
 */
export async function startElsewhere(
  url: string,
  input: unknown,
  script: string,
): Promise<Elsewhere> {
  const child = spawn(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      '--input-type=module',
      '-e',
      `const src = (path) => import(${JSON.stringify(SRC)} + path);
      const input = ${JSON.stringify(input)};
      const { connect } = await src('db/connection.ts');
      const database = connect(${JSON.stringify(url)});
      await database.pool.query('SELECT');
      console.log('"ready"');
      await new Promise((resolve) => process.stdin.once('data', resolve));
      const result = await (async () => { ${script} })();
      await database.close();
      console.log(JSON.stringify(result ?? null));
      process.stdin.destroy();`,
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const next = async (): Promise<unknown> => {
    const { value, done } = await lines.next();
    if (done) throw new Error('The process ended without a result; its error is above.');
    return JSON.parse(value);
  };
  await next();
  return {
    async go() {
      child.stdin.write('go\n');
      const ended = once(child, 'exit');
      const result = await next();
      await ended;
      return result;
    },
  };
}

/** Resolves when so many connections of this database wait for a lock. */
export async function blocked(database: TestDatabase, count: number): Promise<void> {
  for (;;) {
    const rows = await database.rows(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    if (rows.length >= count) return;
  }
}
