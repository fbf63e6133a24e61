/** What anybody who reaches Temporal can send under a session's workflow id, and what becomes of that session. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Client, Connection } from '@temporalio/client';
import { countTroubled } from '../../src/cli/status-temporal.ts';
import { endRun, runState } from '../../src/temporal.ts';
import { sessionWorkflowId, SETTLEMENT_QUEUE } from '../../src/workflows/contract.ts';
import { startSystem, tenLumens, until, type System } from '../support/system.ts';

let system: System;
let connection: Connection;
let temporal: Client;
beforeAll(async () => {
  system = await startSystem();
  await system.worker();
  connection = await Connection.connect({ address: system.temporal.address });
  temporal = new Client({ connection });
}, 60_000);
afterAll(async () => {
  await connection.close();
  await system.close();
});

const runOf = (id: string) => temporal.workflow.getHandle(sessionWorkflowId(id));

/** Whether a task of the session's run has ever failed. */
async function hasFailedTask(id: string): Promise<boolean> {
  const { events } = await runOf(id).fetchHistory();
  return (events ?? []).some((event) => event.workflowTaskFailedEventAttributes);
}

const payload = (encoding: string, data: string, more: Record<string, Buffer> = {}) => ({
  metadata: { encoding: Buffer.from(encoding), ...more },
  data: Buffer.from(data),
});

/** A `wake` as somebody sends it who does not use our client. */
async function wakeWith(id: string, sent: ReturnType<typeof payload>): Promise<void> {
  await connection.workflowService.signalWorkflowExecution({
    namespace: 'default',
    workflowExecution: { workflowId: sessionWorkflowId(id) },
    signalName: 'wake',
    input: { payloads: [sent] },
  });
}

/** Pays the session, and waits until its merchant is told. */
async function isPaidAndTold({ id, memo }: { id: string; memo: string }): Promise<void> {
  await system.pay(memo);
  await system.receiver.waitFor((post) => post.sessionId === id);
  expect((await system.client.sessionState(id))?.status).toBe('paid');
}

test.each([
  ['half a JSON', payload('json/plain', '{"txHash":')],
  [
    'encrypted with a key that is not here',
    payload('binary/encrypted', 'x', { 'encryption-key-id': Buffer.from('nobody') }),
  ],
  ['of a form that nobody knows', payload('binary/unheard-of', 'x')],
  ['a number', payload('json/plain', '5')],
  ['null', payload('json/plain', 'null')],
  ['a hash that is none', payload('json/plain', '{"txHash": {"a": 1}}')],
])(
  'a signal that is %s is a wake like any other',
  async (_, sent) => {
    const session = await system.open();
    await wakeWith(session.id, sent);
    await isPaidAndTold(session);
    expect(await hasFailedTask(session.id)).toBe(false);
  },
  60_000,
);

test.each<[string, (id: string) => unknown[]]>([
  ['without its argument', () => []],
  ['with null', () => [null]],
  ['with the id of another session', () => [{ sessionId: randomUUID() }]],
  ['with a text that is no id', () => [{ sessionId: "x'; DROP TABLE payments; --" }]],
])(
  'a start %s ends at once, and the session opens, is paid and told',
  async (_, args) => {
    const id = randomUUID();
    await temporal.workflow.start('checkoutSession', {
      workflowId: sessionWorkflowId(id),
      taskQueue: SETTLEMENT_QUEUE,
      args: args(id),
    });
    await expect(runOf(id).result()).rejects.toMatchObject({ cause: { type: 'WrongStart' } });
    const { memo } = await system.client.openSession(
      id,
      tenLumens(system.merchantId, system.shop.address),
    );
    await isPaidAndTold({ id, memo });
  },
  60_000,
);

test('an open that meets a wrong start is asked again, of the run that follows', async () => {
  const id = randomUUID();
  const options = { workflowId: sessionWorkflowId(id), taskQueue: SETTLEMENT_QUEUE, args: [] };
  await temporal.workflow.start('checkoutSession', options);
  const request = tenLumens(system.merchantId, system.shop.address);
  const opened = await system.client.openSession(id, request);
  expect(opened).toMatchObject({ sessionId: id, status: 'pending' });
}, 60_000);

test('updates of every other shape are refused, and the run goes on', async () => {
  const session = await system.open();
  const update = (name: string, ...args: unknown[]) =>
    runOf(session.id).executeUpdate(name, { args: args as [] });
  for (const [name, field, ...args] of [
    ['open', 'request'],
    ['open', 'request', null],
    ['open', 'request', 'x'],
    ['open', 'request', []],
    ['open', 'metadata', { ...tenLumens(system.merchantId, system.shop.address), metadata: 7 }],
    ['reportPayment', 'txHash'],
    ['reportPayment', 'txHash', null],
    ['reportPayment', 'txHash', { txHash: ['a'] }],
    ['redeliver', 'deliveryId'],
    ['redeliver', 'deliveryId', { deliveryId: 7 }],
  ] as const) {
    await expect(update(name, ...args)).rejects.toMatchObject({
      cause: { type: 'InvalidInput', details: [field] },
    });
  }
  await expect(update('nobodyKnows')).rejects.toThrow();
  // Refused before anything is recorded: the run's history has the one update that opened the session.
  const { events } = await runOf(session.id).fetchHistory();
  const accepted = (events ?? []).filter((e) => e.workflowExecutionUpdateAcceptedEventAttributes);
  expect(accepted).toHaveLength(1);
  await isPaidAndTold(session);
  expect(await hasFailedTask(session.id)).toBe(false);
}, 60_000);

test('a run that cannot go on is shown, and ends when reconciliation finds it', async () => {
  const id = randomUUID();
  const workflowId = sessionWorkflowId(id);
  await temporal.workflow.start('nobodyKnows', { workflowId, taskQueue: SETTLEMENT_QUEUE });
  await until(
    () => runState(temporal, workflowId),
    (state) => state === 'stuck',
    60_000,
  );
  await until(
    () => countTroubled(temporal),
    (troubled) => troubled === null || troubled > 0,
  );
  await endRun(temporal, workflowId, 'as reconciliation does');
  expect(await runState(temporal, workflowId)).toBe('none');
  const { memo } = await system.client.openSession(
    id,
    tenLumens(system.merchantId, system.shop.address),
  );
  await isPaidAndTold({ id, memo });
}, 120_000);

test('a watcher without a network ends, and does not hold the place of one', async () => {
  const watcher = await temporal.workflow.start('ledgerWatcher', {
    workflowId: 'ledger-watcher:nowhere',
    taskQueue: SETTLEMENT_QUEUE,
    args: [],
  });
  await expect(watcher.result()).rejects.toMatchObject({ cause: { type: 'WrongStart' } });
});
