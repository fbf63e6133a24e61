import { describe, expect, test } from '@jest/globals';
import { createSlots } from '../../src/webhook/slots.ts';

/** Longer than any test runs. */
const PATIENT = 60_000;
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Work that ends when it is told to, and a record of what has begun. */
function workshop(slots = createSlots(5)) {
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  return {
    begun,
    slots,
    start: (name: string, key = 'a', waitMs = PATIENT) =>
      slots.run(key, waitMs, async () => {
        begun.push(name);
        await new Promise<void>((resolve) => ends.set(name, resolve));
        return name;
      }),
    end: async (...names: string[]) => {
      for (const name of names) ends.get(name)?.();
      await turn();
    },
  };
}

const names = (n: number) => Array.from({ length: n }, (_, i) => String(i));

describe('one endpoint', () => {
  test('has five at once and no more; the others follow in the order in which they came', async () => {
    const { start, end, begun } = workshop();
    const all = names(8).map((name) => start(name));
    await turn();
    expect(begun).toEqual(names(5));
    await end('3');
    expect(begun).toEqual(names(6));
    await end('0', '1');
    expect(begun).toEqual(names(8));
    await end(...names(8));
    expect(await Promise.all(all)).toEqual(names(8));
  });

  test('never has more, whatever comes and goes', async () => {
    const slots = createSlots(5);
    let [now, most, done] = [0, 0, 0];
    const work = async () => {
      now += 1;
      most = Math.max(most, now);
      for (let i = 0; i < done % 3; i += 1) await turn();
      now -= 1;
      done += 1;
    };
    await Promise.all(names(50).map(() => slots.run('a', PATIENT, work)));
    expect({ now, most, done }).toEqual({ now: 0, most: 5, done: 50 });
  });

  test('does not keep another waiting', async () => {
    const { start, end, begun } = workshop();
    const all = [...names(6).map((name) => start(name)), start('other', 'b')];
    await turn();
    expect(begun).toEqual([...names(5), 'other']);
    await end(...names(5), 'other');
    await end('5');
    expect(await Promise.all(all)).toEqual([...names(6), 'other']);
  });
});

describe('who waits too long', () => {
  test('gets null, and its work is never begun', async () => {
    const { start, end, begun } = workshop();
    const five = names(5).map((name) => start(name));
    expect(await start('late', 'a', 1)).toBeNull();
    await end(...names(5));
    expect(await Promise.all(five)).toEqual(names(5));
    expect(begun).toEqual(names(5));
  });

  test('leaves the line, and those behind it move up', async () => {
    const { start, end, begun } = workshop();
    const five = names(5).map((name) => start(name));
    const late = start('late', 'a', 1);
    const behind = start('behind');
    expect(await late).toBeNull();
    await end('2');
    expect(begun).toEqual([...names(5), 'behind']);
    await end(...names(5), 'behind');
    expect(await behind).toBe('behind');
    await Promise.all(five);
  });
});

test('work that throws gives its slot back, and its error to whom it concerns', async () => {
  const slots = createSlots(1);
  const fails = () => Promise.reject(new Error('no'));
  const outcomes = await Promise.allSettled([
    slots.run('a', PATIENT, fails),
    slots.run('a', PATIENT, async () => 'second'),
  ]);
  expect(outcomes).toMatchObject([
    { status: 'rejected', reason: new Error('no') },
    { status: 'fulfilled', value: 'second' },
  ]);
});
