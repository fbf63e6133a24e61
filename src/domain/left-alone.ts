import { type Judged, inLedgerOrder } from './judge.ts';
import { rowProblemInWords, type RowProblem } from './row-check.ts';
import type { Decision, SessionFacts } from './settle.ts';

/**
 * The decision for a row that is no session: its status stays, nobody is told anything, and a person is asked. Payments that
 * name it are `unmatched`, as if the row were not there: held, and judged again once the row is a session. Where another
 * session has the same reference, that one judges them.
 */
export function leaveAlone(facts: SessionFacts, problem: RowProblem): Decision {
  const { session, payments, ambiguous, openAttention, answeredAttention } = facts;
  const judged = [...payments].sort(inLedgerOrder).flatMap((payment): Judged[] =>
    payment.verdict === null && ambiguous
      ? []
      : [
          {
            payment,
            verdict: payment.verdict ?? 'unmatched',
            placedAfter: payment.placedAfter,
          },
        ],
  );
  const credited = judged
    .filter(({ payment, verdict }) => verdict === 'credited' && !payment.resolved)
    .reduce((sum, { payment }) => sum + payment.amount, facts.rest?.before.credited ?? 0n);
  const verdicts = judged.filter(({ payment, verdict }) => verdict !== payment.verdict);
  const detail = rowProblemInWords(problem);
  const isAsked =
    openAttention.has('not_a_session') || answeredAttention.has(`not_a_session ${detail}`);
  return {
    judgement: { judged, credited, completing: null, completed: 0n, waiting: [] },
    status: session.status,
    cause: `its row is not a session (${problem.field})`,
    closedThroughLedger: session.closedThroughLedger,
    finalDeadline: session.finalDeadline,
    processingSince: session.processingSince,
    verdicts,
    newPayment: null,
    newEvents: [],
    newAttention: isAsked ? [] : [{ kind: 'not_a_session', detail }],
    goneAttention: [],
    settlesRow: false,
    legacyEnding: facts.legacyEnding,
    changes: verdicts.length > 0 || !isAsked || facts.rest?.isUnwritten === true,
  };
}
