import { ApplicationFailure, continueAsNew, workflowInfo } from '@temporalio/workflow';
import { isUuid } from '../domain/session.ts';
import { partOf } from '../doors/messages.ts';
import { sessionIdOf, type SessionInput, type SessionView } from './contract.ts';
import { setHandlers } from './handlers.ts';
import { SessionRun } from './session-run.ts';

/**
 * One checkout session. The run is level-triggered: whatever wakes it, it looks at the database, does what is
 * due, and waits for the next reason to look; it ends when the session is at rest. It decides nothing by itself, so
 * duplicate and lost messages make no difference, and a message for a finished session opens a new short run.
 */
export async function checkoutSession(input: SessionInput): Promise<SessionView | null> {
  const run = new SessionRun(requireSessionId(input));
  setHandlers(run);
  const { sessionId } = run;
  for (;;) {
    const view = await run.look();
    if (view !== null && (!view.found || view.atRest)) {
      if (run.hasReason || !(await run.quiet())) continue;
      return view.found ? view : null;
    }
    if (run.hasReason) continue;
    if (workflowInfo().continueAsNewSuggested) {
      if (!(await run.quiet())) continue;
      return continueAsNew<typeof checkoutSession>({ sessionId });
    }
    if (view === null) await run.waitAfterProblem();
    else await run.waitForReason(view);
  }
}

/**
 * The session that this run is for, by its argument and by its workflow id. A start by somebody who got one of them wrong
 * ends at once, so that the next start, under the same workflow id, is that session's.
 * @throws ApplicationFailure WrongStart
 */
function requireSessionId(input: unknown): string {
  const named = sessionIdOf(workflowInfo().workflowId);
  const sessionId = partOf(input, 'sessionId');
  if (named !== null && isUuid(named) && sessionId === named) return named;
  throw ApplicationFailure.nonRetryable(
    'A run of checkoutSession needs the workflow id `checkout-session:<session id>`, and that session id as its argument.',
    'WrongStart',
  );
}
