/** What the ledger payments of a session mean, from its facts. Pure. */
import { judge, type Judgement } from './judge.ts';
import { isOpen, type Session } from './session.ts';
import type { SessionFacts } from './settle.ts';

/** What the ledger payments of a session mean, from its facts. */
export function judgementOf(facts: SessionFacts): Judgement {
  const { session, payments, ambiguous, paymentRow, coverage } = facts;
  const known = standsByRow(facts) ? payments.map(({ ledger }) => ledger) : [];
  return judge(session, payments, {
    ambiguous,
    paidByTxHash: paymentRow?.txHash ?? null,
    openedAfter: coverage?.openedAfter ?? 0,
    readThrough: coverage?.readThrough ?? Math.max(0, ...known),
    ...(facts.rest === undefined ? {} : { before: facts.rest.before }),
  });
}

/** Nobody will read the ledger for it: what is found of it by chance is all that will ever be known. */
function standsByRow(facts: SessionFacts): boolean {
  if (facts.legacyEnding) return !isOpen(facts.session.status);
  return endedBeforeOurTime(facts.session, facts);
}

/**
 * An ending that an older backend wrote, of a session that is older than what is read back of the ledger: nothing can
 * prove or disprove it any more.
 */
export function endedBeforeOurTime(
  session: Session,
  { coverage, historyFrom }: SessionFacts,
): boolean {
  if (historyFrom === null || session.createdAt >= historyFrom) return false;
  const isEnded = session.status === 'expired' || session.status === 'cancelled';
  if (!isEnded || session.closedThroughLedger !== null) return false;
  return coverage === null;
}
