import { spawn } from 'node:child_process';
import { once as event } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { cacheDir, once } from '../../src/sandbox/cache.ts';

const CACHE = new URL('../../src/sandbox/cache.ts', import.meta.url).href;
const quiet = { progress: () => undefined };

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'cache-test-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

/** Another process that asks for `thing` and, while it builds, waits for the file `go`. */
function builder() {
  const script = `
    import { appendFileSync, existsSync, writeFileSync } from 'node:fs';
    import { setTimeout as sleep } from 'node:timers/promises';
    import { once } from ${JSON.stringify(CACHE)};
    const dir = ${JSON.stringify(dir)};
    const build = async (folder) => {
      writeFileSync(folder + '/half', '');
      appendFileSync(dir + '/builds', 'x');
      console.log('building');
      while (!existsSync(dir + '/go')) await sleep(20);
    };
    await once('thing', build, { dir, progress: (line) => console.log(line) });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const says = async (text: string) => {
    for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
      if (String(chunk).includes(text)) return;
    }
  };
  return { child, says, ended: event(child, 'exit') };
}

describe('cacheDir', () => {
  test.each([
    [{ SETTLE_CACHE: 'a', XDG_CACHE_HOME: 'b' }, 'a'],
    [{ XDG_CACHE_HOME: 'b' }, 'b'],
  ])('%j leads below %s', (env, folder) => {
    const absolute = Object.fromEntries(Object.entries(env).map(([k, v]) => [k, join(dir, v)]));
    expect(cacheDir(absolute)).toBe(join(dir, folder, 'stellar-settlement'));
    expect(existsSync(join(dir, folder, 'stellar-settlement'))).toBe(true);
  });

  test('a place where no folder can be made leads below the temporary folder', () => {
    writeFileSync(join(dir, 'file'), '');
    chmodSync(join(dir, 'file'), 0o444);
    expect(cacheDir({ SETTLE_CACHE: join(dir, 'file') }).startsWith(tmpdir())).toBe(true);
  });
});

describe('once', () => {
  test('builds the first time and finds it the next', async () => {
    let builds = 0;
    const build = async (folder: string) => {
      builds += 1;
      writeFileSync(join(folder, 'content'), 'whole');
    };
    const options = { dir, ...quiet };
    const [a, b] = await Promise.all([once('x', build, options), once('x', build, options)]);
    expect([a, b, await once('x', build, options)]).toEqual(Array(3).fill(join(dir, 'x')));
    expect(readFileSync(join(dir, 'x', 'content'), 'utf8')).toBe('whole');
    expect(builds).toBe(1);
    expect(readdirSync(dir)).toEqual(['x']);
  });

  test('a build that fails leaves nothing and may be tried again', async () => {
    const fail = async (folder: string) => {
      writeFileSync(join(folder, 'half'), '');
      throw new Error('no network');
    };
    await expect(once('x', fail, { dir, ...quiet })).rejects.toThrow('no network');
    expect(readdirSync(dir)).toEqual([]);
    expect(await once('x', async () => undefined, { dir, ...quiet })).toBe(join(dir, 'x'));
  });

  test('two processes at once build once', async () => {
    const first = builder();
    await first.says('building');
    const second = builder();
    await second.says(`waiting for process ${first.child.pid}`);
    writeFileSync(join(dir, 'go'), '');
    expect((await Promise.all([first.ended, second.ended])).map(([code]) => code)).toEqual([0, 0]);
    expect(readFileSync(join(dir, 'builds'), 'utf8')).toBe('x');
  });

  test('a builder that is killed leaves nothing half, and the one that waits takes over', async () => {
    const first = builder();
    await first.says('building');
    const second = builder();
    await second.says('waiting for process');
    expect(existsSync(join(dir, 'thing'))).toBe(false);
    first.child.kill('SIGKILL');
    writeFileSync(join(dir, 'go'), '');
    expect(await second.ended).toEqual([0, null]);
    expect(readFileSync(join(dir, 'builds'), 'utf8')).toBe('xx');
    expect(readdirSync(dir).sort()).toEqual(['builds', 'go', 'thing']);
  });
});
