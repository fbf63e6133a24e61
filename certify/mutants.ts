/**
 * Deliberate breakages of the product, each of which must turn the certificate red: otherwise its green says nothing.
 * A mutant is made in a copy of the sources in a temporary folder; what is played on it is a slice of the certificate, or
 * the one test that is there for the broken rule.
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BOOKS_MUTANTS } from './mutants/books.ts';
import { EVIDENCE_MUTANTS } from './mutants/evidence.ts';
import { READING_MUTANTS } from './mutants/reading.ts';
import { mutated, MUTANTS, type Mutant } from './mutants/list.ts';
import { SETTLEMENT_MUTANTS, type TestedMutant } from './mutants/settlement.ts';
import { TOLD_MUTANTS } from './mutants/told.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** A slice with everything that waits for a rest that never comes. */
const PATIENCE_MS = 600_000;
const AT_ONCE = 2;
const PARTS = ['src', 'certify', 'drizzle', 'package.json', 'tsconfig.json', 'jest.config.js'];
const TESTS = [
  'test/domain',
  'test/db',
  'test/pipeline',
  'test/support',
  'test/fixtures',
  'test/horizon',
  'test/oracle',
];

const only = process.argv.slice(2);
const chosen = [
  ...MUTANTS,
  ...BOOKS_MUTANTS,
  ...EVIDENCE_MUTANTS,
  ...READING_MUTANTS,
  ...SETTLEMENT_MUTANTS,
  ...TOLD_MUTANTS,
].filter(({ name }) => only.length === 0 || only.some((o) => name.includes(o)));
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
  // Where no database is needed, none is set up.
  const setUp = test.file.startsWith('test/domain/') ? '' : 'globalSetup, globalTeardown, ';
  writeFileSync(
    join(dir, 'jest.mutant.js'),
    `import all from './jest.config.js';\nconst { globalSetup, globalTeardown, ...rest } = all;\nexport default { ${setUp}...rest };\n`,
  );
  const jest = ['--experimental-vm-modules', join(ROOT, 'node_modules/jest/bin/jest.js')];
  const args = ['--config', 'jest.mutant.js', test.file, '-t', test.name];
  const { code, output } = await run(dir, [...jest, ...args]);
  // Red by the test, not by a file that cannot be loaded.
  const failed = output.split('\n').find((line) => line.includes('●') && line.includes(test.name));
  const caught = code === 1 && failed !== undefined && /Tests: +\d+ failed/.test(output);
  return { caught, said: (failed ?? output.slice(-400)).trim() };
}

function copySources(dir: string): void {
  for (const part of PARTS) {
    cpSync(join(ROOT, part), join(dir, part), { recursive: true });
  }
  for (const part of TESTS) cpSync(join(ROOT, part), join(dir, part), { recursive: true });
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
