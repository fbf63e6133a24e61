import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { findTemporalCli } from '../../src/sandbox/find-temporal.ts';

const GOOD = 'echo "temporal version 1.5.1 (Server 1.29.1, UI 2.42.1)"';
const BUILT = 'stellar-settlement/temporal-v1.5.1/temporal';

let dir: string;
let env: NodeJS.ProcessEnv;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'temporal-test-'));
  mkdirSync(join(dir, 'bin'));
  // HTTPS_PROXY: nothing listens there, so the SDK's download fails at once, with or without the internet.
  env = {
    PATH: `${join(dir, 'bin')}:/usr/bin:/bin`,
    SETTLE_CACHE: dir,
    HOME: dir,
    HTTPS_PROXY: 'http://127.0.0.1:9',
  };
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

function program(path: string, body: string) {
  mkdirSync(join(dir, path, '..'), { recursive: true });
  writeFileSync(join(dir, path), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
}

const find = (lines: string[] = []) => findTemporalCli((line) => lines.push(line), env);

describe('the Temporal CLI', () => {
  test('on the PATH comes first', async () => {
    program('bin/temporal', GOOD);
    program(BUILT, GOOD);
    expect(await find()).toBe('temporal');
  });

  test.each([
    ['does not run', 'exit 1'],
    ['has too old a server', 'echo "temporal version 1.3.0 (Server 1.27.1, UI 2.36.0)"'],
  ])('on the PATH is passed over when it %s', async (_, body) => {
    program('bin/temporal', body);
    program(BUILT, GOOD);
    expect(await find()).toBe(join(dir, BUILT));
  });

  test('is built with Go into the cache, once, when there is no other', async () => {
    program(
      'bin/go',
      `[ "$1" = install ] || exit 0
      echo "$2" >> ${dir}/installed
      printf '#!/bin/sh\\n${GOOD}\\n' > "$GOBIN/temporal" && chmod +x "$GOBIN/temporal"`,
    );
    const lines: string[] = [];
    expect(await find(lines)).toBe(join(dir, BUILT));
    expect(lines.join('\n')).toContain('about 4 minutes');
    rmSync(join(dir, 'bin/go'));
    expect(await find()).toBe(join(dir, BUILT));
  });

  test('that cannot be had is one error with every source, its reason, and what to do', async () => {
    program('bin/temporal', 'echo broken shim >&2; exit 3');
    program(
      'bin/go',
      '[ "$1" = version ] && exit; echo "module lookup disabled by GOPROXY=off" >&2; exit 1',
    );
    const { message } = await find().then(
      () => new Error('found one'),
      (error: Error) => error,
    );
    expect(message).toMatch(/`temporal` on the PATH: broken shim/);
    expect(message).toMatch(/the cached .*: not found/);
    expect(message).toMatch(/the download of the Temporal SDK: .*download/);
    expect(message).toMatch(
      /go install .*temporal@v1\.5\.1: module lookup disabled by GOPROXY=off/,
    );
    expect(message).toMatch(/Install the Temporal CLI .* or set TEMPORAL_ADDRESS/);
    expect(readdirSync(join(dir, 'stellar-settlement'))).toEqual([]);
  });
});
