/** An `open` that hangs, and a look that can only fail: what becomes of the others who ask the same run. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { settlementClient } from '../../src/client.ts';
import {
  sessionWorkflowId,
  SETTLEMENT_QUEUE,
  type OpenedSession,
  type SessionView,
} from '../../src/workflows/contract.ts';
import { registerSearchAttributes, skipTime } from '../support/stage.ts';
import { given } from '../support/given.ts';

let env: TestWorkflowEnvironment;
beforeAll(async () => {
  env = await skipTime();
  await registerSearchAttributes(env);
});
afterAll(() => env.teardown());

const SHOP = 'GAAZI4TCR3TY5OJHCTJC2A4QSY6CJWJH5IAJTGKIN2ER7LBNVKOCCWN7';
const MERCHANT = randomUUID();
const request = (cancelUrl: string) => ({
  merchantId: MERCHANT,
  amount: '10',
  asset: { code: 'XLM', issuer: null },
  receivingAccount: SHOP,
  expiresAt: '2999-01-01T00:00:00.000Z',
  memo: 'A-17',
  cancelUrl,
});
const opened = (sessionId: string): OpenedSession => ({
  sessionId,
  status: 'pending',
  amount: '10.0000000',
  asset: { code: 'XLM', issuer: null },
  receivingAccount: SHOP,
  memo: 'A-17',
  memoType: 'text',
  muxedAccount: null,
  paymentUri: `web+stellar:pay?destination=${SHOP}&amount=10.0000000&memo=A-17&memo_type=MEMO_TEXT`,
  expiresAt: '2999-01-01T00:00:00.000Z',
  warnings: [],
});
const view = (sessionId: string): SessionView => ({
  sessionId,
  found: true,
  status: 'pending',
  merchantId: MERCHANT,
  receivingAccount: SHOP,
  asset: 'native',
  price: '10.0000000',
  credited: '0.0000000',
  deadline: '2999-01-01T00:00:00.000Z',
  cancelAt: null,
  closedThroughLedger: null,
  over: false,
  paidBy: null,
  payments: [],
  deliveries: [],
  attention: [],
  due: 0,
  nextLookAt: null,
  atRest: false,
});

/** A worker whose activities are these, while `work` is done. */
async function withActivities(activities: object, work: () => Promise<void>): Promise<void> {
  const worker = await Worker.create({
    connection: env.nativeConnection,
    taskQueue: SETTLEMENT_QUEUE,
    workflowBundle: { codePath: given('bundle') },
    activities,
  });
  await worker.runUntil(work());
}

test('an open that hangs keeps nobody from looking, and from opening', async () => {
  const id = randomUUID();
  const client = settlementClient(env.client, 8_000);
  let hanging: () => void = () => undefined;
  const hangs = new Promise<void>((resolve) => (hanging = resolve));
  const activities = {
    openSession: ({ request }: { request: { cancelUrl: string } }) => {
      if (!request.cancelUrl.endsWith('/hangs')) return opened(id);
      hanging();
      throw new Error('It is retried for ever.');
    },
    look: () => view(id),
  };
  await withActivities(activities, async () => {
    const first = client.openSession(id, request('https://shop.example/hangs'));
    const ended = expect(first).rejects.toMatchObject({ name: 'NotAnswered' });
    await hangs;
    expect(await client.sessionState(id, { fresh: true })).toEqual(view(id));
    expect(await client.openSession(id, request('https://shop.example/'))).toEqual(opened(id));
    await ended;
    await env.client.workflow.getHandle(sessionWorkflowId(id)).terminate();
  });
});

test('a look that can only fail is told, and tried again when somebody asks', async () => {
  const id = randomUUID();
  const client = settlementClient(env.client, 8_000);
  let poisoned = true;
  const activities = {
    look: () => {
      if (!poisoned) return view(id);
      throw ApplicationFailure.nonRetryable('A value is out of range (22003).', 'InvalidInput');
    },
  };
  await withActivities(activities, async () => {
    const asked = () => client.sessionState(id, { fresh: true });
    await expect(asked()).rejects.toMatchObject({
      code: 'CannotBeSettled',
      message: 'A value is out of range (22003).',
    });
    const run = env.client.workflow.getHandle(sessionWorkflowId(id));
    expect((await run.describe()).status.name).toBe('RUNNING');
    poisoned = false;
    expect(await asked()).toEqual(view(id));
    const { events } = await run.fetchHistory();
    expect(events?.some((event) => event.workflowTaskFailedEventAttributes)).toBe(false);
    await run.terminate();
  });
});
