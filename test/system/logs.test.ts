/** One run's log: a session and a transaction can be followed through it by their ids alone. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Memo } from '@stellar/stellar-sdk';
import { startSystem, until, type System } from '../support/system.ts';

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system.close());

type Line = Record<string, unknown> & { msg: string };

const lines = () =>
  system
    .logged()
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Line);

/** Ids that are in a line, whatever they mean. */
const mentioned = (line: Line, ids: readonly string[]) => {
  const text = JSON.stringify(line);
  return ids.filter((id) => text.includes(id));
};

test('every line about a session has its sessionId, every line about a transaction its txHash', async () => {
  const worker = await system.worker({ LOG_LEVEL: 'debug' });
  const atRest = (id: string) =>
    until(
      () => system.client.sessionState(id),
      (view) => view?.atRest === true,
    );
  system.receiver.answerWith(({ event }) => {
    const tries = system.receiver.received.filter((post) => post.event === event);
    return { status: tries.length === 1 ? 500 : 200 };
  });
  const [paid, cancelled] = [await system.open(), await system.open()];
  const hash = await system.pay(paid.memo);
  await system.client.reportPayment(paid.id, hash);
  await system.client.reportPayment(paid.id, hash);
  const twice = await system.pay(paid.memo);
  await until(
    () => system.client.cancelSession(cancelled.id),
    ({ kind }) => kind === 'cancelled',
  );
  const stray = await system.customer.pay(system.shop.address, '1', 'native', {
    memo: Memo.text('nobody'),
  });
  await Promise.all([atRest(paid.id), atRest(cancelled.id)]);
  await until(
    () => Promise.resolve(lines()),
    (all) =>
      [twice, stray.hash].every((txHash) =>
        all.some((line) => line['txHash'] === txHash && line.msg.startsWith('A payment')),
      ),
  );
  await worker.drain();

  const sessions = [paid.id, cancelled.id];
  const transactions = [hash, twice, stray.hash];
  for (const line of lines()) {
    const ids = mentioned(line, sessions);
    if (ids.length > 0) expect(line).toMatchObject({ sessionId: ids[0] });
    const hashes = mentioned(line, transactions);
    if (hashes.length > 0) expect(line).toMatchObject({ txHash: hashes[0] });
  }
  const story = (field: string, id: string) => [
    ...new Set(lines().flatMap((line) => (line[field] === id ? [line.msg] : []))),
  ];
  expect(story('sessionId', paid.id)).toEqual(
    expect.arrayContaining([
      'A session is open.',
      'A payment is credited.',
      'A session was settled.',
      'A report was answered.',
      'A transaction was reported again.',
      'A payment is held.',
      'A webhook failed.',
      'A webhook was accepted.',
    ]),
  );
  expect(story('sessionId', cancelled.id)).toEqual(
    expect.arrayContaining(['A cancellation was requested.', 'A session was settled.']),
  );
  expect(story('txHash', hash)).toContain('A payment is credited.');
  expect(story('txHash', twice)).toContain('A payment is held.');
  expect(story('txHash', stray.hash)).toEqual(['A payment names no session.']);
}, 120_000);
