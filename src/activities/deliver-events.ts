import type { SessionView } from '../workflows/contract.ts';
import type { Deps } from './deps.ts';
import { readView, type LookInput } from './read-view.ts';
import { sendDue } from './send-due.ts';

/** After this no new POST is begun, so that the activity ends well within its own 60 s. */
const BEGIN_FOR_MS = 30_000;
/** How long a delivery waits for one of its endpoint's slots before it is put off. */
const SLOT_WITHIN_MS = 10_000;
const PUT_OFF_MS = 15_000;

/**
 * Sends everything of a session that is due and that its look did not send, and tells what the session looks like then.
 * A crash after a POST sends it again, under the same ids.
 */
export async function deliverEvents(deps: Deps, input: LookInput): Promise<SessionView> {
  const now = await sendDue(deps, input, {
    beginForMs: BEGIN_FOR_MS,
    slotWithinMs: SLOT_WITHIN_MS,
    putOffMs: PUT_OFF_MS,
  });
  return readView(deps, { ...input, now: now.toISOString() });
}
