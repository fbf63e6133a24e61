/** Temporal as most people begin with it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection, WorkflowNotFoundError } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { connect } from '../../src/db/connection.ts';
import { createWebhookSender } from '../../src/webhook/post.ts';
import { commitPayment, deliver } from '../commit.ts';
import { POOL, type Arm, type Payment, type Place } from './arm.ts';
import { historyLengths } from './history.ts';

const QUEUE = 'naive';
/** Events of a workflow that waits: started, its first task, its timer. */
const WAITING = 5;
const workflowIdOf = (sessionId: string) => `naive:${sessionId}`;

function activities({ databaseUrl, sink }: Place) {
  const { pool, db } = connect(databaseUrl, { max: POOL });
  const sender = createWebhookSender({ allowPrivate: [sink] });
  return {
    commit: (payment: Payment) => commitPayment(pool, payment),
    notify: (sessionId: string) => deliver(db, sender, sessionId),
  };
}

/** The types by which the workflow calls them. */
export type NaiveActivities = ReturnType<typeof activities>;

/** The arm. */
export const arm: Arm = {
  needs: 'temporal',
  work: async (place) => {
    Runtime.install({ logger: new DefaultLogger('ERROR') });
    const connection = await NativeConnection.connect({ address: place.temporalAddress ?? '' });
    const worker = await Worker.create({
      connection,
      taskQueue: QUEUE,
      workflowBundle: { codePath: place.bundles.naive },
      activities: activities(place),
      maxCachedWorkflows: 500,
    });
    void worker.run();
    return {};
  },
  client: async (place) => {
    const connection = await Connection.connect({ address: place.temporalAddress ?? '' });
    const { workflow } = new Client({ connection });
    return {
      open: async (sessionIds) => {
        for (const id of sessionIds) {
          await workflow.start('naiveCheckout', {
            workflowId: workflowIdOf(id),
            taskQueue: QUEUE,
            args: [id],
          });
        }
        // Paid before its first task, a workflow would never set its timer, and cost less than it does in life. Tasks
        // are handed out in order: who waited for each of them would pay more for asking than for opening.
        const last = workflow.getHandle(workflowIdOf(sessionIds.at(-1) ?? ''));
        while ((await last.describe()).historyLength < WAITING) await sleep(20);
      },
      pay: async (payments) => {
        for (const payment of payments) {
          try {
            await workflow.getHandle(workflowIdOf(payment.sessionId)).signal('paid', payment);
          } catch (error) {
            // The workflow has ended: a second payment finds nobody.
            if (!(error instanceof WorkflowNotFoundError)) throw error;
          }
        }
      },
      events: (sessionIds) => historyLengths(workflow, sessionIds.map(workflowIdOf)),
      close: () => connection.close(),
    };
  },
};
