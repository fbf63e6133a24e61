/** The mutants of the certificate are edits of the sources, which move on; whether each is caught, `npm run certify:mutants` shows. */
import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { transformSync } from '@swc/core';
import { chosenMutants, SLICED, TESTED as BY_AREA } from '../../certify/mutants/areas.ts';
import { mutated } from '../../certify/mutants/list.ts';

const TESTED = Object.values(BY_AREA).flat();

const source = (file: string) => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');

test.each([...SLICED, ...TESTED])('the mutant "$name" still breaks the sources', ({ edits }) => {
  const files = new Map<string, string>();
  for (const edit of edits) {
    const before = files.get(edit.file) ?? source(edit.file);
    const after = mutated(before, edit);
    expect(after).not.toBe(before);
    files.set(edit.file, after);
  }
  // A file that cannot be read would be red by itself, and show nothing.
  for (const text of files.values()) {
    expect(() => transformSync(text, { jsc: { parser: { syntax: 'typescript' } } })).not.toThrow();
  }
});

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
  expect(SLICED.length).toBeGreaterThanOrEqual(12);
});

test('no two mutants share a name', () => {
  const names = [...SLICED, ...TESTED].map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});

test('an area, or a part of a name, chooses mutants', () => {
  expect(chosenMutants(['told'])).toEqual(expect.arrayContaining([...(BY_AREA['told'] ?? [])]));
  expect(chosenMutants(['READ COMMITTED']).map(({ name }) => name)).toEqual([
    'settle is READ COMMITTED',
  ]);
  expect(chosenMutants([])).toHaveLength(SLICED.length + TESTED.length);
});
