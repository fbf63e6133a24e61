import type { SessionView } from '../workflows/contract.ts';
import type { Deps } from './deps.ts';
import { readView, type LookInput } from './read-view.ts';
import { settleSession } from './report-settled.ts';
import { sendDue } from './send-due.ts';

/** How long an event waits for one of its endpoint's slots before it is left to the `webhooks` queue. */
const SLOT_WITHIN_MS = 1_000;

/**
 * Settles a session from facts, sends what that made due, and tells what there is to do then. The same facts give the
 * same answer, so it may be run any number of times; a crash after a POST sends it again, under the same ids.
 *
 * Sending in the same activity spares an activity and a workflow task for each paid session. It is done only while a
 * place for it is free, so that slow receivers delay nobody's settlement: what finds none stays due, and the workflow has
 * it sent from the `webhooks` queue.
 */
export async function look(deps: Deps, input: LookInput): Promise<SessionView> {
  const settled = await settleSession(deps, input.sessionId);
  if (settled === null) return readView(deps, input);
  const sent = await deps.sender.besideCommits(() =>
    sendDue(deps, input, { beginForMs: 0, slotWithinMs: SLOT_WITHIN_MS }),
  );
  // As of when the sending ended: what fell due meanwhile is due now.
  return readView(deps, { ...input, now: sent?.toISOString() ?? input.now });
}
