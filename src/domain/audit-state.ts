/** The state of a session against what its rows call for: its status, and the events that must exist. Pure. */
import { expectedEvents } from './audit-due.ts';
import type { Audited } from './audit-evidence.ts';
import { deadlineOf, endingName, type Fold } from './audit-fold.ts';
import { firstMissing } from './audit-intervals.ts';
import type { Violation } from './audit.ts';

/** The status is the one that the rows call for, and every event that they call for exists. */
export function auditState(found: Audited, fold: Fold): Violation[] {
  const { session, existingEvents, legacy } = found;
  const expected = expectedState(found, fold);
  const violations: Violation[] = expectedEvents(found, expected, fold)
    .filter((event) => !existingEvents.has(event))
    // The older backend wrote `paid` and notified the merchant, or did not.
    .filter((event) => !(legacy && session.status === 'paid' && event === 'payment.confirmed paid'))
    .map((event) => ({
      promise: 'P3',
      check: 'event_missing',
      problem: `The event ${event.replace(' ', ' (')}) is missing.`,
      mayPass: true,
    }));
  if (expected.status !== session.status) {
    violations.push({
      promise: 'P2',
      check: 'unsettled',
      problem: `The session is ${session.status}, but the facts say ${expected.status}.`,
      mayPass: true,
    });
  }
  return violations;
}

/** The session as settle would leave it now. */
function expectedState({ session, paymentRow, legacyEnding, ledger }: Audited, { kept }: Fold) {
  if (paymentRow !== null || kept >= session.price || session.status === 'paid') {
    return { ...session, status: 'paid' } as const;
  }
  const { openedAfter, firstAfterDeadline: end, proven, parkedFrom } = ledger;
  const isProven =
    openedAfter !== null &&
    end !== null &&
    !legacyEnding &&
    (parkedFrom === null || parkedFrom >= end) &&
    firstMissing(proven, { from: openedAfter + 1, through: end - 1 }) === null;
  const closedThroughLedger = session.closedThroughLedger ?? (isProven ? end : null);
  if (closedThroughLedger === null) return session;
  return {
    ...session,
    closedThroughLedger,
    finalDeadline: deadlineOf(session),
    status: endingName(session),
  };
}
