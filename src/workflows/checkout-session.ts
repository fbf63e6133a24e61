import { continueAsNew, workflowInfo } from '@temporalio/workflow';
import type { SessionInput, SessionView } from './contract.ts';
import { setHandlers } from './handlers.ts';
import { SessionRun } from './session-run.ts';

/**
 * One checkout session. The run is level-triggered: whatever wakes it, it looks at the database, does what is
 * due, and waits for the next reason to look; it ends when the session is at rest. It decides nothing by itself, so
 * duplicate and lost messages make no difference, and a message for a finished session opens a new short run.
 */
export async function checkoutSession({ sessionId }: SessionInput): Promise<SessionView | null> {
  const run = new SessionRun(sessionId);
  setHandlers(run);
  for (;;) {
    const view = await run.look();
    if (!view.found || view.atRest) {
      if (run.hasReason || !(await run.quiet())) continue;
      return view.found ? view : null;
    }
    if (run.hasReason) continue;
    if (workflowInfo().continueAsNewSuggested) {
      if (!(await run.quiet())) continue;
      return continueAsNew<typeof checkoutSession>({ sessionId });
    }
    await run.waitForReason(view);
  }
}
