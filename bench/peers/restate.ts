/** Restate: a workflow for each session that waits for its payment, commits in one run and sends in another. */
import * as restate from '@restatedev/restate-sdk';
import { connect } from '../../src/db/connection.ts';
import { createWebhookSender } from '../../src/webhook/post.ts';
import { POOL, type Arm, type Payment } from '../arms/arm.ts';
import { commitPayment, deliver } from '../commit.ts';

const HOUR_MS = 3_600_000;
const JSON_BODY = { 'content-type': 'application/json' };

async function post(url: string, body: unknown): Promise<void> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: JSON_BODY,
    body: JSON.stringify(body),
  });
  const said = await answer.text();
  // 409: this workflow has been started already, by a try whose answer was lost.
  if (!answer.ok && answer.status !== 409) throw new Error(`${url}: ${answer.status} ${said}`);
}

export const arm: Arm = {
  needs: 'restate',
  work: async ({ databaseUrl, sink, workerPort, restate: server }) => {
    const { pool, db } = connect(databaseUrl, { max: POOL });
    const sender = createWebhookSender({ allowPrivate: [sink] });
    const checkout = restate.workflow({
      name: 'checkout',
      handlers: {
        run: async (ctx: restate.WorkflowContext, sessionId: string) => {
          const payment = await ctx.promise<Payment>('payment').get().orTimeout(HOUR_MS);
          await ctx.run('commit', () => commitPayment(pool, payment));
          await ctx.run('notify', () => deliver(db, sender, sessionId));
        },
        pay: async (ctx: restate.WorkflowSharedContext, payment: Payment) => {
          const promise = ctx.promise<Payment>('payment');
          // A second payment finds it resolved.
          if ((await promise.peek()) === undefined) await promise.resolve(payment);
        },
      },
    });
    const logger = (meta: { level: string }, ...said: unknown[]) => {
      if (meta.level === 'error') console.error(...said);
    };
    const endpoint = restate.endpoint().bind(checkout);
    endpoint.setLogger(logger);
    await endpoint.listen(workerPort);
    const uri = `http://127.0.0.1:${workerPort}`;
    await post(`${server?.admin ?? ''}/deployments`, { uri, force: true });
    return {};
  },
  client: async ({ restate: server }) => {
    const url = (id: string, handler: string) =>
      `${server?.ingress ?? ''}/checkout/${id}/${handler}/send`;
    return {
      open: async (sessionIds) => {
        for (const id of sessionIds) await post(url(id, 'run'), id);
      },
      pay: async (payments) => {
        for (const payment of payments) await post(url(payment.sessionId, 'pay'), payment);
      },
      close: async () => undefined,
    };
  },
};
