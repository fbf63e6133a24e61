/**
 * The promises P1–P3 of one session, checked against its rows: what an auditor would ask, computed anew and not by the
 * code that wrote the rows. Pure; db/audit.ts reads the rows.
 */
import { isNative, sameAsset } from './asset.ts';
import { judge, type InboxPayment } from './judge.ts';
import { ledgerPaymentKey } from './ledger-payment.ts';
import { formatAmount, type Stroops } from './money.ts';
import { effectiveDeadline } from './session.ts';
import { decide, type SessionFacts } from './settle.ts';

/** A promise, by its number in docs/guarantees.md. */
export type PromiseId = 'P1' | 'P2' | 'P3' | 'P4';

/** A promise that the rows of one session break, in words. */
export type Violation = { readonly promise: PromiseId; readonly problem: string };

/** Checks one session. `facts.existingEvents` must be what is stored. Empty when every promise holds. */
export function auditSession(facts: SessionFacts): Violation[] {
  return [
    ...facts.payments.flatMap((payment) => auditPayment(facts, payment)),
    ...auditPaid(facts),
    ...auditEnding(facts),
    ...auditEvents(facts),
    ...auditFixpoint(facts),
  ];
}

/** P1: the one meaning of each ledger payment is one that its own facts allow. */
function auditPayment({ session, paymentRow }: SessionFacts, payment: InboxPayment): Violation[] {
  const { verdict } = payment;
  const name = `${formatAmount(payment.amount)} in ${ledgerPaymentKey(payment)}`;
  const broken = (problem: string): Violation[] => [
    { promise: 'P1', problem: `${name} ${problem}` },
  ];
  const rightAsset = sameAsset(payment.asset, session.asset);
  const late = payment.closedAt > effectiveDeadline(session);
  const named = [payment.txHash, payment.innerTxHash].includes(paymentRow?.txHash ?? '');
  switch (verdict) {
    case null:
      // It may be on its way; db/audit.ts finds those that have been for too long.
      return [];
    case 'unmatched':
      return broken('counts as unmatched, though its reference names this session.');
    case 'credited':
      if (!rightAsset) return broken('is credited, but is another asset.');
      if (payment.amount <= 0n) return broken('is credited, but is nothing.');
      return late && !named ? broken('is credited, but closed after the deadline.') : [];
    case 'wrong_asset':
      return rightAsset && (isNative(session.asset) || session.asset.issuer !== null)
        ? broken('is held as another asset, but it is the right one.')
        : [];
    case 'late':
      return late ? [] : broken('is held as late, but closed in time.');
    case 'duplicate':
      return paymentRow === null
        ? broken('is held as a duplicate, but the session is not paid.')
        : [];
    case 'nothing':
      return payment.amount === 0n ? [] : broken('is held as nothing, but has an amount.');
    case 'ambiguous':
    case 'after_cancellation':
      return [];
  }
}

/** P2: paid, if and only if one live payments row exists and the credited amounts reach the price. */
function auditPaid(facts: SessionFacts): Violation[] {
  const { session, payments, paymentRow } = facts;
  // What an operator returned of a paid session (its surplus, say) was credited all the same.
  const everCredited = payments.filter((p) => p.verdict === 'credited');
  const credited = sum(everCredited);
  const found: string[] = [];
  if (session.status === 'paid' && paymentRow === null && !isWithAPerson(facts)) {
    found.push('is paid without a payments row.');
  }
  if (session.status !== 'paid' && paymentRow !== null) {
    found.push(`has a payments row, but is ${session.status}.`);
  }
  if (paymentRow !== null && credited < session.price && !facts.legacy) {
    found.push(
      `is paid, but only ${formatAmount(credited)} of ${formatAmount(session.price)} is credited.`,
    );
  }
  const kept = sum(everCredited.filter((p) => !p.resolved));
  if (paymentRow === null && kept >= session.price && session.status !== 'paid') {
    found.push('has its price credited, but is not paid.');
  }
  if (paymentRow !== null && paymentRow.amount > credited && !facts.legacy) {
    found.push(
      `has a payments row of ${formatAmount(paymentRow.amount)}, but ${formatAmount(credited)} is credited.`,
    );
  }
  return found.map((problem) => ({ promise: 'P2', problem: `The session ${problem}` }));
}

/**
 * An older backend wrote `paid`, and the ledger does not say why: it is never un-paid, nobody was told by us, and a
 * person is asked, or has answered.
 */
function isWithAPerson({
  openAttention,
  answeredAttention,
  existingEvents,
}: SessionFacts): boolean {
  const kind = 'paid_without_evidence';
  const isAsked =
    openAttention.has(kind) || [...answeredAttention].some((a) => a.startsWith(`${kind} `));
  return isAsked && !existingEvents.has('payment.confirmed paid');
}

function sum(payments: readonly InboxPayment[]): Stroops {
  return payments.reduce((total, { amount }) => total + amount, 0n);
}

/** P4, as far as the database alone can tell: an ending that we wrote lies within the coverage. */
function auditEnding({ session, coverage }: SessionFacts): Violation[] {
  const through = session.closedThroughLedger;
  if (through === null || (coverage !== null && coverage.throughLedger >= through)) return [];
  const known = coverage === null ? 'nothing' : `ledger ${coverage.throughLedger}`;
  const problem = `The session was closed through ledger ${through}, but its account is covered only through ${known}.`;
  return [{ promise: 'P4', problem }];
}

/** P3: nobody was told something that is not so. What should have been told and was not shows as unsettled. */
function auditEvents({ session, existingEvents }: SessionFacts): Violation[] {
  const told = new Set([...existingEvents].map((event) => event.split(' ')[0]));
  const found: string[] = [];
  if (told.has('payment.confirmed') && session.status !== 'paid') {
    found.push(`payment.confirmed was told, but the session is ${session.status}.`);
  }
  const ended = told.has('session.expired') || told.has('session.cancelled');
  if (ended && session.closedThroughLedger === null) {
    found.push('An ending was told that no coverage proves.');
  }
  return found.map((problem) => ({ promise: 'P3', problem }));
}

/** Settling the session now, with every verdict judged afresh, would change nothing. */
function auditFixpoint(facts: SessionFacts): Violation[] {
  if (facts.payments.some((p) => p.verdict === null)) return [];
  const decision = decide(facts);
  const found: Violation[] = [];
  for (const event of decision.newEvents) {
    found.push({ promise: 'P3', problem: `The event ${event.type} (${event.fact}) is missing.` });
  }
  if (decision.status !== facts.session.status && !isPassing(facts, decision.status)) {
    found.push({
      promise: 'P2',
      problem: `The session is ${facts.session.status}, but the facts say ${decision.status}: ${decision.cause}.`,
    });
  }
  const fresh = facts.payments.map((p) => ({ ...p, verdict: null }));
  const anew = judge(facts.session, fresh, { ambiguous: facts.ambiguous, paidByTxHash: null });
  // Once it is paid or closed, what counted was decided by what had been found until then.
  const isUndecided = facts.paymentRow === null && facts.session.closedThroughLedger === null;
  if (isUndecided && anew.credited > decision.judgement.credited) {
    found.push({
      promise: 'P1',
      problem: `${formatAmount(anew.credited)} would be credited if it were judged now, but ${formatAmount(decision.judgement.credited)} is.`,
    });
  }
  return found;
}

/** `processing` comes and goes with time alone. */
function isPassing({ session }: SessionFacts, now: string): boolean {
  const open = new Set(['pending', 'processing']);
  return open.has(session.status) && open.has(now);
}
