import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { timeSkippingServer } from '../../src/sandbox/test-server.ts';
import { elsewhere, gone } from './gone.ts';

/** To the terminal: fetching takes its time. */
const progress = (line: string) => process.stderr.write(`${line}\n`);

let dir: string;
let env: NodeJS.ProcessEnv;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'test-server-test-'));
  mkdirSync(join(dir, 'bin'));
  env = {
    PATH: `${join(dir, 'bin')}:/bin`,
    SETTLE_CACHE: dir,
    HTTPS_PROXY: 'http://127.0.0.1:9', // nothing listens there: the SDK's download fails at once
  };
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

function program(name: string, body: string) {
  writeFileSync(join(dir, 'bin', name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
}

const find = () => timeSkippingServer(() => undefined, env);

describe('the time-skipping test server', () => {
  test('skips a month at once', async () => {
    const path = await timeSkippingServer(progress);
    const server = { executable: { type: 'existing-path' as const, path } };
    const temporal = await TestWorkflowEnvironment.createTimeSkipping({ server });
    const before = await temporal.currentTimeMs();
    await temporal.sleep('30 days');
    expect((await temporal.currentTimeMs()) - before).toBeGreaterThanOrEqual(30 * 86_400_000);
    await temporal.teardown();
  }, 600_000);

  test('is fetched with Maven once, and ends when the process that started it is killed', async () => {
    program('java', 'case "$*" in -version) exit;; esac; exec sleep 600');
    program(
      'mvn',
      `echo x >> ${dir}/fetched; for a; do case $a in -DoutputDirectory=*) mkdir "\${a#*=}";; esac; done`,
    );
    const path = await find();
    expect(await find()).toBe(path);
    expect(readFileSync(join(dir, 'fetched'), 'utf8')).toBe('x\n');
    const owner = await elsewhere(`
      import { spawn } from 'node:child_process';
      const server = spawn(${JSON.stringify(path)}, ['7777'], { stdio: 'ignore', env: ${JSON.stringify(env)} });
      console.log(server.pid);`);
    await owner.kill();
    await gone(Number(owner.line));
  });

  test('that cannot be had is one error with every source, its reason, and what to do', async () => {
    program('java', 'exit 0');
    program('mvn', 'echo Could not resolve dependencies; exit 1');
    const { message } = await find().then(
      () => new Error('found one'),
      (error: Error) => error,
    );
    expect(message).toMatch(/Java and Maven: Could not resolve dependencies/);
    expect(message).toMatch(/the download of the Temporal SDK: .*download/);
    expect(message).toMatch(/Install Java 17 and Maven/);
    expect(existsSync(join(dir, 'stellar-settlement', 'temporal-test-server-1.38.0'))).toBe(false);
  });
});
