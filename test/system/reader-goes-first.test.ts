/** Whatever reporters do and however many runs are woken, the ledger is read: by slots, workflow tasks and connections of its own. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { TERMS } from '../../src/db/suspects.ts';
import { settle } from '../support/settle-command.ts';
import { startSystem, until, type System } from '../support/system.ts';

/** Runs that are woken while no worker is there, each with a transaction that the ledger does not have. */
const FLOOD = 400;

let system: System;
beforeAll(async () => {
  system = await startSystem();
}, 60_000);
afterAll(() => system.close());

type Opened = { readonly id: string; readonly memo: string };

const isPaid = async ({ id }: Opened): Promise<boolean> =>
  (
    await system.database.rows(`SELECT FROM checkout_sessions WHERE id = $1 AND status = 'paid'`, [
      id,
    ])
  ).length === 1;

/** Sessions of the flood, as the watcher has taken them up already, and one run for each that waits for a worker. */
async function flood(): Promise<void> {
  const rows = await system.database.rows<{ id: string }>(
    `INSERT INTO checkout_sessions (merchant_id, amount, asset_code, receiving_account, memo, expires_at)
     SELECT $1, 10, 'XLM', $2, (1000000 + i)::text, now() + interval '1 hour' FROM generate_series(1, ${FLOOD}) i
     RETURNING id`,
    [system.merchantId, system.shop.address],
  );
  await system.database.rows(
    `UPDATE checkout_sessions s SET opened_after = 1, seen_status = status, seen_expires_at = expires_at,
       seen_memo = memo, seen_terms = ${TERMS} WHERE opened_after IS NULL`,
  );
  const report = ({ id }: { id: string }) =>
    system.client.wake(id, { txHash: randomBytes(32).toString('hex') });
  for (let i = 0; i < FLOOD; i += 50) await Promise.all(rows.slice(i, i + 50).map(report));
}

/** How many of the flood's reports have been taken up. */
const takenUp = async (): Promise<number> =>
  (await system.database.rows('SELECT FROM settlement.reported_payments')).length;

/** Kills the worker; the session is paid while nobody is there. Seconds until the next worker has seen it. */
async function secondsUntilSeen(worker: { kill(): Promise<void> }, session: Opened) {
  await worker.kill();
  await system.pay(session.memo);
  const started = performance.now();
  const next = await system.worker({ LOG_LEVEL: 'warn' });
  await until(() => isPaid(session), Boolean, 60_000);
  return { next, seconds: (performance.now() - started) / 1_000 };
}

test('a worker that replaces a killed one reads before it does what hundreds of runs ask for', async () => {
  const first = await system.worker({ LOG_LEVEL: 'warn' });
  const [quiet, victim] = [await system.open(), await system.open()];
  const alone = await secondsUntilSeen(first, quiet);
  await alone.next.kill();
  await flood();
  const beside = await secondsUntilSeen(alone.next, victim);
  // The payment came last of all, and is seen before even half of the others were looked for.
  expect(await takenUp()).toBeLessThan(FLOOD / 2);
  expect(beside.seconds).toBeLessThan(3 * alone.seconds);
  // Reconciliation and people are not kept waiting either: 3 would say that nobody took it up.
  const { code } = await settle(['reconcile', '--dry-run', '--json'], system.env);
  expect(code).not.toBe(3);
  expect(await takenUp()).toBeLessThan(FLOOD);
  await beside.next.kill();
}, 120_000);
