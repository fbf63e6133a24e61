/** `/readyz` may be asked by anybody who reaches the port; the database is not asked each time. */
import { expect, jest, test } from '@jest/globals';
import { shared } from '../src/health.ts';

test('a check runs once at a time, and its result serves everybody for a while', async () => {
  const now = jest.spyOn(performance, 'now').mockReturnValue(0);
  let runs = 0;
  let end = () => {};
  const ask = shared(() => {
    runs += 1;
    const run = runs;
    return new Promise<number>((resolve) => (end = () => resolve(run)));
  }, 1_000);
  const first = Array.from({ length: 100 }, () => ask());
  now.mockReturnValue(60_000);
  first.push(ask()); // it still runs, however long it takes
  end();
  expect(new Set(await Promise.all(first))).toEqual(new Set([1]));
  now.mockReturnValue(60_999);
  expect(await ask()).toBe(1);
  now.mockReturnValue(61_000);
  const later = [ask(), ask()];
  end();
  expect(await Promise.all(later)).toEqual([2, 2]);
  now.mockRestore();
});

test('a failure serves everybody for a while, too', async () => {
  let runs = 0;
  const ask = shared(() => Promise.reject(new Error(`down ${(runs += 1)}`)), 60_000);
  await expect(ask()).rejects.toThrow('down 1');
  await expect(ask()).rejects.toThrow('down 1');
});
