import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from '@jest/globals';
import { tail } from '../../src/sandbox/child.ts';

const saidBy = async (script: string) => {
  const child = spawn(process.execPath, ['-e', script]);
  const output = tail(child, 3);
  await once(child, 'close');
  return output();
};

test('what a child says is kept whole when it is short', async () => {
  expect(await saidBy(`console.log('one'); console.error('two')`)).toMatch(/^(one\ntwo|two\none)$/);
});

test('of what is long, how it begins and how it ends: a panic says first what went wrong', async () => {
  const script = `console.log('panic: address already in use'); for (let i = 0; i < 500; i++) console.log('at ' + i)`;
  const said = await saidBy(script);
  expect(said).toMatch(/^panic: address already in use\nat 0\n/);
  expect(said).toMatch(/\n…\n(.*\n)*at 499$/);
  expect(said.split('\n').length).toBeLessThan(12);
});
