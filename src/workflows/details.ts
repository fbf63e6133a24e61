import type { SearchAttributePair } from '@temporalio/common';
import type { SessionView } from './contract.ts';
import {
  CHECKOUT_ASSET,
  CHECKOUT_DEADLINE,
  CHECKOUT_STATUS,
  MERCHANT_ID,
  NEEDS_ATTENTION,
  RECEIVING_ACCOUNT,
} from './search-attributes.ts';

/** The session as Markdown for the Temporal UI: what was asked, what came, what is still to be done. */
export function detailsOf(view: SessionView): string {
  if (!view.found) return `There is no session ${view.sessionId} in the database.`;
  const head = [
    `**${view.status}**: ${view.credited} of ${view.price} ${view.asset} credited, to ${view.receivingAccount}`,
    `Deadline ${view.deadline}${view.cancelAt === null ? '' : ` (cancelled as of ${view.cancelAt})`}`,
    ...(view.closedThroughLedger === null
      ? []
      : [`Closed: the ledger is covered through ${view.closedThroughLedger}`]),
    ...view.attention.map((kind) => `⚠ needs attention: ${kind}`),
  ];
  const list = [
    ...notShown('payments', view.paymentCount, view.payments.length),
    ...view.payments.map((p) => `- payment ${p.payment}: ${p.verdict}`),
    ...notShown('webhooks', view.deliveryCount, view.deliveries.length),
    ...view.deliveries.map(
      (d) =>
        `- ${d.event} (${d.deliveryId}): ${d.status} after ${d.attempts} attempt(s)${d.nextAt === null ? '' : `, next ${d.nextAt}`}`,
    ),
  ];
  // Two spaces end a line of Markdown; an empty line begins a list.
  return [head.join('  \n'), list.join('\n')].join('\n\n').trim();
}

/** Says how many there are where only the first and the last are listed. Older workers gave no count, and listed all. */
function notShown(what: string, count: number | undefined, shown: number): string[] {
  return count !== undefined && count > shown
    ? [`- ${count} ${what}, the first and last of them:`]
    : [];
}

/** The search attributes that differ from what was shown before. */
export function searchAttributesOf(
  before: SessionView | null,
  now: SessionView,
): SearchAttributePair[] {
  const was = before?.found === true ? before : null;
  const pairs: SearchAttributePair[] = [];
  if (was === null) {
    pairs.push(
      { key: MERCHANT_ID, value: now.merchantId },
      { key: CHECKOUT_ASSET, value: now.asset },
      { key: RECEIVING_ACCOUNT, value: now.receivingAccount },
    );
  }
  if (was?.status !== now.status) pairs.push({ key: CHECKOUT_STATUS, value: now.status });
  if (was?.deadline !== now.deadline) {
    pairs.push({ key: CHECKOUT_DEADLINE, value: new Date(now.deadline) });
  }
  const needsAttention = now.attention.length > 0;
  if (was === null || was.attention.length > 0 !== needsAttention) {
    pairs.push({ key: NEEDS_ATTENTION, value: needsAttention });
  }
  return pairs;
}
