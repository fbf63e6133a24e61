/** Which tests are run without servers: by what they reach. */
import { mkdirSync, mkdtempSync, readFileSync, globSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from '@jest/globals';
import { GIVEN, projects } from './support/projects.ts';

const STARTS = `import { spawn } from 'node:child_process';`;

/** A project with one test, and what it is by its imports. */
function kindOf(files: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), 'settle-projects-'));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  const { pure, servers } = projects(root);
  expect([...pure, ...servers]).toEqual(['test/x/a.test.ts']);
  return pure.length === 1 ? 'pure' : 'servers';
}

test.each<[string, string, string]>([
  ['pure', 'imports nothing', ''],
  ['servers', 'starts a process', STARTS],
  ['servers', 'imports what starts one', `import { b } from '../../src/b.ts';`],
  ['servers', 'imports it over lines', `import {\n  b,\n  c,\n} from '../../src/b.ts';`],
  ['servers', 'imports it for its effects', `import '../../src/b.ts';`],
  ['servers', 'passes it on', `export * from '../../src/b.ts';`],
  ['servers', 'imports it late', `test('x', async () => { await import('../../src/b.ts'); });`],
  ['servers', 'uses what the run has started', `import { given } from '../support/given.ts';`],
  ['pure', 'imports its types', `import type { B } from '../../src/b.ts';`],
  ['pure', 'imports something else', `import { c } from '../../src/c.ts';`],
])('%s: a test that %s', (kind, _what, text = '') => {
  const others = {
    'src/b.ts': `import { d } from './d.ts';`,
    'src/c.ts': 'export const c = 1;',
    'src/d.ts': STARTS,
    [GIVEN]: '',
  };
  expect(kindOf({ 'test/x/a.test.ts': text, ...others })).toBe(kind);
});

test('nothing else in test/ reads what the run has started: it would be taken for pure', () => {
  const names = /env(\.|\[['"])(TEST_POSTGRES|WORKFLOW_BUNDLE|TIME_SKIPPING_SERVER)/;
  const read = globSync('test/**/*.ts').filter((file) => names.test(readFileSync(file, 'utf8')));
  expect(read).toEqual([]);
});
