/** What the certificate expects comes from nothing that it judges. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';

const CERTIFY = fileURLToPath(new URL('../../certify/', import.meta.url));
const text = (name: string) => readFileSync(CERTIFY + name, 'utf8');
const inFolder = (folder: string) =>
  readdirSync(CERTIFY + folder).map((name) => `${folder}/${name}`);

/** Modules that a source imports, types included, however it does. */
const importsOf = (source: string) =>
  [
    ...source.matchAll(/^(?:import|export)\s[^;'"]*?from\s*['"]([^'"]+)['"]/gm),
    ...source.matchAll(/\bimport\s*\(\s*['"]([^'"]+)['"]/g),
    ...source.matchAll(/^import\s*['"]([^'"]+)['"]/gm),
  ].map(([, name = '']) => name);

const ALLOWED = /^(\.\/[a-z-]+\.ts|@stellar\/stellar-sdk|node:crypto)$/;
const foreign = (source: string) => importsOf(source).filter((name) => !ALLOWED.test(name));

/** Instants, coverage and deadlines that the product wrote down: no expectation may be made of them. */
const DECISIONS = /\b(cancel_at|opened_after|final_deadline|read_through|expires_at)\b/;
const readsDecisions = (source: string) =>
  source.split('\n').filter((line) => DECISIONS.test(line) && !/INSERT|memo, status/.test(line));

describe('the books', () => {
  test.each(inFolder('books'))('%s imports its neighbours, the SDK and Node alone', (name) => {
    expect(foreign(text(name))).toEqual([]);
  });

  test('can be read in one sitting', () => {
    const lines = inFolder('books').map((name) => text(name).split('\n').length);
    expect(lines.reduce((sum, n) => sum + n, 0)).toBeLessThan(1_000);
  });

  test.each([
    `import { formatAmount } from '../../src/domain/money.ts';`,
    `import type { Session } from '../../src/domain/session.ts';`,
    `export { judge } from "../../src/domain/judge.ts";`,
    `const { judge } = await import('../../src/domain/judge.ts');`,
    `import { stack } from '../parts/stack.ts';`,
    `import '../../src/db/migrate.ts';`,
  ])('would be caught at: %s', (source) => {
    expect(foreign(source)).toHaveLength(1);
  });
});

describe('the checks', () => {
  const checks = ['parts/outcome.ts', 'parts/checks.ts', 'parts/rest.ts', 'parts/diary.ts'];

  test.each([...checks, 'parts/workload.ts', 'simulation/books.ts'])(
    '%s takes no decision of the product for its own',
    (name) => {
      expect(readsDecisions(text(name))).toEqual([]);
      expect(importsOf(text(name)).filter((one) => one.includes('src/domain'))).toEqual([]);
    },
  );

  test('would be caught taking one', () => {
    expect(readsDecisions('SELECT status, cancel_at FROM checkout_sessions')).toHaveLength(1);
  });
});
