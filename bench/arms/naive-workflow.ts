/** A checkout as the first tutorial would have it: started early, signalled with the payment, two regular activities. */
import { condition, defineSignal, proxyActivities, setHandler } from '@temporalio/workflow';
import type { NaiveActivities } from './naive-temporal.ts';
import type { Payment } from './arm.ts';

/** A payment has come. */
export const paidSignal = defineSignal<[Payment]>('paid');

const { commit, notify } = proxyActivities<NaiveActivities>({
  startToCloseTimeout: '10 seconds',
  retry: { initialInterval: '200 milliseconds' },
});

/** Waits for the payment until the session's deadline, commits it, sends the webhook. */
export async function naiveCheckout(sessionId: string): Promise<'paid' | 'expired'> {
  const payments: Payment[] = [];
  setHandler(paidSignal, (payment) => void payments.push(payment));
  if (!(await condition(() => payments.length > 0, '1 hour'))) return 'expired';
  for (let payment = payments.shift(); payment !== undefined; payment = payments.shift()) {
    await commit(payment);
  }
  await notify(sessionId);
  return 'paid';
}
