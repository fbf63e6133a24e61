/** What the certificate waits for ends, or is named. */
import { expect, test } from '@jest/globals';
import { within } from '../../certify/parts/deadline.ts';

test('what never ends is an error that says what it was', async () => {
  const never = new Promise<void>(() => undefined);
  await expect(within(20, () => 'the second watcher ends', never)).rejects.toThrow(
    /^Not over after \d+ s: the second watcher ends$/,
  );
});

test('what ends in time is answered as it is, and what fails fails as it does', async () => {
  await expect(within(60_000, () => 'an answer', Promise.resolve(7))).resolves.toBe(7);
  const failing = Promise.reject(new Error('the ledger is gone'));
  await expect(within(60_000, () => 'an answer', failing)).rejects.toThrow('the ledger is gone');
});
