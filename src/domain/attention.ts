import type { Judged, Judgement, Verdict } from './judge.ts';
import { formatAmount } from './money.ts';
import { effectiveDeadline, type Session } from './session.ts';
import type { SessionFacts } from './settle.ts';
import { isOver } from './terms.ts';

/** Why a person must look. Each is explained in docs/operations.md. */
export type AttentionKind =
  | 'ambiguous_reference'
  | 'paid_without_evidence'
  | 'foreign_payment'
  | 'foreign_delivery'
  | 'paid_but_short'
  | 'paid_after_cancellation'
  | 'undecoded_record'
  | 'opening_not_covered'
  | 'not_a_session';

/** Reasons that stand or fall with the facts of a session. The others stand until a person answers them. */
const OF_FACTS: readonly AttentionKind[] = [
  'ambiguous_reference',
  'paid_without_evidence',
  'paid_but_short',
  'paid_after_cancellation',
  'opening_not_covered',
  'not_a_session',
];

/**
 * What a person must look at from now on, and what no longer. What a person has answered is not asked again as long
 * as it is the same in every detail.
 */
export function attentionChanges(
  session: Session,
  facts: SessionFacts,
  judgement: Judgement,
): {
  newAttention: { kind: AttentionKind; detail: string }[];
  goneAttention: AttentionKind[];
} {
  const reasons = attentionFor(session, facts, judgement);
  const newAttention = reasons.filter(
    ({ kind, detail }) =>
      !facts.openAttention.has(kind) && !facts.answeredAttention.has(`${kind} ${detail}`),
  );
  const standing = new Set(reasons.map(({ kind }) => kind));
  const goneAttention = OF_FACTS.filter(
    (kind) => facts.openAttention.has(kind) && !standing.has(kind),
  );
  return { newAttention, goneAttention };
}

function attentionFor(
  session: Session,
  facts: SessionFacts,
  { judged, credited, completing }: Judgement,
): { kind: AttentionKind; detail: string }[] {
  const found: { kind: AttentionKind; detail: string }[] = [];
  const by = (verdict: Verdict) =>
    judged.filter((j) => j.verdict === verdict && !j.payment.resolved);
  const name = ({ payment }: Judged) => `${formatAmount(payment.amount)} in ${payment.txHash}`;
  const [ambiguous] = by('ambiguous');
  if (ambiguous) {
    found.push({
      kind: 'ambiguous_reference',
      detail: `Another session has the reference ${session.reference} on this account: ${name(ambiguous)} is held.`,
    });
  }
  const unproven = session.status === 'paid' && facts.paymentRow === null && completing === null;
  if (unproven && isReadFar(session, facts)) {
    found.push({
      kind: 'paid_without_evidence',
      detail: `The session is paid, but there is no payments row and the ledger shows ${formatAmount(credited)} of ${formatAmount(session.price)}.`,
    });
  }
  if (facts.rowForeign) {
    found.push({
      kind: 'foreign_payment',
      detail: `Somebody else wrote the payments row of ${facts.paymentRow?.txHash} after this system had taken over. Switch off what wrote it.`,
    });
  }
  // What an operator returned of a paid session (its surplus, say) does not make it short.
  const everCredited = judged.filter((j) => j.verdict === 'credited').map((j) => j.payment.amount);
  const short = everCredited.reduce((sum, amount) => sum + amount, 0n) < session.price;
  // A row whose transaction never came into the inbox is of before our time: it is judged by the row alone.
  const row = facts.paymentRow?.txHash ?? '';
  const seen = judged.some(({ payment: p }) => p.txHash === row || p.innerTxHash === row);
  if (facts.paymentRow !== null && short && (seen || everCredited.length > 0)) {
    found.push({
      kind: 'paid_but_short',
      detail: `The payments row says paid, but the ledger shows ${formatAmount(credited)} of ${formatAmount(session.price)}.`,
    });
  }
  const [afterCancellation] = by('after_cancellation');
  if (afterCancellation) {
    found.push({
      kind: 'paid_after_cancellation',
      detail: `Everybody was told that the session is cancelled; then ${name(afterCancellation)} was found, sent in time.`,
    });
  }
  if (neverProven(session, facts)) {
    found.push({
      kind: 'opening_not_covered',
      detail: `Its account is read only from ${facts.coverage?.fromTime.toISOString()} on, after its opening: no reading can prove how it ended.`,
    });
  }
  return found;
}

/** The ledger is read as far as evidence for the session can lie: through its deadline, or to where the ledger is now. */
function isReadFar(session: Session, { coverage, now }: SessionFacts): boolean {
  if (coverage === null) return false;
  const far = Math.min(effectiveDeadline(session).getTime(), now.getTime() - READ_LAG_MS);
  return coverage.throughTime.getTime() >= far;
}

/** The reading may be this far behind the ledger and still count as being there. */
const READ_LAG_MS = 120_000;

/** Its deadline is covered, but its opening is not and never will be: coverage does not grow backwards. */
function neverProven(session: Session, { coverage, legacyEnding }: SessionFacts): boolean {
  if (coverage === null || isOver({ ...session, legacy: legacyEnding })) return false;
  return (
    coverage.fromTime > session.createdAt && coverage.throughTime >= effectiveDeadline(session)
  );
}
