/** The mutants of the certificate are edits of the sources, which move on; whether each is caught, `npm run certify:mutants` shows. */
import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { BOOKS_MUTANTS } from '../../certify/mutants/books.ts';
import { EVIDENCE_MUTANTS } from '../../certify/mutants/evidence.ts';
import { mutated, MUTANTS } from '../../certify/mutants/list.ts';
import { READING_MUTANTS } from '../../certify/mutants/reading.ts';
import { SETTLEMENT_MUTANTS } from '../../certify/mutants/settlement.ts';
import { TOLD_MUTANTS } from '../../certify/mutants/told.ts';

const TESTED = [...EVIDENCE_MUTANTS, ...READING_MUTANTS, ...SETTLEMENT_MUTANTS, ...TOLD_MUTANTS];

const source = (file: string) => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');

test.each([...MUTANTS, ...BOOKS_MUTANTS, ...TESTED])(
  'the mutant "$name" still breaks the sources',
  ({ edits }) => {
    const files = new Map<string, string>();
    for (const edit of edits) {
      const before = files.get(edit.file) ?? source(edit.file);
      const after = mutated(before, edit);
      expect(after).not.toBe(before);
      files.set(edit.file, after);
    }
  },
);

test('a mutant whose text is gone says where it must follow', () => {
  const edit = { file: 'src/db/settle.ts', from: 'no such text', to: '' };
  expect(() => mutated(source(edit.file), edit)).toThrow(
    /src\/db\/settle\.ts has this text 0 times/,
  );
});

test.each(TESTED)('the test that "$name" turns red is there', ({ test: red }) => {
  expect(source(red.file)).toContain(red.name);
});

test('there are a dozen mutants at least', () => {
  expect(MUTANTS.length).toBeGreaterThanOrEqual(12);
});
