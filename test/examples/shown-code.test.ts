/** Code that a page shows and names the file of is that file, to the letter. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { shownCode } from './commands.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

const named = ['README.md', 'docs/backends.md'].flatMap((page) =>
  ['ts', 'python'].flatMap((language) =>
    shownCode(page, language).flatMap((code) => {
      const [, file, shown] = /^(?:\/\/|#) (examples\/\S+)\n(.*)$/s.exec(code) ?? [];
      return file === undefined || shown === undefined ? [] : [{ page, file, shown }];
    }),
  ),
);

test('the README shows a NestJS backend', () => {
  expect(named.filter(({ page }) => page === 'README.md')).toHaveLength(3);
});

test.each(named)('$page shows $file', ({ file, shown }) => {
  expect(shown).toBe(readFileSync(ROOT + file, 'utf8'));
});
