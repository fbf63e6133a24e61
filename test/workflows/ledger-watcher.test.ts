import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { activityInfo } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { SETTLEMENT_QUEUE, WATCHER_QUEUE } from '../../src/workflows/contract.ts';
import { skipTime } from '../support/stage.ts';
import { given } from '../support/given.ts';

let env: TestWorkflowEnvironment;
beforeAll(async () => {
  env = await skipTime();
});
afterAll(() => env.teardown());

/** What `watchLedger` does is not at stake here: to the server, a worker that dies is an attempt that failed. */
test('the watcher is replaced as fast after the tenth death in a stretch as after the first', async () => {
  const begun: number[] = [];
  const watchLedger = () => {
    begun.push(activityInfo().currentAttemptScheduledTimestampMs);
    if (begun.length <= 10) throw new Error('The worker died.');
    throw ApplicationFailure.nonRetryable('Enough was seen.');
  };
  const { nativeConnection: connection } = env;
  const workflows = await Worker.create({
    connection,
    taskQueue: SETTLEMENT_QUEUE,
    workflowBundle: { codePath: given('bundle') },
  });
  const activities = await Worker.create({
    connection,
    taskQueue: WATCHER_QUEUE,
    activities: { watchLedger },
  });
  const watcher = env.client.workflow.execute('ledgerWatcher', {
    workflowId: 'watcher',
    taskQueue: SETTLEMENT_QUEUE,
    args: [{ network: 'sandbox' }],
  });
  await workflows.runUntil(activities.runUntil(watcher.catch(() => undefined)));
  const pauses = begun.slice(1).map((at, i) => at - (begun[i] ?? 0));
  expect(pauses).toHaveLength(10);
  expect(Math.max(...pauses)).toBeLessThan(1_000);
});

test("a run that an earlier version started on the sessions' queue goes on on the watcher's", async () => {
  const { nativeConnection: connection } = env;
  const workflowBundle = { codePath: given('bundle') };
  let stretches = 0;
  const watchLedger = () => {
    stretches += 1;
    if (stretches === 1) return Promise.resolve({ turns: 1 });
    throw ApplicationFailure.nonRetryable('Enough was seen.');
  };
  const old = await Worker.create({ connection, taskQueue: SETTLEMENT_QUEUE, workflowBundle });
  const own = await Worker.create({
    connection,
    taskQueue: WATCHER_QUEUE,
    workflowBundle,
    activities: { watchLedger },
  });
  const watcher = env.client.workflow.execute('ledgerWatcher', {
    workflowId: 'moved',
    taskQueue: SETTLEMENT_QUEUE,
    args: [{ network: 'sandbox' }],
  });
  await old.runUntil(own.runUntil(watcher.catch(() => undefined)));
  expect(stretches).toBe(2);
  const { taskQueue } = await env.client.workflow.getHandle('moved').describe();
  expect(taskQueue).toBe(WATCHER_QUEUE);
});
