/**
 * Deliberate breakages of the product, each of which must turn the certificate red: otherwise its green says nothing.
 * A mutant is made in a copy of the sources in a temporary folder; what is played on it is a slice of the certificate.
 */
import { spawn } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mutated, MUTANTS, type Mutant } from './mutants/list.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** A slice with everything that waits for a rest that never comes. */
const PATIENCE_MS = 600_000;
const AT_ONCE = 2;

const only = process.argv.slice(2);
const chosen = MUTANTS.filter(
  ({ name }) => only.length === 0 || only.some((o) => name.includes(o)),
);
const waiting = [...chosen];
const survived: string[] = [];
await Promise.all(Array.from({ length: AT_ONCE }, work));
process.stdout.write(
  survived.length === 0
    ? `${chosen.length} of ${chosen.length} mutants turn the certificate red.\n`
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

async function attempt({ edits, slice }: Mutant): Promise<{ caught: boolean; said: string }> {
  const dir = mkdtempSync(join(tmpdir(), 'certify-mutant-'));
  try {
    copySources(dir);
    for (const edit of edits) {
      const path = join(dir, edit.file);
      writeFileSync(path, mutated(readFileSync(path, 'utf8'), edit));
    }
    const { code, output } = await certify(dir, [...slice, '--quick', '--seed', '1']);
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
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function copySources(dir: string): void {
  for (const part of ['src', 'certify', 'drizzle', 'package.json', 'tsconfig.json']) {
    cpSync(join(ROOT, part), join(dir, part), { recursive: true });
  }
  mkdirSync(join(dir, 'test/pipeline'), { recursive: true });
  cpSync(join(ROOT, 'test/pipeline/model.ts'), join(dir, 'test/pipeline/model.ts'));
  symlinkSync(join(ROOT, 'node_modules'), join(dir, 'node_modules'));
}

function certify(
  dir: string,
  args: readonly string[],
): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [join(dir, 'certify/certify.ts'), ...args], {
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
