/** Documents that name files and tests of the repository name some that exist. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const here = {
  exists: (file: string) => existsSync(join(ROOT, file)),
  read: (file: string) => readFileSync(join(ROOT, file), 'utf8'),
};
const documents = execFileSync('git', ['ls-files', '*.md'], { cwd: ROOT, encoding: 'utf8' })
  .split('\n')
  .filter((name) => name !== '' && here.exists(name));

/** The anchor that a heading gets: lower case, without punctuation, spaces as hyphens. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-');

const anchorsIn = (markdown: string) => [
  ...[...markdown.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchorOf(heading)),
  ...[...markdown.matchAll(/<a id="([^"]+)">/g)].map(([, id]) => id),
];

/** Links of a document to files and headings that do not exist. */
function brokenLinks(name: string, { exists, read }: typeof here): string[] {
  const links = [...read(name).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
  return links.filter((target) => {
    if (/^[a-z]+:/.test(target)) return false;
    const [path = '', anchor] = target.split('#');
    const file = path === '' ? name : join(dirname(name), path);
    if (!exists(file)) return true;
    return anchor !== undefined && file.endsWith('.md') && !anchorsIn(read(file)).includes(anchor);
  });
}

/** Tests that a text names. */
const namedTests = (markdown: string) => [
  ...new Set([...markdown.matchAll(/\btest\/[\w./-]+\.test\.ts\b/g)].map(([name]) => name)),
];

describe('documents', () => {
  test('link to files and headings that exist', () => {
    const broken = documents.flatMap((name) =>
      brokenLinks(name, here).map((target) => `${name}: ${target}`),
    );
    expect(broken).toEqual([]);
  });

  test('name tests that exist', () => {
    const missing = documents.flatMap((name) =>
      namedTests(here.read(name))
        .filter((file) => !here.exists(file))
        .map((file) => `${name}: ${file}`),
    );
    expect(missing).toEqual([]);
  });

  test('are found out when they do not', () => {
    const pages: Record<string, string> = {
      'docs/a.md': '[b](b.md) [c](c.md) [d](b.md#one) [e](b.md#two-words) [f](b.md#three) [g](#x)',
      'docs/b.md': '# One\n\n## Two `words`\n',
    };
    const read = (file: string) => pages[file] ?? '';
    const exists = (file: string) => file in pages;
    expect(brokenLinks('docs/a.md', { exists, read })).toEqual(['c.md', 'b.md#three', '#x']);
    expect(namedTests('see test/db/a.test.ts, and `test/b.test.ts`')).toEqual([
      'test/db/a.test.ts',
      'test/b.test.ts',
    ]);
  });
});

describe('docs/guarantees.md', () => {
  const promises = here
    .read('docs/guarantees.md')
    .split(/^## /m)
    .filter((section) => /^P\d /.test(section));
  const bullets = (section: string, word: string) =>
    section.split('\n').filter((line) => line.startsWith(`- **${word}`));

  test('has six promises', () => {
    const numbers = promises.map((section) => section.slice(0, 2));
    expect(numbers).toEqual(['P1', 'P2', 'P3', 'P4', 'P5', 'P6']);
  });

  test.each(promises.map((section) => [section.split('\n')[0] ?? '', section]))(
    '%s: says what enforces it, and names tests that show it',
    (_, section = '') => {
      expect(bullets(section, 'Enforced by')).toHaveLength(1);
      const [shown = ''] = bullets(section, 'Shown by');
      expect(namedTests(shown).length).toBeGreaterThan(0);
    },
  );
});
