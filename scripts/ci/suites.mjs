/**
 * A reporter for jest: writes what has happened to the file that CI_SUITES names, one JSON object a line, at once.
 * Jest's own report is written at the very end, so a process that dies leaves none. This one says how far it came.
 * Lines: `{ at, event: 'start', suite }`, `{ at, event: 'end', suite, ms, passed, rssMb, failures: [{ test, message }] }`
 * with `test: null` where the file itself failed, and `{ at, event: 'done' }`. `at` is in milliseconds since 1970.
 */
import { appendFileSync } from 'node:fs';
import { relative } from 'node:path';
import process from 'node:process';

export default class Suites {
  #file = process.env.CI_SUITES;

  onTestFileStart({ path }) {
    this.#write({ event: 'start', suite: relative(process.cwd(), path) });
  }

  onTestFileResult({ path }, result) {
    const { start, end } = result.perfStats;
    const failures = result.testResults
      .filter(({ status }) => status === 'failed')
      .map(({ fullName, failureMessages }) => ({
        test: fullName,
        message: failureMessages[0] ?? '',
      }));
    const message =
      result.testExecError?.stack ?? result.testExecError?.message ?? result.failureMessage;
    if (failures.length === 0 && message) failures.push({ test: null, message });
    this.#write({
      event: 'end',
      suite: relative(process.cwd(), path),
      ms: end - start,
      passed: result.numPassingTests,
      rssMb: Math.round(process.memoryUsage().rss / 2 ** 20),
      failures,
    });
  }

  onRunComplete() {
    this.#write({ event: 'done' });
  }

  #write(line) {
    if (this.#file) appendFileSync(this.#file, `${JSON.stringify({ at: Date.now(), ...line })}\n`);
  }
}
