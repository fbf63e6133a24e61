/**
 * The end of `.ci/run`: which steps and which tests failed, in at most 50 lines, then `N passed, N failed`.
 * Only the last lines of a run may be kept where it runs, so nothing comes after. Exits with 1 when anything failed.
 * Plain JavaScript without dependencies: it must work where the installation has failed.
 *
 *   node scripts/ci/failures.mjs <folder>
 *
 * The folder holds `steps`, a line for each step (exit code, seconds taken, seconds allowed, file of its output, name,
 * with tabs between them), and `suites`, as suites.mjs writes it.
 */
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import process from 'node:process';
import { stripVTControlCharacters } from 'node:util';

const LINES = 50;
/** Of one failure's message. */
const MESSAGE_LINES = 6;
const WIDTH = 200;
const GATE = 'the gate';

const folder = process.argv[2];
const read = (name) => (existsSync(name) ? readFileSync(name, 'utf8') : '');
const linesOf = (text) =>
  stripVTControlCharacters(text)
    .split('\n')
    .map((line) => line.trimEnd().slice(0, WIDTH))
    .filter((line) => line.trim() !== '');

const steps = linesOf(read(`${folder}/steps`)).map((line) => {
  const [code, seconds, allowed, log, name] = line.split('\t');
  return { code: Number(code), seconds: Number(seconds), allowed: Number(allowed), log, name };
});
const events = read(`${folder}/suites`)
  .split('\n')
  .flatMap((line) => {
    try {
      return [JSON.parse(line)];
    } catch {
      return []; // The last line of a process that was killed while it wrote.
    }
  });
const ended = events.filter(({ event }) => event === 'end');
const endedNames = new Set(ended.map(({ suite }) => suite));
const unfinished = events.filter(({ event, suite }) => event === 'start' && !endedNames.has(suite));
const isDone = events.some(({ event }) => event === 'done');
const failures = ended.flatMap(({ suite, failures: of }) =>
  of.map((failure) => ({ suite, ...failure })),
);

let passed = ended.reduce((sum, suite) => sum + suite.passed, 0);
let failed = failures.length;
const said = [];
for (const step of steps) {
  const isGate = step.name.startsWith(GATE);
  if (step.code === 0 && !(isGate && !isDone)) {
    if (!isGate) passed += 1;
    continue;
  }
  const isExplained = isGate && isDone && failures.length > 0;
  if (!isExplained) failed += 1;
  said.push(`FAILED: ${step.name}: ${howItEnded(step)} after ${step.seconds} s`);
  if (isExplained) continue;
  if (isGate && events.length > 0 && !isDone) {
    said.push(
      `  jest died: it has not written its last line. Suites done: ${ended.length}, not finished:`,
    );
    said.push(
      ...unfinished.map(({ suite, at }) => `    ${suite}, begun ${new Date(at).toISOString()}`),
    );
    said.push(`  memory of jest after its last suite: ${ended.at(-1)?.rssMb ?? '?'} MB`);
  }
  said.push('  the last lines of its output:');
  said.push(
    ...linesOf(read(step.log))
      .slice(-30)
      .map((line) => `    ${line}`),
  );
}

/** 128 + n is signal n; 124 is what `timeout` says. */
function howItEnded({ code, allowed }) {
  if (code === 124) return `not done within ${allowed} s`;
  const signal = Object.entries(constants.signals).find(([, number]) => number === code - 128)?.[0];
  return signal === undefined ? `exit code ${code}` : `ended by ${signal} (exit code ${code})`;
}

// A `beforeAll` that fails, fails each test of its file by the same message.
const groups = new Map();
for (const failure of failures) {
  const key = `${failure.suite}\n${failure.message}`;
  groups.set(key, [...(groups.get(key) ?? []), failure]);
}
const sharing = Math.max(1, Math.floor((LINES - said.length) / Math.max(1, groups.size)));
for (const [{ suite, test, message }, ...others] of groups.values()) {
  const more = others.length === 0 ? '' : ` (and ${others.length} more, by the same)`;
  said.push(`  ${suite}: ${test ?? 'the file itself failed'}${more}`);
  // The name again, and the lines of the stack inside packages, say nothing.
  const told = linesOf(message).filter((line) => !/node_modules|^\s*at .*\(?node:/.test(line));
  said.push(
    ...told.slice(0, Math.min(MESSAGE_LINES, sharing - 1)).map((line) => `      ${line.trim()}`),
  );
}

if (failed > 0) {
  console.log('\n=== what failed');
  for (const line of said.slice(0, LINES)) console.log(line);
  if (said.length > LINES) console.log(`  … and ${said.length - LINES} lines more, above`);
}
console.log(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && steps.length > 0 ? 0 : 1;
