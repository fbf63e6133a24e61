import { TOLD_ONE_BY_ONE, type Exception } from './exceptions.ts';
import type { Judgement, Verdict } from './judge.ts';
import type { LedgerPayment } from './ledger-payment.ts';
import { formatAmount } from './money.ts';
import type { Session } from './session.ts';
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
  | 'told_in_another_order'
  | 'event_not_of_facts'
  | 'many_exceptions'
  | 'too_many_endpoints'
  | 'set_aside'
  | 'edited'
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
 * as it is the same in every detail. `told`: the held payments that are told now.
 */
export function attentionChanges(
  session: Session,
  facts: SessionFacts,
  judgement: Judgement,
  told: readonly Exception[],
): {
  newAttention: { kind: AttentionKind; detail: string }[];
  goneAttention: AttentionKind[];
} {
  // While payments of the session are not read, nothing is said of it as a whole.
  if (facts.rest?.isCut === true) return { newAttention: [], goneAttention: [] };
  const reasons = attentionFor(session, facts, judgement, told);
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
  told: readonly Exception[],
): { kind: AttentionKind; detail: string }[] {
  const found: { kind: AttentionKind; detail: string }[] = [];
  const by = (verdict: Verdict) =>
    judged.filter((j) => j.verdict === verdict && !j.payment.resolved);
  const name = (p: Pick<LedgerPayment, 'amount' | 'txHash'>) =>
    `${formatAmount(p.amount)} in ${p.txHash}`;
  const { rest } = facts;
  const [ambiguous = null] = by('ambiguous').map((j) => j.payment);
  const unclear = ambiguous ?? rest?.ambiguous ?? null;
  if (unclear) {
    found.push({
      kind: 'ambiguous_reference',
      detail: `Another session has the reference ${session.reference} on this account: ${name(unclear)} is held.`,
    });
  }
  const unproven = session.status === 'paid' && facts.paymentRow === null && completing === null;
  if (unproven && isReadFar(facts)) {
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
  const before = rest?.before.everCredited ?? 0n;
  const sumEver = everCredited.reduce((sum, amount) => sum + amount, before);
  const short = sumEver < session.price;
  // A row whose transaction never came into the inbox is of before our time: it is judged by the row alone.
  const row = facts.paymentRow?.txHash ?? '';
  const seen =
    rest?.seesRow === true ||
    judged.some(({ payment: p }) => p.txHash === row || p.innerTxHash === row);
  const isCounted = everCredited.length > 0 || before > 0n;
  if (facts.paymentRow !== null && short && (seen || isCounted)) {
    found.push({
      kind: 'paid_but_short',
      detail: `The payments row says paid, but the ledger shows ${formatAmount(credited)} of ${formatAmount(session.price)}.`,
    });
  }
  const [late = null] = by('after_cancellation').map((j) => j.payment);
  const afterCancellation = rest?.before.afterCancellation ?? late;
  if (afterCancellation) {
    found.push({
      kind: 'paid_after_cancellation',
      detail: `Everybody was told that the session is cancelled; then ${name(afterCancellation)} was found, sent in time.`,
    });
  }
  const placed = judged.find((j) => j.placedAfter !== null && j.payment.placedAfter === null);
  if (placed) {
    found.push({
      kind: 'told_in_another_order',
      detail: `${name(placed.payment)} lies before payments that were decided without it: it was not shown then. It counts behind them; the events stay as they were sent.`,
    });
  }
  if (told.some(({ together }) => together !== null)) {
    found.push({
      kind: 'many_exceptions',
      detail: `More than ${TOLD_ONE_BY_ONE} payments of one reason are held. The merchant is told sums of the rest.`,
    });
  }
  if (neverProven(session, facts)) {
    found.push({
      kind: 'opening_not_covered',
      detail: `Its account is proven only through ledger ${facts.coverage?.provenThrough}, and no node shows the ledgers behind it: no reading can prove how it ended.`,
    });
  }
  return found;
}

/** The ledger is read as far as evidence for the session can lie: through its deadline, or to where the ledger is now. */
function isReadFar({ coverage }: SessionFacts): boolean {
  if (coverage === null) return false;
  const { readThrough, endLedger, newestLedger } = coverage;
  const lastOnTime = (endLedger ?? newestLedger) - 1;
  return readThrough >= Math.min(lastOnTime, newestLedger - READ_LAG_LEDGERS);
}

/** The reading may be this far behind the chain and still count as being there: two minutes. */
const READ_LAG_LEDGERS = 24;

/** Its deadline is over, and ledgers before it are missing that no node shows. */
function neverProven(session: Session, { coverage, legacyEnding }: SessionFacts): boolean {
  const isEnded = isOver({ ...session, legacy: legacyEnding });
  if (coverage === null || coverage.endLedger === null || isEnded) return false;
  return coverage.hasHole && coverage.provenThrough < coverage.endLedger - 1;
}
