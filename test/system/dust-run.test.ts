/** A paid session gets thousands of payments of a stroop, on the ledger: what becomes of its run, its events and its neighbours. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Memo } from '@stellar/stellar-sdk';
import { Client, Connection } from '@temporalio/client';
import { TOLD_ONE_BY_ONE, ranksToldTogether } from '../../src/domain/exceptions.ts';
import { paymentTo, SandboxWallet } from '../../src/sandbox/ledger/wallet.ts';
import { sessionWorkflowId } from '../../src/workflows/contract.ts';
import { settle } from '../support/settle-command.ts';
import { startSystem, until, type System } from '../support/system.ts';

/** Operations of one transaction, at most. */
const OPERATIONS = 100;
/** Two portions of a settle, and more. */
const DUST = 2_200;
/** Events of a run's history; a look at 2,200 payments adds no more of them than a look at one. */
const FEW_EVENTS = 300;

let system: System;
let connection: Connection;
let temporal: Client;
beforeAll(async () => {
  system = await startSystem();
  connection = await Connection.connect({ address: system.temporal.address });
  temporal = new Client({ connection });
  await system.worker({ LOG_LEVEL: 'warn' });
}, 60_000);
afterAll(async () => {
  await connection.close();
  await system.close();
});

/** Sends the dust in transactions of a hundred payments, without waiting for their ledgers. */
async function rain(memo: string): Promise<void> {
  const { ledger, shop } = system;
  const mallory = new SandboxWallet(ledger);
  await ledger.fund(mallory.address, '100');
  const drops = Array.from({ length: OPERATIONS }, () => paymentTo(shop.address, '0.0000001'));
  let sequence = await mallory.sequence();
  for (let sent = 0; sent < DUST; sent += OPERATIONS) {
    sequence += 1n;
    const transaction = await mallory.build(drops, { memo: Memo.id(memo), sequence });
    expect(await mallory.enqueue(transaction)).toBe('PENDING');
  }
}

const count = async (statement: string, ...values: unknown[]): Promise<number> =>
  Number(
    (await system.database.rows<{ n: string }>(`SELECT count(*) AS n ${statement}`, values))[0]?.n,
  );

/** Every run that the session has had: how it ended, how long its history is, whether a task of it ever failed. */
async function runsOf(id: string) {
  const runs: { status: string; events: number; failedTasks: number }[] = [];
  const query = `WorkflowId = "${sessionWorkflowId(id)}"`;
  for await (const { runId, status } of temporal.workflow.list({ query })) {
    const history = await temporal.workflow.getHandle(sessionWorkflowId(id), runId).fetchHistory();
    const events = history.events ?? [];
    const failedTasks = events.filter((e) => e.workflowTaskFailedEventAttributes).length;
    runs.push({ status: status.name, events: events.length, failedTasks });
  }
  return runs;
}

test('its run goes on, its events are few and all told, and its neighbour on the same account is paid', async () => {
  const victim = await system.open();
  const neighbour = await system.open();
  await system.database.rows(
    `INSERT INTO webhook_endpoints (merchant_id, url, events, secret) VALUES ($1, $2, '["payment.exception"]', 'secret')`,
    [system.merchantId, `${system.receiver.url}/exceptions`],
  );
  await system.pay(victim.memo);
  await system.receiver.waitFor((post) => post.sessionId === victim.id);
  await rain(victim.memo);
  await system.pay(neighbour.memo);
  await system.receiver.waitFor((post) => post.sessionId === neighbour.id);

  const judged = `FROM settlement.ledger_payments WHERE session_id = $1 AND verdict = 'duplicate'`;
  await until(
    () => count(judged, victim.id),
    (n) => n === DUST,
  );
  const told = TOLD_ONE_BY_ONE + ranksToldTogether(DUST).length;
  const exceptions = await system.receiver.waitFor(
    (post) => post.sessionId === victim.id && post.event === 'payment.exception',
    told,
  );
  expect(new Set(exceptions.map(({ eventId }) => eventId)).size).toBe(told);
  expect(await count('FROM settlement.events WHERE session_id = $1', victim.id)).toBe(told + 1);

  // A person is asked about so many, once; nothing else is left to do.
  const view = await until(
    () => system.client.sessionState(victim.id, { fresh: true }),
    (seen) => seen?.due === 0 && seen.nextLookAt === null,
  );
  expect(view).toMatchObject({ status: 'paid', credited: '10.0000000', paymentCount: DUST + 1 });
  expect(view).toMatchObject({ deliveryCount: told + 1, attention: ['many_exceptions'] });
  expect(view?.payments.length).toBeLessThanOrEqual(10);
  const answer = ['attention', 'resolve', victim.id, 'many_exceptions', '--reason', 'dust'];
  expect(await settle(answer, system.env)).toMatchObject({ code: 0 });
  await until(
    () => system.client.sessionState(victim.id, { fresh: true }),
    (seen) => seen?.atRest === true,
  );
  const runs = await runsOf(victim.id);
  expect(runs.filter(({ status }) => status !== 'COMPLETED' && status !== 'RUNNING')).toEqual([]);
  expect(Math.max(...runs.map(({ failedTasks }) => failedTasks))).toBe(0);
  expect(Math.max(...runs.map(({ events }) => events))).toBeLessThan(FEW_EVENTS);
}, 120_000);
