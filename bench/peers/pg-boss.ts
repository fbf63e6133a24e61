/** pg-boss: a job for each payment, which commits and then sends. Its LISTEN/NOTIFY and heartbeats are on. */
import { PgBoss } from 'pg-boss';
import { connect } from '../../src/db/connection.ts';
import { createWebhookSender } from '../../src/webhook/post.ts';
import { AT_ONCE, POOL, type Arm, type Payment } from '../arms/arm.ts';
import { commitPayment, deliver } from '../commit.ts';

const QUEUE = 'settle';
/** Jobs of one fetch; they are settled one by one. */
const BATCH = 16;

export const arm: Arm = {
  needs: null,
  work: async ({ databaseUrl, sink }) => {
    const { pool, db } = connect(databaseUrl, { max: POOL });
    const sender = createWebhookSender({ allowPrivate: [sink] });
    const settle = async (payment: Payment) => {
      const { paid } = await commitPayment(pool, payment);
      if (paid) await deliver(db, sender, payment.sessionId);
    };
    const boss = new PgBoss({
      connectionString: databaseUrl,
      max: POOL,
      useListenNotify: true,
      monitorIntervalSeconds: 1,
      superviseIntervalSeconds: 1,
    });
    boss.on('error', (error) => console.error(String(error)));
    await boss.start();
    const retries = { retryLimit: 50, retryDelay: 1 };
    await boss.createQueue(QUEUE, { ...retries, notify: true, heartbeatSeconds: 10 });
    const options = { batchSize: BATCH, localConcurrency: AT_ONCE / BATCH };
    await boss.work<Payment>(
      QUEUE,
      { ...options, burstWhenBatchFull: true, perJobResults: true },
      async (jobs) =>
        Promise.all(
          jobs.map(async ({ id, data }) => {
            try {
              await settle(data);
              return { id, status: 'completed' as const };
            } catch (error) {
              return { id, status: 'failed' as const, output: { reason: String(error) } };
            }
          }),
        ),
    );
    return {};
  },
  client: async ({ driverUrl }) => {
    const boss = new PgBoss({ connectionString: driverUrl, max: POOL, supervise: false });
    boss.on('error', (error) => console.error(String(error)));
    await boss.start();
    return {
      open: async () => undefined,
      pay: async (payments) => {
        for (const payment of payments) await boss.send(QUEUE, payment);
      },
      close: () => boss.stop({ graceful: false }),
    };
  },
};
