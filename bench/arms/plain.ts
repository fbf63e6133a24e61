/** No workflow at all: takes a payment, commits it, sends the webhook. What is under way ends with the process. */
import { connect } from '../../src/db/connection.ts';
import { createWebhookSender } from '../../src/webhook/post.ts';
import { commitPayment, deliver } from '../commit.ts';
import { POOL, type Arm, type Payment } from './arm.ts';

/** The arm. */
export const arm: Arm = {
  needs: null,
  work: async ({ databaseUrl, sink }) => {
    const { pool, db } = connect(databaseUrl, { max: POOL });
    const sender = createWebhookSender({ allowPrivate: [sink] });
    const settle = async (payment: Payment) => {
      const { paid } = await commitPayment(pool, payment);
      if (paid) await deliver(db, sender, payment.sessionId);
    };
    return {
      // Accepted when it has arrived, as by any server that answers 202.
      pay: async (payments) => {
        for (const payment of payments) {
          settle(payment).catch((error: unknown) => console.error(String(error)));
        }
      },
    };
  },
  client: async (_place, ipc) => ({
    open: async () => undefined,
    pay: ipc,
    close: async () => undefined,
  }),
};
