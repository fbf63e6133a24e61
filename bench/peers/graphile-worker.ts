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
    await unlock(databaseUrl);
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

/**
 * Jobs of a killed worker stay locked for four hours. There is one worker here, so whatever is locked when it starts is of
 * one that is gone, and is unlocked, as the documentation has it for that case.
 */
async function unlock(connectionString: string): Promise<void> {
  const utils = await makeWorkerUtils({ connectionString });
  await utils.migrate();
  const locked = await utils.withPgClient((client) =>
    client.query<{ locked_by: string }>(
      'SELECT DISTINCT locked_by FROM graphile_worker.jobs WHERE locked_by IS NOT NULL',
    ),
  );
  const gone = locked.rows.map((row) => row.locked_by);
  if (gone.length > 0) await utils.forceUnlockWorkers(gone);
  await utils.release();
}
