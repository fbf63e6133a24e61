/** What a test file leaves behind: it must not fail unseen. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

/** Runs jest over these files, one after the other in one worker process. Returns its report and exit code. */
function run(files: Record<string, string>) {
  const folder = mkdtempSync(join(tmpdir(), 'settle-environment-'));
  const swc = {
    jsc: { target: 'es2023', parser: { syntax: 'typescript' } },
    module: { type: 'es6' },
  };
  const config = {
    transform: { '^.+\\.ts$': [join(process.cwd(), 'node_modules/@swc/jest'), swc] },
    testEnvironment: join(process.cwd(), 'test/support/environment.ts'),
    workerIdleMemoryLimit: '1GB',
    maxWorkers: 1,
  };
  writeFileSync(join(folder, 'jest.config.json'), JSON.stringify(config));
  for (const [name, source] of Object.entries(files)) writeFileSync(join(folder, name), source);
  const report = join(folder, 'report.json');
  const jest = join(process.cwd(), 'node_modules/jest/bin/jest.js');
  const args = ['--experimental-vm-modules', jest, '--json', `--outputFile=${report}`];
  const { status } = spawnSync(process.execPath, args, { cwd: folder });
  const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as {
    testResults: { name: string; status: string; message: string }[];
  };
  return {
    status,
    suites: Object.fromEntries(
      testResults.map(({ name, status, message }) => [
        name.split('/').at(-1) ?? '',
        { status, message },
      ]),
    ),
  };
}

const PASSES = `test('passes', () => undefined);`;

test.each([
  ['an exception', `setTimeout(() => { throw new Error('the socket broke'); });`],
  ['a rejection', `setTimeout(() => void Promise.reject(new Error('the socket broke')));`],
])('%s of background work after the last test fails its file', (_what, work) => {
  const { status, suites } = run({ 'a.test.js': `${PASSES} afterAll(() => { ${work} });` });
  expect(suites['a.test.js']).toEqual({
    status: 'failed',
    message: expect.stringContaining('The background work of a.test.js failed while no test ran'),
  });
  expect(suites['a.test.js']?.message).toContain('the socket broke');
  expect(status).toBe(1);
});

test('one that comes later fails the next file, with the name of the first', () => {
  const late = `afterAll(() => { setTimeout(() => { throw new Error('the socket broke'); }, 40); });`;
  // The next file takes its time to load, but its tests have not begun.
  const { suites } = run({
    'a.test.js': `${PASSES} ${late} // ${'the larger file is run first '.repeat(20)}`,
    'b.test.js': PASSES,
    'c.test.js': PASSES,
  });
  const failed = Object.values(suites).filter(({ status }) => status === 'failed');
  expect(failed).toHaveLength(1);
  expect(failed[0]?.message).toContain('a.test.js');
  expect(failed[0]?.message).toContain('the socket broke');
});

test('a worker process that dies fails the file that it was in', () => {
  const { status, suites } = run({
    'a.test.js': `test('dies', () => process.kill(process.pid, 'SIGKILL'));`,
    'b.test.js': PASSES,
  });
  expect(suites).toMatchObject({
    'a.test.js': { status: 'failed', message: expect.stringContaining('SIGKILL') },
    'b.test.js': { status: 'passed' },
  });
  expect(status).toBe(1);
});
