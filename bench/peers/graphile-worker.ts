/** graphile-worker: a job for each payment, which commits and then sends. */
import { makeWorkerUtils, run, type TaskList } from 'graphile-worker';
import { connect } from '../../src/db/connection.ts';
import { createWebhookSender } from '../../src/webhook/post.ts';
import { AT_ONCE, POOL, type Arm, type Payment } from '../arms/arm.ts';
import { commitPayment, deliver } from '../commit.ts';

export const arm: Arm = {
  needs: null,
  work: async ({ databaseUrl, sink }) => {
    const { pool, db } = connect(databaseUrl, { max: POOL });
    const sender = createWebhookSender({ allowPrivate: [sink] });
    const settle = async (payload: unknown) => {
      const payment = payload as Payment;
      const { paid } = await commitPayment(pool, payment);
      if (paid) await deliver(db, sender, payment.sessionId);
    };
    const runner = await run({
      connectionString: databaseUrl,
      maxPoolSize: POOL,
      concurrency: AT_ONCE,
      noHandleSignals: true,
      crontab: '',
      taskList: { settle } as TaskList,
    });
    // When its workers have ended, whatever the reason, so does its own command line: a supervisor starts it again.
    const end = () => process.exit(1);
    runner.promise.then(end, end);
    return {};
  },
  client: async ({ driverUrl }) => {
    const utils = await makeWorkerUtils({ connectionString: driverUrl, maxPoolSize: POOL });
    return {
      open: async () => undefined,
      pay: async (payments) => {
        for (const payment of payments) await utils.addJob('settle', payment);
      },
      close: async () => {
        await utils.release();
      },
    };
  },
};
