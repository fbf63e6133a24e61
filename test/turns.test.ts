import { describe, expect, test } from '@jest/globals';
import { createTurns, NoTurn, type Question } from '../src/turns.ts';

/** Questions whose answers the test gives, in the order in which they were asked. */
function answering(limits = { atOnce: 2, waiting: 10 }) {
  const take = createTurns(limits);
  const asked: { name: string; until: number; answer: PromiseWithResolvers<string> }[] = [];
  const question = (name: string, fields: Partial<Question<string>> = {}) => {
    const answered = take({
      about: 'one',
      same: null,
      anew: false,
      until: Date.now() + 1_000,
      ask: (until) => {
        const answer = Promise.withResolvers<string>();
        asked.push({ name, until, answer });
        return answer.promise;
      },
      ...fields,
    });
    // A test need not await it to the end.
    answered.catch(() => undefined);
    return answered;
  };
  return { asked, question, names: () => asked.map(({ name }) => name) };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('questions about one session', () => {
  test('are asked a few at a time, in their order; another session has its own line', async () => {
    const { asked, question, names } = answering();
    const [first] = ['a', 'b', 'c', 'd'].map((name) => question(name));
    void question('other', { about: 'two' });
    expect(names()).toEqual(['a', 'b', 'other']);
    asked[0]?.answer.resolve('yes');
    expect(await first).toBe('yes');
    await settled();
    expect(names()).toEqual(['a', 'b', 'other', 'c']);
  });

  test('that are equal share an answer, also the one under way', async () => {
    const { asked, question } = answering();
    const all = Array.from({ length: 30 }, () => question('a', { same: 'a' }));
    expect(asked).toHaveLength(1);
    asked[0]?.answer.resolve('yes');
    expect(new Set(await Promise.all(all))).toEqual(new Set(['yes']));
  });

  test('that want it anew share one that has not begun', async () => {
    const { asked, question } = answering({ atOnce: 1, waiting: 10 });
    const [first, ...later] = Array.from({ length: 30 }, () =>
      question('a', { same: 'a', anew: true }),
    );
    expect(asked).toHaveLength(1);
    asked[0]?.answer.resolve('before');
    expect(await first).toBe('before');
    await settled();
    expect(asked).toHaveLength(2);
    asked[1]?.answer.resolve('after');
    expect(new Set(await Promise.all(later))).toEqual(new Set(['after']));
  });

  test('share a refusal, too, and the next one is asked anew', async () => {
    const { asked, question } = answering();
    const both = Promise.allSettled([question('a', { same: 'a' }), question('a', { same: 'a' })]);
    asked[0]?.answer.reject(new Error('no'));
    expect((await both).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await settled();
    void question('a', { same: 'a' });
    expect(asked).toHaveLength(2);
  });

  test('wait no longer than their caller, and are then never asked', async () => {
    const { asked, question, names } = answering({ atOnce: 1, waiting: 10 });
    const first = question('a');
    await expect(question('b', { until: Date.now() + 20 })).rejects.toThrow(NoTurn);
    void question('c');
    asked[0]?.answer.resolve('yes');
    await first;
    await settled();
    expect(names()).toEqual(['a', 'c']);
  });

  test('go on waiting for the last caller who shares them', async () => {
    const { asked, question } = answering({ atOnce: 1, waiting: 10 });
    const until = Date.now() + 60_000;
    const first = question('a');
    const short = question('b', { same: 'b', until: Date.now() + 20 });
    const long = question('b', { same: 'b', until });
    await expect(short).rejects.toThrow(NoTurn);
    asked[0]?.answer.resolve('yes');
    await first;
    await settled();
    expect(asked[1]).toMatchObject({ name: 'b', until });
    asked[1]?.answer.resolve('late');
    expect(await long).toBe('late');
  });

  test('are refused when too many wait', async () => {
    const { question } = answering({ atOnce: 1, waiting: 2 });
    for (const name of ['a', 'b', 'c']) void question(name);
    await expect(question('d')).rejects.toThrow('2 questions about one wait already');
  });
});
