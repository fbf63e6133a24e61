import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { findHorizon } from './find-horizon.ts';

const BUILT = 'stellar-settlement/horizon-23.0.0/horizon';

let dir: string;
let env: NodeJS.ProcessEnv;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'horizon-test-'));
  mkdirSync(join(dir, 'bin'));
  env = { PATH: `${join(dir, 'bin')}:/usr/bin:/bin`, SETTLE_CACHE: dir, HOME: dir };
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

function program(path: string, body: string) {
  mkdirSync(join(dir, path, '..'), { recursive: true });
  writeFileSync(join(dir, path), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
}

const goThatInstalls = (horizon: string) => `[ "$1" = install ] || exit 0
  echo "$2" >> ${dir}/installed
  printf '#!/bin/sh\\n${horizon}\\n' > "$GOBIN/horizon" && chmod +x "$GOBIN/horizon"`;

const find = (lines: string[] = []) => findHorizon((line) => lines.push(line), env);
const failure = async () =>
  await find().then(
    () => 'found one',
    (error: Error) => error.message,
  );

describe('Horizon', () => {
  test('from the cache is taken as it is', async () => {
    program(BUILT, 'echo devel');
    program('bin/go', 'exit 1');
    expect(await find()).toBe(join(dir, BUILT));
  });

  test('is built with Go into the cache, once, and says how long it takes', async () => {
    program('bin/go', goThatInstalls('echo devel'));
    const lines: string[] = [];
    expect(await find(lines)).toBe(join(dir, BUILT));
    expect(lines.join('\n')).toContain('about 3 minutes');
    expect(await find()).toBe(join(dir, BUILT));
    expect(readFileSync(join(dir, 'installed'), 'utf8').trim().split('\n')).toEqual([
      'github.com/stellar/go/services/horizon@v0.0.0-20250814141936-1ccc2b074af6',
    ]);
  });

  test('that was built and does not run is an error, and is not kept', async () => {
    program('bin/go', goThatInstalls('echo cannot run here; exit 1'));
    expect(await failure()).toMatch(/go install .*: cannot run here/);
    expect(readdirSync(join(dir, 'stellar-settlement'))).toEqual([]);
  });

  test('that cannot be had is one error with both sources, their reasons, and what to do', async () => {
    program('bin/go', '[ "$1" = version ] && exit; echo "module lookup disabled" >&2; exit 1');
    const message = await failure();
    expect(message).toMatch(/the cached .*: not found/);
    expect(message).toMatch(/go install .*horizon@v0\.0\.0-.*: module lookup disabled/);
    expect(message).toMatch(/Install Go/);
  });

  test('without Go says that Go was not found', async () => {
    env['PATH'] = join(dir, 'bin');
    expect(await failure()).toMatch(/go install .*: not found/);
  });
});
