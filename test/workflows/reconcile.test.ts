import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Memo } from '@stellar/stellar-sdk';
import type { ReconcileReport } from '../../src/domain/discrepancy.ts';
import { reconcileNow } from '../../src/schedule.ts';
import { setStage, type Stage } from '../support/stage.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage.close());

const run = (dryRun = false) => reconcileNow(stage.env.client, 'sandbox', { dryRun });

/** A session that is paid, and whose payments row somebody has deleted. */
async function paidWithoutRow(): Promise<string> {
  const { id, memo } = await stage.open();
  await stage.customer.pay(stage.shop.address, '10', 'native', { memo: Memo.id(memo) });
  await stage.watch();
  await stage.runEnd(id);
  await stage.database.rows('DELETE FROM payments WHERE session_id = $1', [id]);
  return id;
}

const start = (workflowId: string) =>
  stage.env.client.workflow.start('reconcile', { workflowId, taskQueue: 'settlement', args: [{}] });

const paymentsOf = (id: string) =>
  stage.database.rows('SELECT tx_hash FROM payments WHERE session_id = $1', [id]);

test('a dry run says what a run would find, and changes nothing; the run repairs; the next finds nothing', async () => {
  const id = await paidWithoutRow();
  const found = {
    found: 1,
    examples: [
      { subject: `session ${id}`, outcome: expect.stringContaining('would be read up to now') },
    ],
  };
  expect((await run(true)).classes).toMatchObject({ paid_without_payment: found });
  expect(await paymentsOf(id)).toEqual([]);
  const repaired = { found: 1, repaired: 1, left: 0 };
  expect((await run()).classes).toMatchObject({ paid_without_payment: repaired });
  expect(await paymentsOf(id)).toHaveLength(1);
  expect(await run()).toMatchObject({ classes: {}, failed: {}, dryRun: false });
});

test('two runs at once repair it once', async () => {
  const id = await paidWithoutRow();
  const [one, two] = await Promise.all([start('reconcile:one'), start('reconcile:two')]);
  await one.result();
  await two.result();
  expect(await paymentsOf(id)).toHaveLength(1);
  const events = await stage.database.rows(
    'SELECT type FROM settlement.events WHERE session_id = $1',
    [id],
  );
  expect(events).toEqual([{ type: 'payment.confirmed' }]);
});

test('a kind that cannot be looked for is named, and does not stop the others', async () => {
  const id = await paidWithoutRow();
  await stage.database.rows('ALTER TABLE settlement.delivery_attempts RENAME TO lost');
  const report = await run();
  await stage.database.rows('ALTER TABLE settlement.lost RENAME TO delivery_attempts');
  expect(Object.keys(report.failed)).toEqual(['event_overdue']);
  expect(report.failed.event_overdue).toContain('delivery_attempts');
  expect(await paymentsOf(id)).toHaveLength(1);
});

test('a run that finds PostgreSQL away, begins and ends when it is back', async () => {
  const id = await paidWithoutRow();
  await stage.database.rows('ALTER TABLE settlement.reconcile_runs RENAME TO away');
  const handle = await start('reconcile:away');
  for (let tried = 0; tried < 5; await stage.env.sleep('2 seconds')) {
    const { raw, status } = await handle.describe();
    expect(status.name).toBe('RUNNING');
    tried = raw.pendingActivities?.[0]?.attempt ?? 0;
  }
  expect(await paymentsOf(id)).toEqual([]);
  await stage.database.rows('ALTER TABLE settlement.away RENAME TO reconcile_runs');
  const report = await handle.result();
  expect(report).toMatchObject({ classes: { paid_without_payment: { repaired: 1 } }, failed: {} });
});

test('endings of before our time are gone through, page by page, and wake nobody', async () => {
  await stage.database.rows(
    `INSERT INTO checkout_sessions (merchant_id, amount, asset_code, receiving_account, memo, status, created_at, expires_at)
     SELECT $1, 10, 'XLM', $2, 'old-' || n, 'expired', now() - interval '90 days', now() - interval '89 days'
     FROM generate_series(1, 1000) n`,
    [stage.merchantId, 'GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN'],
  );
  const report = await run();
  expect(report.classes.foreign_ending).toMatchObject({ found: 1000, repaired: 1000, left: 0 });
  expect(report.classes.foreign_ending?.examples).toHaveLength(20);
  const active = await stage.database.rows(
    'SELECT FROM settlement.active_sessions JOIN checkout_sessions ON id = session_id WHERE legacy',
  );
  expect(active).toEqual([]);
});

test('a session that cannot be settled is left with the reason, and does not stop the others', async () => {
  const [bad, good] = [await paidWithoutRow(), await paidWithoutRow()];
  await stage.database.rows(
    `ALTER TABLE payments ADD CONSTRAINT not_this_one CHECK (session_id <> '${bad}') NOT VALID`,
  );
  const { classes, failed } = await run();
  expect(failed).toEqual({});
  expect(classes.paid_without_payment).toMatchObject({ found: 2, repaired: 1, left: 1 });
  expect(classes.paid_without_payment?.examples[0]).toEqual({
    subject: `session ${bad}`,
    outcome: 'left: new row for relation "payments" violates check constraint "not_this_one"',
  });
  expect([await paymentsOf(bad), await paymentsOf(good)]).toMatchObject([[], [{}]]);
  await stage.database.rows('ALTER TABLE payments DROP CONSTRAINT not_this_one');
  // What failed by itself is tried again when its pause is over.
  await stage.database.rows('UPDATE settlement.set_aside SET until = now()');
  expect((await run()).classes.paid_without_payment).toMatchObject({ found: 1, repaired: 1 });
});

test('a run that is continued as new goes on where it was, with what it had found', async () => {
  const id = await paidWithoutRow();
  const before = { found: 3, repaired: 3, left: 0, examples: [] };
  const report: ReconcileReport = {
    startedAt: '2026-03-01T12:00:00.000Z',
    dryRun: false,
    thorough: false,
    classes: { stuck_processing: before },
    failed: {},
  };
  const continued = await stage.env.client.workflow.execute('reconcile', {
    workflowId: 'reconcile:continued',
    taskQueue: 'settlement',
    args: [{ resume: { report, kind: 'paid_without_payment', after: null } }],
  });
  expect(continued).toMatchObject({
    startedAt: report.startedAt,
    classes: { stuck_processing: before, paid_without_payment: { found: 1, repaired: 1 } },
  });
  expect(await paymentsOf(id)).toHaveLength(1);
});
