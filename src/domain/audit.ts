/**
 * The promises P1–P4 of one session, checked against its rows: what an auditor would ask, computed anew and not by the
 * code that wrote the rows. Pure; db/audit.ts reads the rows.
 */
import { auditEnding } from './audit-ending.ts';
import type { Audited, Excuse } from './audit-evidence.ts';
import { deadlineOf, endingName, foldOf, type Fold } from './audit-fold.ts';
import { firstMissing } from './audit-intervals.ts';
import { auditVerdicts } from './audit-verdicts.ts';
import { expectedEvents } from './audit-due.ts';
import { formatAmount } from './money.ts';

/** A promise that rows can break, by its number in docs/guarantees.md. What breaks P6 leaves no row. */
export type PromiseId = 'P1' | 'P2' | 'P3' | 'P4' | 'P5';

/** Everything that the audit looks for, in a few words each. */
export const CHECKS = {
  no_verdict: 'a ledger payment that nobody has judged for over a minute',
  wrong_verdict: 'a ledger payment with a meaning that its own facts, or its place, do not allow',
  unread: 'a payment that is credited though not everything before it was read',
  not_in_inbox: 'a payment that Horizon shows and the inbox lacks',
  not_on_ledger: 'a payment in the inbox that Horizon does not show',
  differs_from_ledger: 'a payment of which the inbox says something else than Horizon or the chain',
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
  ending: 'an ending that chain and coverage do not prove',
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

/** What the audit of a session found, and what it let pass. */
export type SessionAudit = {
  readonly violations: readonly Violation[];
  readonly excuses: readonly Excuse[];
  readonly fold: Fold;
};

/** Checks one session. `existingEvents` must be what is stored. No violation when every promise holds. */
export function auditSession(found: Audited): SessionAudit {
  const fold = foldOf(found.session, found.payments, {
    openedAfter: found.ledger.openedAfter,
    olderRow: olderRowOf(found),
    ambiguous: found.ambiguous,
  });
  const parts = [auditVerdicts(found, fold), auditPaid(found, fold), auditEnding(found, fold)];
  const all = [
    ...parts.flatMap(({ violations }) => violations),
    ...auditEvents(found),
    ...auditState(found, fold),
  ];
  // It was decided by a row that is no longer there.
  const isExcused = ({ check }: Violation) => found.ledger.isEditedSince && BY_THE_ROW.has(check);
  const edited = all
    .filter(isExcused)
    .map(({ problem }) => ({ reason: 'edited', problem }) as const);
  return {
    violations: all.filter((one) => !isExcused(one)),
    excuses: [...parts.flatMap(({ excuses }) => excuses), ...edited],
    fold,
  };
}

/** What is judged by price, asset, account and memo of the row as it is now. */
const BY_THE_ROW: ReadonlySet<Check> = new Set([
  'paid',
  'wrong_verdict',
  'unread',
  'ending',
  'unsettled',
  'event_missing',
]);

/** What one part of the audit of a session gives. */
export type PartAudit = Pick<SessionAudit, 'violations' | 'excuses'>;

function olderRowOf({ paymentRow, ledger }: Audited): string | null {
  return paymentRow === null || ledger.isOwnRow ? null : paymentRow.txHash;
}

/** P2: paid, if and only if one live payments row exists and the credited amounts reach the price. */
function auditPaid(
  found: Audited,
  { credited, kept, completing, completed, hasReturned }: Fold,
): PartAudit {
  const { session, paymentRow, legacy, ledger } = found;
  const problems: string[] = [];
  const excuses: Excuse[] = [];
  const isPaid = session.status === 'paid';
  if (isPaid && paymentRow === null) {
    const problem = 'The session is paid without a payments row.';
    if (isWithAPerson(found)) excuses.push({ reason: 'with_a_person', problem });
    else problems.push(problem);
  }
  if (!isPaid && paymentRow !== null) {
    problems.push(`The session has a payments row, but is ${session.status}.`);
  }
  if (!isPaid && paymentRow === null && kept >= session.price) {
    problems.push('The session has its price credited, but is not paid.');
  }
  if (paymentRow === null) return { violations: problems.map(brokenPaid), excuses };
  const { txHash, amount } = paymentRow;
  const ofRow: string[] = [];
  if (credited < session.price) {
    ofRow.push(
      `The session is paid, but only ${formatAmount(credited)} of ${formatAmount(session.price)} is credited.`,
    );
  }
  if (amount > credited) {
    ofRow.push(
      `The session has a payments row of ${formatAmount(amount)}, but ${formatAmount(credited)} is credited.`,
    );
  }
  if (ledger.isOwnRow && completing !== null && ofRow.length === 0) {
    const isExact = completing.txHash === txHash && completed === amount;
    const problem = `The session has a payments row of ${formatAmount(amount)} by ${txHash}, but the price was reached with ${formatAmount(completed)} by ${completing.txHash}.`;
    if (!isExact && hasReturned) excuses.push({ reason: 'returned', problem });
    else if (!isExact && !ledger.isTaken) excuses.push({ reason: 'earlier_version', problem });
    else if (!isExact) ofRow.push(problem);
  }
  if (legacy) excuses.push(...ofRow.map((problem) => ({ reason: 'legacy_row', problem }) as const));
  else problems.push(...ofRow);
  return { violations: problems.map(brokenPaid), excuses };
}

function brokenPaid(problem: string): Violation {
  return { promise: 'P2', check: 'paid', problem };
}

/**
 * An older backend wrote `paid`, and the ledger does not say why: it is never un-paid, no event was made of it, and a
 * person is asked, or has answered.
 */
export function isWithAPerson({
  openAttention,
  answeredAttention,
  existingEvents,
}: Pick<Audited, 'openAttention' | 'answeredAttention' | 'existingEvents'>): boolean {
  const kind = 'paid_without_evidence';
  const isAsked =
    openAttention.has(kind) || [...answeredAttention].some((a) => a.startsWith(`${kind} `));
  return isAsked && !existingEvents.has('payment.confirmed paid');
}

/** P3: no event of something that is not so. Events that are missing: auditState. */
function auditEvents({ session, existingEvents }: Audited): Violation[] {
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

/** The status is the one that the rows call for, and every event that they call for exists. */
function auditState(found: Audited, fold: Fold): Violation[] {
  const { session, existingEvents, legacy } = found;
  const expected = expectedState(found, fold);
  const violations: Violation[] = expectedEvents({ ...found, session: expected }, fold)
    .filter(({ type, fact }) => !existingEvents.has(`${type} ${fact}`))
    // The older backend wrote `paid` and notified the merchant, or did not.
    .filter(({ type }) => !(legacy && session.status === 'paid' && type === 'payment.confirmed'))
    .map((event) => ({
      promise: 'P3',
      check: 'event_missing',
      problem: `The event ${event.type} (${event.fact}) is missing.`,
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
