/** Whatever reporters do and however many runs are woken, the ledger is read: by slots, workflow tasks and connections of its own. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { settle } from '../support/settle-command.ts';
import { startSystem, until, type System } from '../support/system.ts';

let system: System;
beforeAll(async () => {
  system = await startSystem();
}, 60_000);
afterAll(() => system.close());

/** Seconds until a payment of a session is seen, from now. */
async function secondsUntilPaid({ id, memo }: { id: string; memo: string }): Promise<number> {
  const started = performance.now();
  await system.pay(memo);
  const status = async () =>
    (
      await system.database.rows<{ status: string }>(
        'SELECT status FROM checkout_sessions WHERE id = $1',
        [id],
      )
    )[0]?.status;
  await until(status, (is) => is === 'paid', 60_000);
  return (performance.now() - started) / 1_000;
}

test('a killed worker is replaced within seconds beside 320 reports of what is not on the ledger', async () => {
  const worker = await system.worker({ LOG_LEVEL: 'warn' });
  const victim = await system.open();
  const sessions = await Promise.all(Array.from({ length: 40 }, () => system.open()));
  const reports = sessions.flatMap(({ id }) =>
    Array.from({ length: 8 }, () =>
      system.client.reportPayment(id, randomBytes(32).toString('hex')).then(
        ({ kind }) => kind,
        () => 'failed',
      ),
    ),
  );
  const unanswered = () =>
    system.database.rows('SELECT FROM settlement.reported_payments LIMIT 200');
  await until(unanswered, (rows) => rows.length >= 100);
  await worker.kill();
  const next = await system.worker({ LOG_LEVEL: 'warn' });
  // The heartbeat of the killed one is missed after 3 s.
  expect(await secondsUntilPaid(victim)).toBeLessThan(12);
  expect(new Set(await Promise.all(reports))).not.toContain('paid');
  await next.kill();
}, 150_000);

test('the watcher and reconciliation go on beside a thousand runs that are woken at once', async () => {
  const victim = await (async () => {
    const first = await system.worker({ LOG_LEVEL: 'warn' });
    const opened = await system.open();
    await first.kill();
    return opened;
  })();
  await system.database.rows(
    `INSERT INTO checkout_sessions (merchant_id, amount, asset_code, receiving_account, memo, expires_at)
     SELECT $1, 10, 'XLM', $2, (1000000 + i)::text, now() + interval '1 hour' FROM generate_series(1, 1000) i`,
    [system.merchantId, system.shop.address],
  );
  const worker = await system.worker({ LOG_LEVEL: 'warn' });
  const awake = () =>
    system.database.rows(
      `SELECT FROM settlement.active_sessions WHERE wake_after BETWEEN now() AND now() + interval '1 minute' LIMIT 200`,
    );
  await until(awake, (rows) => rows.length >= 100, 60_000);
  expect(await secondsUntilPaid(victim)).toBeLessThan(10);
  const { code } = await settle(['reconcile', '--dry-run', '--json'], system.env);
  expect(code).not.toBe(3);
  await worker.kill();
}, 150_000);
