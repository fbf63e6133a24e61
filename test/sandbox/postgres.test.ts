import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Client } from 'pg';
import { startPostgres } from '../../src/sandbox/postgres.ts';
import { elsewhere, gone } from './gone.ts';

const POSTGRES = new URL('../../src/sandbox/postgres.ts', import.meta.url).href;
const fast = { progress: () => undefined, fsync: false };

let dataDir: string;
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'postgres-test-'));
  chmodSync(dir, 0o755); // when root runs this, PostgreSQL is another user
  dataDir = join(dir, 'data');
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

/** A PostgreSQL whose owner is another process. */
async function ownedElsewhere() {
  const { line, kill } = await elsewhere(`
    import { startPostgres } from ${JSON.stringify(POSTGRES)};
    const dataDir = ${JSON.stringify(dataDir)};
    const { url, pid } = await startPostgres({ progress: () => undefined, fsync: false, dataDir });
    console.log(JSON.stringify({ url, pid }));`);
  return { ...(JSON.parse(line) as { pid: number; url: string }), kill };
}

describe('PostgreSQL', () => {
  test('gives databases, copies of a template too, to a role that is no superuser', async () => {
    const postgres = await startPostgres(fast);
    const template = await postgres.createDatabase('the template');
    await query(template, 'CREATE TABLE t AS SELECT 42 AS answer');
    const copy = await postgres.createDatabase('copy', 'the template');
    expect(await query(copy, 'SELECT answer FROM t')).toEqual([{ answer: 42 }]);
    expect(
      await query(postgres.url, 'SELECT usesuper FROM pg_user WHERE usename = current_user'),
    ).toEqual([{ usesuper: false }]);
    await postgres.stop();
    await gone(postgres.pid);
  });

  test('keeps what is in a folder that was given, through a stop', async () => {
    const first = await startPostgres({ ...fast, dataDir });
    await query(await first.createDatabase('kept'), 'CREATE TABLE t AS SELECT 42 AS answer');
    await first.stop();
    const port = Number(new URL(first.url).port);
    const second = await startPostgres({ ...fast, dataDir, port });
    expect(second.url).toBe(first.url);
    expect(await query(second.url.replace(/postgres$/, 'kept'), 'SELECT answer FROM t')).toEqual([
      { answer: 42 },
    ]);
    await second.stop();
  });

  test('ends when its owner is killed, and starts again on the same folder', async () => {
    const owner = await ownedElsewhere();
    await owner.kill();
    await gone(owner.pid);
    const next = await startPostgres({ ...fast, dataDir });
    expect(await query(next.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await next.stop();
  });

  test('killed itself, starts again at once under the same address', async () => {
    const first = await startPostgres({ ...fast, dataDir });
    process.kill(first.pid, 'SIGKILL');
    const second = await startPostgres({ ...fast, dataDir, port: Number(new URL(first.url).port) });
    expect(await query(first.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await first.stop(); // it is gone: nothing to do, and nothing that hits its successor
    expect(await query(second.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await second.stop();
  });

  test('does not start on a folder that another process uses, and leaves that one alone', async () => {
    const owner = await ownedElsewhere();
    await expect(startPostgres({ ...fast, dataDir })).rejects.toThrow(/is in use by process \d+/);
    expect(await query(owner.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await owner.kill();
    await gone(owner.pid);
  });

  test('starts although the mark of a server before a restart bears a number that is in use', async () => {
    await (await startPostgres({ ...fast, dataDir })).stop();
    writeFileSync(join(dataDir, 'postmaster.pid'), `${process.ppid}\n${dataDir}\n`);
    const postgres = await startPostgres({ ...fast, dataDir });
    expect(readFileSync(join(dataDir, 'postmaster.pid'), 'utf8')).toMatch(`${postgres.pid}\n`);
    await postgres.stop();
  });

  test('does not take the rest of an initdb that was killed for a database', async () => {
    mkdirSync(`${dataDir}.new`);
    writeFileSync(join(`${dataDir}.new`, 'PG_VERSION'), '18\n');
    const postgres = await startPostgres({ ...fast, dataDir });
    expect(await query(postgres.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await postgres.stop();
    expect(existsSync(`${dataDir}.new`)).toBe(false);
  });
});
