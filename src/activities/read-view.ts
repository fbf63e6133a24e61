import { reached } from '../metrics/bounds.ts';
import { viewSession } from '../db/view.ts';
import { forgetDeleted } from '../db/worklists.ts';
import type { SessionView } from '../workflows/contract.ts';
import type { Deps } from './deps.ts';
import { settleSession } from './report-settled.ts';

/** `now` is the workflow's time: what is due is judged by it, so that tests can skip days. */
export type LookInput = { sessionId: string; now: string };

/** Settles a session from facts and reads its view, but sends nothing. */
export async function settleAndView(deps: Deps, input: LookInput): Promise<SessionView> {
  await settleSession(deps, input.sessionId);
  return readView(deps, input);
}

/** The view alone, as JSON for the history and the operator. */
export async function readView(deps: Deps, { sessionId, now }: LookInput): Promise<SessionView> {
  const view = await viewSession(deps.database.db, sessionId, new Date(now));
  if (view === null) {
    await forgetDeleted(deps.database.db, sessionId);
    return notFound(sessionId);
  }
  const { payments, paymentCount, deliveries, deliveryCount } = view;
  if (paymentCount > payments.length || deliveryCount > deliveries.length) reached('view');
  return {
    sessionId,
    found: true,
    ...view,
    deadline: view.deadline.toISOString(),
    cancelAt: view.cancelAt?.toISOString() ?? null,
    nextLookAt: view.nextLookAt?.toISOString() ?? null,
    deliveries: view.deliveries.map((d) => ({ ...d, nextAt: d.nextAt?.toISOString() ?? null })),
  };
}

function notFound(sessionId: string): SessionView {
  return {
    sessionId,
    found: false,
    status: 'pending',
    merchantId: '',
    receivingAccount: '',
    asset: '',
    price: '0.0000000',
    credited: '0.0000000',
    deadline: '',
    cancelAt: null,
    closedThroughLedger: null,
    over: false,
    paidBy: null,
    payments: [],
    paymentCount: 0,
    deliveries: [],
    deliveryCount: 0,
    attention: [],
    due: 0,
    nextLookAt: null,
    atRest: true,
  };
}
