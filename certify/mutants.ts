/**
 * Deliberate breakages of the product, each of which must turn the certificate red: otherwise its green says nothing.
 * A mutant is made in a copy of the sources in a temporary folder; what is played on it is a slice of the certificate, or
 * the one test that is there for the broken rule. Words on the command line choose areas (`doors`) or parts of names.
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chosenMutants } from './mutants/areas.ts';
import { mutated, type Mutant } from './mutants/list.ts';
import type { TestedMutant } from './mutants/settlement.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** A slice with everything that waits for a rest that never comes. */
const PATIENCE_MS = 600_000;
const AT_ONCE = 2;
const PARTS = [
  'src',
  'certify',
  'drizzle',
  'test',
  'package.json',
  'tsconfig.json',
  'jest.config.js',
];

const chosen = chosenMutants(process.argv.slice(2));
const waiting = [...chosen];
const survived: string[] = [];
await Promise.all(Array.from({ length: AT_ONCE }, work));
process.stdout.write(
  survived.length === 0
    ? `${chosen.length} of ${chosen.length} mutants turn the certificate, or their test, red.\n`
    : `Not caught: ${survived.join('; ')}\n`,
);
process.exit(survived.length === 0 ? 0 : 1);

async function work(): Promise<void> {
  for (let mutant = waiting.shift(); mutant; mutant = waiting.shift()) {
    const started = Date.now();
    const { caught, said } = await attempt(mutant);
    const seconds = Math.round((Date.now() - started) / 1000);
    process.stdout.write(`${caught ? 'caught' : 'NOT CAUGHT'}: ${mutant.name} (${seconds} s)\n`);
    process.stdout.write(`    ${said}\n`);
    if (!caught) survived.push(mutant.name);
  }
}

type Attempt = { readonly caught: boolean; readonly said: string };

async function attempt(mutant: Mutant | TestedMutant): Promise<Attempt> {
  const dir = mkdtempSync(join(tmpdir(), 'certify-mutant-'));
  try {
    copySources(dir);
    for (const edit of mutant.edits) {
      const path = join(dir, edit.file);
      writeFileSync(path, mutated(readFileSync(path, 'utf8'), edit));
    }
    return 'test' in mutant ? await playTest(dir, mutant) : await playSlice(dir, mutant);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function playSlice(dir: string, { slice }: Mutant): Promise<Attempt> {
  const script = join(dir, 'certify/certify.ts');
  const { code, output } = await run(dir, [script, ...slice, '--quick', '--seed', '1']);
  const lines = output.trim().split('\n');
  const verdict = lines.at(-1) ?? '';
  // Red by a broken promise, not by a harness or a product that does not even start.
  const broken = lines.find((line) => /^ +[a-z]+: |^seed \d+: |^settle wrote/.test(line)) ?? '';
  const caught =
    code === 1 && verdict.startsWith('RED') && broken !== '' && !/round broke/.test(broken);
  return {
    caught,
    said: (caught ? broken : lines.slice(-8).join('\n    ')).trim().slice(0, 400),
  };
}

async function playTest(dir: string, { test }: TestedMutant): Promise<Attempt> {
  const jest = [
    '--experimental-vm-modules',
    join(ROOT, 'node_modules/jest/bin/jest.js'),
    '--forceExit',
  ];
  const args = [test.file, '-t', asPattern(test.name)];
  const { code, output } = await run(dir, [...jest, ...args]);
  // Red by the test, not by a file that cannot be loaded.
  const failed = output.split('\n').find((line) => line.includes('●') && line.includes(test.name));
  const caught = code === 1 && failed !== undefined && /Tests: +\d+ failed/.test(output);
  return { caught, said: (failed ?? output.slice(-400)).trim() };
}

/** Jest takes a pattern; names of tests have brackets and dots. */
function asPattern(name: string): string {
  return name.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

function copySources(dir: string): void {
  for (const part of PARTS) {
    cpSync(join(ROOT, part), join(dir, part), { recursive: true });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(dir, 'node_modules'));
}

/** Runs Node in the copy. */
function run(
  dir: string,
  args: readonly string[],
): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [...args], {
    cwd: dir,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const keep = (chunk: Buffer) => void (output += chunk.toString());
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const timer = setTimeout(() => child.kill('SIGTERM'), PATIENCE_MS);
  return new Promise((resolve) => {
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ code, output });
    });
  });
}
