import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

const SCRIPTS = fileURLToPath(new URL('../../scripts', import.meta.url));
const LOCK_FILE = { packages: { '': {}, 'node_modules/a': { version: '1.0.0' } } };
/** Counts its calls, says so, waits for the file `go`, and leaves what `npm ci` leaves. */
const NPM = `echo x >> calls
  echo installing
  while [ ! -e go ]; do sleep 0.02; done
  rm -rf node_modules && mkdir -p node_modules/.bin node_modules/a
  echo {} > node_modules/a/package.json
  cp package-lock.json node_modules/.package-lock.json`;

let clone: string;
beforeEach(() => {
  clone = mkdtempSync(join(tmpdir(), 'setup test-')); // a space, as in many a home
  cpSync(SCRIPTS, join(clone, 'scripts'), { recursive: true });
  lockFile(LOCK_FILE);
  npm(NPM);
  writeFileSync(join(clone, 'go'), '');
});
afterEach(() => {
  rmSync(clone, { recursive: true, force: true });
});

const lockFile = (content: object) =>
  writeFileSync(join(clone, 'package-lock.json'), JSON.stringify(content));
const npm = (body: string) =>
  writeFileSync(join(clone, 'npm'), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
const calls = () =>
  existsSync(join(clone, 'calls')) ? readFileSync(join(clone, 'calls'), 'utf8').length / 2 : 0;

function start() {
  const child = spawn(process.execPath, [join(clone, 'scripts', 'setup.mjs')], {
    env: { PATH: `${clone}:${dirname(process.execPath)}:/usr/bin:/bin` },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const says = async (words: string) => {
    for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
      if (String(chunk).includes(words)) return;
    }
  };
  const code = once(child, 'exit').then(([code]: unknown[]) => code);
  return { child, says, code };
}

async function setup() {
  const { child, code } = start();
  const said = await text(child.stdout);
  return { said, code: await code };
}

describe('npm run setup', () => {
  test('installs a fresh clone, and says nothing when nothing is to do', async () => {
    expect((await setup()).code).toBe(0);
    expect(await setup()).toEqual({ said: '', code: 0 });
    expect(calls()).toBe(1);
    expect(existsSync(join(clone, 'node_modules/.bin/node'))).toBe(true);
    expect(existsSync(join(clone, '.setup.lock'))).toBe(false);
  });

  test('installs again when the lock file asks for something else', async () => {
    await setup();
    lockFile({ packages: { 'node_modules/a': { version: '1.0.1' } } });
    expect((await setup()).code).toBe(0);
    expect(calls()).toBe(2);
  });

  test('takes over what `npm ci` installed by hand, and only if it is what the lock file says', async () => {
    await setup();
    rmSync(join(clone, 'node_modules/.installed'));
    await setup();
    expect(calls()).toBe(1);
    rmSync(join(clone, 'node_modules/.installed'));
    lockFile({ packages: { 'node_modules/a': { version: '1.0.1' } } });
    await setup();
    expect(calls()).toBe(2);
  });

  test('fails when npm fails, and tries again the next time', async () => {
    npm('echo x >> calls; exit 7');
    expect((await setup()).code).toBe(1);
    npm(NPM);
    expect((await setup()).code).toBe(0);
    expect(calls()).toBe(2);
  });

  test('of two at once one installs and the other waits', async () => {
    rmSync(join(clone, 'go'));
    const first = start();
    await first.says('installing\n');
    const second = start();
    await second.says(`waiting for process ${first.child.pid}`);
    writeFileSync(join(clone, 'go'), '');
    expect(await Promise.all([first.code, second.code])).toEqual([0, 0]);
    expect(calls()).toBe(1);
  });

  test('killed, it leaves its npm to be waited for, not to be run twice', async () => {
    rmSync(join(clone, 'go'));
    const first = start();
    await first.says('installing\n');
    first.child.kill('SIGKILL');
    await first.code;
    const second = start();
    await second.says('waiting for process');
    writeFileSync(join(clone, 'go'), '');
    expect(await second.code).toBe(0);
    expect(calls()).toBe(1);
  });
});
