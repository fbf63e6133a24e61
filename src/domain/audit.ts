/**
 * The promises P1–P4 of one session, checked against its rows: what an auditor would ask, computed anew and not by the
 * code that wrote the rows. Pure; db/audit.ts reads the rows.
 */
import { isNative, sameAsset } from './asset.ts';
import { judge, type InboxPayment } from './judge.ts';
import { ledgerPaymentKey } from './ledger-payment.ts';
import { formatAmount, type Stroops } from './money.ts';
import { effectiveDeadline } from './session.ts';
import { decide, type SessionFacts } from './settle.ts';

/** A promise that rows can break, by its number in docs/guarantees.md. What breaks P6 leaves no row. */
export type PromiseId = 'P1' | 'P2' | 'P3' | 'P4' | 'P5';

/** Everything that the audit looks for, in a few words each. */
export const CHECKS = {
  no_verdict: 'a ledger payment that nobody has judged for over a minute',
  wrong_verdict: 'a ledger payment with a meaning that its own facts do not allow',
  not_in_inbox: 'a payment that Horizon shows and the inbox lacks',
  not_on_ledger: 'a payment in the inbox that Horizon does not show',
  differs_from_ledger: 'a payment of which the inbox says something else than Horizon',
  paid: 'paid, one payments row and a credited price do not go together',
  payment_mark: 'payment_id and settled_at do not name the payment by which a session is paid',
  unsettled: 'a session that is not what its facts say',
  unreadable: 'a session with a number that is none, which nothing can judge',
  event_missing: 'a fact without its event',
  event_false: 'an event of something that is not so',
  event_doubled: 'a second event of one fact, or a second telling of it',
  event_bytes: 'an event whose id or bytes are not those its fact makes',
  delivery_stray: 'a delivery that is not of the event it names',
  delivery_missing: 'an event that a subscribed endpoint was never to get',
  delivery_unproven: 'a delivery that no attempt or letter accounts for',
  delivery_forgotten: 'an open delivery at which nobody will look',
  sequence: 'a gap or a double in the line of a session to an endpoint',
  ending: 'an ending that coverage does not prove',
  transition: 'a change of a status that must not be',
  chain: 'a ledger of the chain that does not fit the others, or that the network has otherwise',
  no_run: 'a session that is not at rest, and for which no workflow runs',
} as const satisfies Record<string, string>;

/** One of the things that the audit looks for. */
export type Check = keyof typeof CHECKS;

/** A promise that the rows of one session break, in words. */
export type Violation = {
  readonly promise: PromiseId;
  readonly check: Check;
  readonly problem: string;
  /**
   * A session on its way looks so too, between two transactions: after its account was read, say, and before it is settled.
   * It breaks the promise only if it stays so. All else is wrong in whatever snapshot it is seen.
   */
  readonly mayPass?: true;
};

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
    { promise: 'P1', check: 'wrong_verdict', problem: `${name} ${problem}` },
  ];
  const rightAsset = sameAsset(payment.asset, session.asset);
  const late = payment.closedAt > effectiveDeadline(session);
  const named = [payment.txHash, payment.innerTxHash].includes(paymentRow?.txHash ?? '');
  switch (verdict) {
    case null:
      // It may be on its way; db/audit-inbox.ts finds those that have been for too long.
      return [];
    case 'unmatched':
      // The session may have been opened just now.
      return broken('counts as unmatched, though its reference names this session.').map((v) => ({
        ...v,
        mayPass: true,
      }));
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
  return found.map((problem) => ({
    promise: 'P2',
    check: 'paid',
    problem: `The session ${problem}`,
  }));
}

/**
 * An older backend wrote `paid`, and the ledger does not say why: it is never un-paid, nobody was told by us, and a
 * person is asked, or has answered.
 */
export function isWithAPerson({
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

/**
 * P4, as far as the coverage of now can tell: an ending that we wrote lies within it, from the opening through the
 * effective deadline. Coverage only grows, so what it does not prove now, it did not prove then.
 */
function auditEnding({ session, coverage }: SessionFacts): Violation[] {
  const through = session.closedThroughLedger;
  if (through === null) return [];
  const broken = (problem: string): Violation[] => [
    { promise: 'P4', check: 'ending', problem: `The session was closed ${problem}` },
  ];
  if (coverage === null || coverage.provenThrough < through - 1) {
    const known = coverage === null ? 'nothing' : `ledger ${coverage.provenThrough}`;
    return broken(`through ledger ${through}, but its account is covered only through ${known}.`);
  }
  return [];
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
  return found.map((problem) => ({ promise: 'P3', check: 'event_false', problem }));
}

/** Settling the session now, with every verdict judged afresh, would change nothing. */
function auditFixpoint(facts: SessionFacts): Violation[] {
  if (facts.payments.some((p) => p.verdict === null)) return [];
  const decision = decide(facts);
  const found: Violation[] = [];
  for (const event of decision.newEvents) {
    found.push({
      promise: 'P3',
      check: 'event_missing',
      problem: `The event ${event.type} (${event.fact}) is missing.`,
      mayPass: true,
    });
  }
  if (decision.status !== facts.session.status && !isPassing(facts, decision.status)) {
    found.push({
      promise: 'P2',
      check: 'unsettled',
      problem: `The session is ${facts.session.status}, but the facts say ${decision.status}: ${decision.cause}.`,
      mayPass: true,
    });
  }
  const fresh = facts.payments.map((p) => ({ ...p, verdict: null }));
  const anew = judge(facts.session, fresh, {
    ambiguous: facts.ambiguous,
    paidByTxHash: null,
    openedAfter: facts.coverage?.openedAfter ?? 0,
    readThrough: facts.coverage?.readThrough ?? 0,
  });
  // Once it is paid or closed, what counted was decided by what had been found until then.
  const isUndecided = facts.paymentRow === null && facts.session.closedThroughLedger === null;
  if (isUndecided && anew.credited > decision.judgement.credited) {
    found.push({
      promise: 'P1',
      check: 'wrong_verdict',
      problem: `${formatAmount(anew.credited)} would be credited if it were judged now, but ${formatAmount(decision.judgement.credited)} is.`,
      mayPass: true,
    });
  }
  return found;
}

/** `processing` comes and goes with time alone. */
function isPassing({ session }: SessionFacts, now: string): boolean {
  const open = new Set(['pending', 'processing']);
  return open.has(session.status) && open.has(now);
}
