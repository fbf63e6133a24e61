import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Client } from 'pg';
import { auditDatabase } from '../../src/db/audit.ts';
import { startSystem, until, type System } from '../support/system.ts';

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system.close());

const statusOf = async (id: string) => {
  const [row] = await system.database.rows<{ status: string }>(
    'SELECT status FROM checkout_sessions WHERE id = $1',
    [id],
  );
  return row?.status;
};
const factsOf = async (id: string) => {
  const [row] = await system.database.rows(
    `SELECT (SELECT count(*)::int FROM payments WHERE session_id = $1) AS payments,
       (SELECT count(*)::int FROM settlement.events WHERE session_id = $1) AS events,
       (SELECT count(*)::int FROM webhook_deliveries WHERE session_id = $1) AS deliveries`,
    [id],
  );
  return row;
};
const ONCE = { payments: 1, events: 1, deliveries: 1 };
const atRest = (id: string) =>
  until(
    () => system.client.sessionState(id),
    (view) => view?.atRest === true,
  );

describe('a worker killed with SIGKILL', () => {
  test('after the commit and before its completion: the next one finds it done and goes on', async () => {
    const first = await system.worker();
    const { id, memo } = await system.open();
    // The view after a settle reads the attempts; settle itself does not. So the activity stops between the two.
    const stopper = new Client({ connectionString: system.database.url });
    await stopper.connect();
    await stopper.query('BEGIN; LOCK TABLE settlement.delivery_attempts IN ACCESS EXCLUSIVE MODE');
    await system.pay(memo);
    await until(
      () => statusOf(id),
      (status) => status === 'paid',
    );
    await first.kill();
    await stopper.end();

    const second = await system.worker();
    expect(await atRest(id)).toMatchObject({ status: 'paid' });
    expect(await factsOf(id)).toEqual(ONCE);
    expect(system.receiver.received.filter((p) => p.sessionId === id)).toHaveLength(1);
    await second.kill();
  });

  test('after a POST and before it is written down: the same event is sent again under the same ids', async () => {
    const first = await system.worker();
    const { id, memo } = await system.open();
    // The receiver takes its time, so that the POST has arrived and its answer has not.
    system.receiver.answerWith(() => ({ status: 200, delayMs: 3_000 }));
    await system.pay(memo);
    await system.receiver.waitFor((p) => p.sessionId === id);
    await first.kill();
    system.receiver.answerWith(() => ({ status: 200 }));

    const second = await system.worker();
    await atRest(id);
    const posts = system.receiver.received.filter((p) => p.sessionId === id);
    expect(posts.length).toBeGreaterThanOrEqual(2);
    expect(new Set(posts.map((p) => `${p.eventId} ${p.deliveryId} ${p.body}`)).size).toBe(1);
    expect(await factsOf(id)).toEqual(ONCE);
    await second.kill();
  });

  test('while customers pay: nothing is lost, nothing is told twice, the audit is green', async () => {
    let worker = await system.worker();
    const sessions = await Promise.all(Array.from({ length: 8 }, () => system.open()));
    const paying = (async () => {
      for (const { memo } of sessions) await system.pay(memo);
    })();
    for (let kills = 0; kills < 3; kills += 1) {
      const before = system.receiver.received.length;
      await until(
        async () => system.receiver.received.length,
        (count) => count > before,
      );
      await worker.kill();
      worker = await system.worker();
    }
    await paying;
    for (const { id } of sessions) {
      expect(await atRest(id)).toMatchObject({ status: 'paid' });
      expect(await factsOf(id)).toEqual(ONCE);
      const posts = system.receiver.received.filter((p) => p.sessionId === id);
      expect(new Set(posts.map((p) => p.eventId)).size).toBe(1);
    }
    expect((await auditDatabase(system.database.url)).findings).toEqual([]);
    await worker.kill();
  }, 120_000);

  test('with a session left in `processing`, and a payment the backend never saw: it is paid', async () => {
    const id = '6f9619ff-8b86-4d01-b42d-00cf4fc964ff';
    await system.database.rows(
      `INSERT INTO checkout_sessions
         (id, merchant_id, amount, asset_code, receiving_account, memo, status, expires_at)
       VALUES ($1, $2, 10, 'XLM', $3, '4711', 'processing', now() + interval '30 minutes')`,
      [id, system.merchantId, system.shop.address],
    );
    const hash = await system.pay('4711');
    const worker = await system.worker();
    expect(await atRest(id)).toMatchObject({ status: 'paid', paidBy: hash });
    expect(await worker.drain()).toBe(0);
  });
});
