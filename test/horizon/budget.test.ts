import { describe, expect, jest, test } from '@jest/globals';
import { askingFor, createBudget, type Budget } from '../../src/horizon/budget.ts';

/** A budget whose clock stands still unless it sleeps; how long it slept is all that a test looks at. */
function budgetOf(requestsPerHour: number) {
  let now = 1_000_000;
  const sleeps: number[] = [];
  const budget = createBudget(requestsPerHour, {
    now: () => now,
    sleep: async (ms) => {
      sleeps.push(ms);
      now += ms;
    },
  });
  return { budget, sleeps, advance: (ms: number) => (now += ms), slept: () => sum(sleeps) };
}

const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0);
const SECOND = 1000;

async function takeMany(budget: Budget, times: number) {
  for (let i = 0; i < times; i += 1) await budget.take();
}

describe('a budget of 3600 an hour', () => {
  test('lets a burst of a hundred through, then one a second', async () => {
    const { budget, slept } = budgetOf(3600);
    await takeMany(budget, 100);
    expect(slept()).toBe(0);
    await takeMany(budget, 10);
    expect(slept()).toBeCloseTo(10 * SECOND);
  });

  test('fills up again while nobody asks, but never above the burst', async () => {
    const { budget, slept, advance } = budgetOf(3600);
    await takeMany(budget, 100);
    advance(30 * SECOND);
    await takeMany(budget, 30);
    expect(slept()).toBe(0);
    advance(10_000 * SECOND);
    await takeMany(budget, 100);
    expect(slept()).toBe(0);
    await budget.take();
    expect(slept()).toBeCloseTo(SECOND);
  });

  test('never lets more through in an hour than a burst and the hour', async () => {
    const { budget, slept } = budgetOf(3600);
    await takeMany(budget, 3700);
    expect(slept()).toBeCloseTo(3600 * SECOND, 0);
  });

  test('serves those who ask at once in turn', async () => {
    const { budget, sleeps } = budgetOf(3600);
    const order: number[] = [];
    const asking = Array.from({ length: 105 }, (_, i) => budget.take().then(() => order.push(i)));
    await Promise.all(asking);
    expect(order).toEqual(order.toSorted((a, b) => a - b));
    expect(sleeps).toHaveLength(5);
  });
});

test('a small budget has a small burst, but never less than one request', async () => {
  const { budget, slept } = budgetOf(36);
  await budget.take();
  expect(slept()).toBe(0);
  await budget.take();
  expect(slept()).toBeCloseTo(100 * SECOND);
});

test('0 means no limit', async () => {
  const { budget, slept } = budgetOf(0);
  await takeMany(budget, 5000);
  expect(slept()).toBe(0);
});

describe('a pause', () => {
  test.each([0, 3600])('stops everybody, with %d an hour', async (requestsPerHour) => {
    const { budget, slept } = budgetOf(requestsPerHour);
    budget.pause(7 * SECOND);
    await Promise.all([budget.take(), budget.take(), budget.take()]);
    expect(slept()).toBe(7 * SECOND);
  });

  test('is not cut short by a shorter one', async () => {
    const { budget, slept } = budgetOf(0);
    budget.pause(7 * SECOND);
    budget.pause(2 * SECOND);
    await budget.take();
    expect(slept()).toBe(7 * SECOND);
  });

  test('that is lengthened while somebody waits is waited for to its end', async () => {
    let now = 0;
    const sleep = jest.fn(async (ms: number) => {
      now += ms;
      if (sleep.mock.calls.length === 1) budget.pause(5 * SECOND);
    });
    const budget = createBudget(0, { now: () => now, sleep });
    budget.pause(3 * SECOND);
    await budget.take();
    expect(now).toBe(8 * SECOND);
  });

  test('holds back who was already waiting for its turn when it began', async () => {
    let now = 0;
    const sleep = jest.fn(async (ms: number) => {
      now += ms;
      // Horizon answers 429 to somebody else meanwhile.
      if (sleep.mock.calls.length === 1) budget.pause(60 * SECOND);
    });
    const budget = createBudget(3600, { now: () => now, sleep });
    await takeMany(budget, 100);
    await budget.take();
    expect(now).toBe(61 * SECOND);
  });
});

describe('beside many who ask for reports', () => {
  /** Asks as the real clock would have it: whoever waits the shortest goes on first. */
  function simulated(requestsPerHour: number) {
    let now = 0;
    const waiting: { at: number; go: () => void }[] = [];
    const sleep = (ms: number) => new Promise<void>((go) => waiting.push({ at: now + ms, go }));
    const budget = createBudget(requestsPerHour, { now: () => now, sleep });
    const settle = () => new Promise((resolve) => setImmediate(resolve));
    /** Lets time pass until `done` says so. */
    const run = async (done: () => boolean) => {
      await settle();
      while (!done()) {
        waiting.sort((a, b) => a.at - b.at);
        const next = waiting.shift();
        if (next === undefined) throw new Error('Nobody waits any more.');
        now = Math.max(now, next.at);
        next.go();
        await settle();
      }
    };
    return { budget, run, sleep, now: () => now };
  }

  test('the reader waits for two requests at the most, and reports get their share and no more', async () => {
    const { budget, run, sleep, now } = simulated(3600);
    const of = { reports: 0, refused: 0 };
    const flood = async () => {
      while (now() < 600 * SECOND) {
        try {
          await askingFor('reports', () => budget.take());
          of.reports += 1;
        } catch {
          of.refused += 1;
          await sleep(SECOND);
        }
      }
    };
    for (let i = 0; i < 20; i += 1) void flood();
    const waits: number[] = [];
    const reader = (async () => {
      await run(() => now() > 30 * SECOND);
      for (let i = 0; i < 200; i += 1) {
        const asked = now();
        let isTaken = false;
        void budget.take().then(() => (isTaken = true));
        await run(() => isTaken);
        waits.push(now() - asked);
        const goOn = now() + SECOND;
        await run(() => now() >= goOn);
      }
    })();
    await reader;
    expect(Math.max(...waits)).toBeLessThanOrEqual(2 * SECOND);
    const seconds = now() / SECOND;
    expect(of.reports).toBeLessThanOrEqual(seconds / 8 + 13);
    expect(of.reports).toBeGreaterThanOrEqual(seconds / 8 - 1);
    expect(of.refused).toBeGreaterThan(100);
  });

  test('a share gets its part although the reader asks for more than there is', async () => {
    const { budget, run, now } = simulated(3600);
    let reconciled = 0;
    const read = async () => {
      for (;;) await budget.take();
    };
    const reconcile = async () => {
      for (;;) {
        await askingFor('reconciliation', () => budget.take());
        reconciled += 1;
      }
    };
    void read();
    void reconcile();
    await run(() => now() > 400 * SECOND);
    expect(reconciled).toBeGreaterThanOrEqual(90);
    expect(reconciled).toBeLessThanOrEqual(130);
  });

  test('nobody of a share waits longer than a caller does', async () => {
    const { budget, run, now } = simulated(36);
    const answers: string[] = [];
    for (let i = 0; i < 3; i += 1) {
      void askingFor('reports', () => budget.take()).then(
        () => answers.push('asked'),
        (error: Error) => answers.push(`${error.name} after ${now()}`),
      );
    }
    await run(() => answers.length === 3);
    expect(answers).toEqual(['asked', 'HorizonBudgetUsed after 0', 'HorizonBudgetUsed after 0']);
  });
});
