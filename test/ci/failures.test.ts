/** What `.ci/run` says at its end: where only the last lines of a run are kept, they must be enough to know what failed. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';

const JEST = 'node_modules/jest/bin/jest.js';
const GATE = 'the gate: everything';

/** Runs jest over these files (name without ending → source), in a process of its own, and says how it ended. */
function runJest(files: Record<string, string>): { folder: string; code: number; output: string } {
  const folder = mkdtempSync(join(tmpdir(), 'settle-ci-'));
  writeFileSync(join(folder, 'package.json'), '{}');
  for (const [name, source] of Object.entries(files)) {
    writeFileSync(join(folder, `${name}.test.js`), source);
  }
  const reporters = ['default', join(process.cwd(), 'scripts/ci/suites.mjs')];
  const { status, signal, stderr } = spawnSync(
    process.execPath,
    [
      join(process.cwd(), JEST),
      '--rootDir=.',
      '--runInBand',
      ...reporters.map((reporter) => `--reporters=${reporter}`),
    ],
    { cwd: folder, env: { ...process.env, CI_SUITES: join(folder, 'suites') }, encoding: 'utf8' },
  );
  writeFileSync(join(folder, 'gate.log'), stderr);
  return { folder, code: signal === 'SIGKILL' ? 137 : (status ?? 1), output: stderr };
}

/** What is printed at the end of a run with these steps: [name, exit code]. */
function endOf(folder: string, steps: readonly (readonly [string, number])[]) {
  const log = join(folder, 'gate.log');
  const lines = steps.map(([name, code]) => `${code}\t7\t60\t${log}\t${name}\n`);
  writeFileSync(join(folder, 'steps'), lines.join(''));
  const run = spawnSync(process.execPath, ['scripts/ci/failures.mjs', folder], {
    encoding: 'utf8',
  });
  return { code: run.status, text: run.stdout, lines: run.stdout.trimEnd().split('\n') };
}

const PASSES = `test('adds', () => expect(1 + 1).toBe(2));`;

describe('the end of .ci/run', () => {
  test('tests that passed, and steps', () => {
    const { folder, code } = runJest({ good: PASSES });
    const end = endOf(folder, [
      ['installed', 0],
      [GATE, code],
      ['builds', 0],
    ]);
    expect(end.lines).toEqual(['', '3 passed, 0 failed']);
    expect(end.code).toBe(0);
  });

  test('a test that failed, and a file that did not load: by name, with the message', () => {
    const { folder, code } = runJest({
      good: PASSES,
      bad: `test('the sum is right', () => expect(1 + 1).toBe(3));`,
      broken: `throw new Error('no such table');`,
    });
    const end = endOf(folder, [[GATE, code]]);
    expect(end.text).toContain('bad.test.js: the sum is right');
    expect(end.text).toContain('Expected: 3');
    expect(end.text).toContain('broken.test.js: the file itself failed');
    expect(end.text).toContain('no such table');
    expect(end.lines.at(-1)).toBe('1 passed, 2 failed');
    expect(end.code).toBe(1);
  });

  test('a setup that fails, by which each test fails: once', () => {
    const each = ['one', 'two', 'three'].map((name) => `test('${name}', () => undefined);`);
    const { folder, code } = runJest({
      unready: `beforeAll(() => { throw new Error('no database'); }); ${each.join(' ')}`,
    });
    const end = endOf(folder, [[GATE, code]]);
    expect(end.text).toContain('unready.test.js: one (and 2 more, by the same)');
    expect(end.text.split('no database')).toHaveLength(2);
    expect(end.lines.at(-1)).toBe('0 passed, 3 failed');
  });

  test('jest that was killed: its signal, the file it was in, its last output', () => {
    const { folder, code } = runJest({
      dies: `test('is killed', async () => {
        process.stderr.write('the last words\\n');
        process.kill(process.pid, 'SIGKILL');
        await new Promise(() => {});
      });`,
    });
    const end = endOf(folder, [
      [GATE, code],
      ['builds', 0],
    ]);
    expect(end.text).toContain('ended by SIGKILL');
    expect(end.text).toContain('jest died');
    expect(end.text).toContain('dies.test.js, begun');
    expect(end.text).toContain('the last words');
    expect(end.lines.at(-1)).toBe('1 passed, 1 failed');
    expect(end.code).toBe(1);
  });

  test('a gate that failed before any test ran', () => {
    const folder = mkdtempSync(join(tmpdir(), 'settle-ci-'));
    writeFileSync(join(folder, 'gate.log'), 'src/worker.ts: unused variable\n');
    const end = endOf(folder, [[GATE, 1]]);
    expect(end.text).toContain('unused variable');
    expect(end.text).not.toContain('jest died');
    expect(end.lines.at(-1)).toBe('0 passed, 1 failed');
  });

  test('no steps at all are no success', () => {
    const folder = mkdtempSync(join(tmpdir(), 'settle-ci-'));
    expect(endOf(folder, [])).toMatchObject({ code: 1 });
  });

  test('a hundred failures fit into what is kept', () => {
    const { folder, code } = runJest({
      many: `for (let n = 0; n < 100; n++) test('number ' + n, () => { throw new Error('not ' + n); });`,
    });
    const end = endOf(folder, [[GATE, code]]);
    expect(end.lines.length).toBeLessThan(60);
    expect(end.text).toContain('many.test.js: number 0');
    expect(end.text).toMatch(/and 5\d lines more/);
    expect(end.lines.at(-1)).toBe('0 passed, 100 failed');
  });
});
