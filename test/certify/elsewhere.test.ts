import { existsSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { ELSEWHERE } from '../../certify/elsewhere.ts';

test('every test that the certificate points to is there', () => {
  const tests = ELSEWHERE.flatMap(({ tests }) => tests);
  const gone = tests.filter((path) => !existsSync(new URL(`../../${path}`, import.meta.url)));
  expect(gone).toEqual([]);
});
