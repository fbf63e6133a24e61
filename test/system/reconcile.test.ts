import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Client, Connection } from '@temporalio/client';
import { auditDatabase } from '../../src/db/audit.ts';
import type { ReconcileReport } from '../../src/domain/discrepancy.ts';
import { describeSchedule, ensureSchedule, reconcileNow } from '../../src/schedule.ts';
import { startSystem, until, type System } from '../support/system.ts';

const EVERY_10_S = { RECONCILE_INTERVAL_MS: '10000' };

let system: System;
let temporal: Client;
let network: string;
beforeAll(async () => {
  system = await startSystem();
  const connection = await Connection.connect({ address: system.temporal.address });
  temporal = new Client({ connection });
  network = system.ledger.networkPassphrase
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 40);
});
afterAll(async () => {
  await temporal.connection.close();
  await system.close();
});

const factsOf = async (id: string) => {
  const [row] = await system.database.rows(
    `SELECT status, (SELECT count(*)::int FROM payments WHERE session_id = s.id) AS payments,
       (SELECT count(*)::int FROM settlement.events WHERE session_id = s.id) AS events,
       (SELECT count(*)::int FROM webhook_deliveries WHERE session_id = s.id) AS deliveries
     FROM checkout_sessions s WHERE id = $1`,
    [id],
  );
  return row;
};
const PAID_ONCE = { status: 'paid', payments: 1, events: 1, deliveries: 1 };
const atRest = (id: string) =>
  until(
    () => system.client.sessionState(id),
    (view) => view?.atRest === true,
  );
const runs = () =>
  system.database.rows<{ report: ReconcileReport }>('SELECT report FROM settlement.reconcile_runs');

/** `settle` as an operator runs it. */
async function settle(...args: string[]): Promise<unknown> {
  const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [cli, ...args, '--json'], {
    env: { ...system.env, ...EVERY_10_S },
  });
  return JSON.parse(stdout);
}

test('a worker killed while a session is processing, its workflow terminated by hand: paid, once', async () => {
  const first = await system.worker(EVERY_10_S);
  const { id, memo } = await system.open();
  system.ledger.faults.set({ kind: 'server_error' });
  const hash = await system.pay(memo).catch(() => '');
  await system.client.wake(id, { txHash: hash === '' ? '0'.repeat(64) : hash });
  await until(
    () => factsOf(id),
    (facts) => facts?.['status'] === 'processing',
  );
  await first.kill();
  await temporal.workflow.getHandle(`checkout-session:${id}`).terminate('by hand');
  system.ledger.faults.clear();
  if (hash === '') await system.pay(memo);
  await system.database.rows(
    `UPDATE checkout_sessions SET processing_since = now() - interval '10 minutes' WHERE id = $1`,
    [id],
  );

  const second = await system.worker(EVERY_10_S);
  await until(runs, (found) => found.length > 0);
  expect(await atRest(id)).toMatchObject({ status: 'paid' });
  expect(await factsOf(id)).toEqual(PAID_ONCE);
  expect((await auditDatabase(system.database.url)).findings).toEqual([]);
  await second.drain();
}, 120_000);

test('a payments row that somebody deletes comes back by the schedule, and the report says so', async () => {
  const worker = await system.worker(EVERY_10_S);
  const { id, memo } = await system.open();
  await system.pay(memo);
  await atRest(id);
  // Nobody looks at it any more: what is repaired from here on, the schedule has repaired.
  await until(
    () => system.database.rows('SELECT FROM settlement.active_sessions'),
    (active) => active.length === 0,
  );
  await until(
    () => temporal.workflow.getHandle(`checkout-session:${id}`).describe(),
    ({ status }) => status.name === 'COMPLETED',
  );
  await system.database.rows('DELETE FROM payments WHERE session_id = $1', [id]);
  const dryRun = (await settle('reconcile', '--dry-run')) as ReconcileReport;
  expect(dryRun).toMatchObject({ dryRun: true });
  await until(
    () => factsOf(id),
    (facts) => facts?.['payments'] === 1,
  );
  expect(await factsOf(id)).toEqual(PAID_ONCE);
  const reports = await until(runs, (found) =>
    found.some(({ report }) => report.classes.paid_without_payment !== undefined),
  );
  const [{ report } = { report: null }] = reports.filter(
    (run) => run.report.classes.paid_without_payment !== undefined,
  );
  expect(report?.classes.paid_without_payment).toMatchObject({
    found: 1,
    repaired: 1,
    examples: [{ subject: `session ${id}`, outcome: 'repaired' }],
  });
  expect(await settle('reconcile')).toMatchObject({ classes: {}, failed: {} });
  expect(await settle('status')).toMatchObject({
    temporal: {
      watcherRuns: true,
      schedule: 'running',
      workers: expect.arrayContaining([expect.stringContaining(`${worker.pid}@`)]),
      failedRuns: 0,
    },
    versions: { settle: expect.any(String), stands: 'right' },
    deadLetters: 0,
    attention: {},
    wrong: [],
  });
  expect((await auditDatabase(system.database.url)).findings).toEqual([]);
  await worker.drain();
}, 120_000);

test('the schedule is made once, whoever makes it, and follows a changed cadence', async () => {
  const cadence = { networkName: `${network}-other`, everyMs: 60_000 };
  const made = await Promise.all([1, 2, 3].map(() => ensureSchedule(temporal, cadence)));
  expect(made.sort()).toEqual(['created', 'unchanged', 'unchanged']);
  expect(await ensureSchedule(temporal, { ...cadence, everyMs: 120_000 })).toBe('updated');
  const schedule = await describeSchedule(temporal, cadence.networkName);
  expect(schedule?.spec.intervals).toMatchObject([{ every: 120_000 }]);
  expect(await describeSchedule(temporal, 'nobody')).toBeNull();
  expect(await settle('schedule')).toMatchObject({ everyMs: 10_000, paused: false, missed: 0 });
});

test('without a worker, reconciliation by hand says so, and does not begin later', async () => {
  const asked = reconcileNow(temporal, 'nobody', { dryRun: true, within: 200 });
  await expect(asked).rejects.toThrow('No worker takes reconciliation up');
  const { status } = await temporal.workflow.getHandle('reconcile:nobody:dry-run').describe();
  expect(status.name).toBe('TERMINATED');
});
