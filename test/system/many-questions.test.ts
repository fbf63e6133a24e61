/** A page asks its backend once a second; Temporal takes ten updates of one run at once. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { connectSettlement } from '../../src/client.ts';
import { startSystem, type System } from '../support/system.ts';

let system: System;
beforeAll(async () => {
  system = await startSystem();
  await system.worker({ LOG_LEVEL: 'warn' });
}, 120_000);
afterAll(() => system.close());

const times = <T>(n: number, ask: () => Promise<T>) => Promise.all(Array.from({ length: n }, ask));

test.each([10, 30])(
  '%i reports of one session at once are all answered',
  async (n) => {
    const { id } = await system.open();
    const hash = randomBytes(32).toString('hex');
    const answers = await times(n, () => system.client.reportPayment(id, hash));
    expect(new Set(answers.map(({ kind }) => kind))).toEqual(new Set(['not_on_ledger']));
  },
  120_000,
);

test('30 callers that want a fresh look get one that began after they had asked', async () => {
  const { id, memo } = await system.open();
  const before = times(30, () => system.client.sessionState(id, { fresh: true }));
  await system.pay(memo);
  const { kind } = await system.client.reportPayment(id, await system.pay(memo));
  expect(['paid', 'duplicate']).toContain(kind);
  const after = await times(30, () => system.client.sessionState(id, { fresh: true }));
  expect((await before).every((view) => view !== null)).toBe(true);
  expect(new Set(after.map((view) => view?.status))).toEqual(new Set(['paid']));
}, 120_000);

test('a run that other clients keep busy is asked again until there is room', async () => {
  const { id } = await system.open();
  // Twice ten seconds must fit into their patience, on a busy machine too.
  const { address } = system.temporal;
  const clients = await times(4, () => connectSettlement({ address, answerWithinMs: 60_000 }));
  try {
    // Each report waits for ten seconds; together they are more than the run takes.
    const answers = await Promise.all(
      clients.flatMap((client) =>
        Array.from({ length: 5 }, () => client.reportPayment(id, randomBytes(32).toString('hex'))),
      ),
    );
    expect(new Set(answers.map(({ kind }) => kind))).toEqual(new Set(['not_on_ledger']));
  } finally {
    await Promise.all(clients.map((client) => client.close()));
  }
}, 120_000);

test('40 openings at once, of which half say something else, get one answer and one refusal', async () => {
  const { id } = await system.open();
  const other = {
    merchantId: system.merchantId,
    amount: '11',
    asset: { code: 'XLM', issuer: null },
    receivingAccount: system.shop.address,
    expiresAt: '2099-01-01T00:00:00.000Z',
  };
  const answers = await Promise.allSettled(
    Array.from({ length: 40 }, (_, i) =>
      i % 2 === 0 ? system.client.cancelSession(id) : system.client.openSession(id, other),
    ),
  );
  expect(
    answers
      .filter(({ status }) => status === 'rejected')
      .every((a) => (a as PromiseRejectedResult).reason.code === 'SessionExistsWithOtherBody'),
  ).toBe(true);
  expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(20);
}, 120_000);
