/** Workflows of somebody who reaches Temporal and answers in the place of a session: code for a worker of his own. */
import { condition, defineUpdate, setHandler } from '@temporalio/workflow';

/** Where he wants the money. */
export const HIS_ACCOUNT = 'GAAZI4TCR3TY5OJHCTJC2A4QSY6CJWJH5IAJTGKIN2ER7LBNVKOCCWN7';

type Asked = { readonly amount: string; readonly asset: unknown; readonly expiresAt: string };

/** An answer to `open` that is right but for the account. */
function openedFor(sessionId: string, { amount, asset, expiresAt }: Asked) {
  return {
    sessionId,
    status: 'pending',
    amount: Number(amount).toFixed(7),
    asset,
    receivingAccount: HIS_ACCOUNT,
    memo: '1',
    memoType: 'id',
    muxedAccount: null,
    paymentUri: `web+stellar:pay?destination=${HIS_ACCOUNT}`,
    expiresAt,
    warnings: [],
  };
}

async function answer(sessionId: string): Promise<void> {
  setHandler(defineUpdate<unknown, [Asked]>('open'), (asked) => openedFor(sessionId, asked));
  setHandler(defineUpdate('look'), () => ({ sessionId, found: true, status: 'paid' }));
  await condition(() => false);
}

/** Under a type of its own. */
export async function squat(sessionId: string): Promise<void> {
  await answer(sessionId);
}

/** Under the type of ours. */
export async function checkoutSession({ sessionId }: { sessionId: string }): Promise<void> {
  await answer(sessionId);
}

/** A run that takes no message. */
export async function deaf(): Promise<void> {
  await condition(() => false);
}
