/** DBOS Transact: a workflow for each session that waits for its payment, commits in one step and sends in another. */
import { DBOS, DBOSClient } from '@dbos-inc/dbos-sdk';
import { connect } from '../../src/db/connection.ts';
import { createWebhookSender } from '../../src/webhook/post.ts';
import { POOL, type Arm, type Payment } from '../arms/arm.ts';
import { commitPayment, deliver } from '../commit.ts';

const QUEUE = 'sessions';
const APP = 'bench';
const log = {
  info: () => undefined,
  debug: () => undefined,
  warn: () => undefined,
  error: (message: unknown) => console.error(String(message)),
};

export const arm: Arm = {
  needs: null,
  work: async ({ databaseUrl, sink }) => {
    const { pool, db } = connect(databaseUrl, { max: POOL });
    const sender = createWebhookSender({ allowPrivate: [sink] });
    const again = { retriesAllowed: true, maxAttempts: 20, intervalSeconds: 0.2, backoffRate: 1.5 };
    DBOS.registerWorkflow(
      async (sessionId: string) => {
        const payment = await DBOS.recv<Payment>(undefined, { timeoutSeconds: 3600 });
        if (payment === null) return 'expired';
        await DBOS.runStep(() => commitPayment(pool, payment), { name: 'commit', ...again });
        await DBOS.runStep(() => deliver(db, sender, sessionId), { name: 'notify', ...again });
        return 'paid';
      },
      { name: 'checkout' },
    );
    DBOS.setConfig({
      name: APP,
      systemDatabaseUrl: databaseUrl,
      systemDatabasePoolSize: POOL,
      logger: log,
    });
    await DBOS.launch();
    await DBOS.registerQueue(QUEUE);
    return {};
  },
  client: async ({ driverUrl }) => {
    const client = await DBOSClient.create({
      systemDatabaseUrl: driverUrl,
      systemDatabasePoolSize: POOL,
      applicationName: APP,
      logger: log,
    });
    const { pool, close } = connect(driverUrl, { max: 1 });
    return {
      open: async (sessionIds) => {
        for (const id of sessionIds) {
          await client.enqueue({ workflowName: 'checkout', queueName: QUEUE, workflowID: id }, id);
        }
        const waiting = `SELECT FROM dbos.workflow_status WHERE status = 'ENQUEUED' LIMIT 1`;
        while ((await pool.query(waiting)).rowCount) {
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      },
      pay: async (payments) => {
        for (const payment of payments) {
          await client.send(payment.sessionId, payment, undefined, payment.txHash);
        }
      },
      close: async () => {
        await client.destroy();
        await close();
      },
    };
  },
};
