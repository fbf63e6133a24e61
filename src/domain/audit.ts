/**
 * The promises P1–P4 of one session, checked against its rows: what an auditor would ask, computed anew and not by the
 * code that wrote the rows. Pure; db/audit.ts reads the rows.
 */
import { auditEnding, createOnTime } from './audit-ending.ts';
import type { Audited, Excuse, ExcuseReason } from './audit-evidence.ts';
import { createFold, type Fold, type SeenPayment } from './audit-fold.ts';
import { createKept } from './audit-kept.ts';
import { createTotals } from './audit-totals.ts';
import { auditState } from './audit-state.ts';
import { auditVerdict } from './audit-verdicts.ts';
import { readThrough } from './audit-due.ts';
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
  totals: 'running totals of a session that are not those of its payments',
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

/** Findings kept of one session, of each check; and examples of each excuse. The rest is counted. */
const MOST_VIOLATIONS = 1_000;
const MOST_EXCUSES = 20;

/** What the audit of a session found, and what it let pass. */
export type SessionAudit = {
  readonly violations: readonly Violation[];
  /** How many more there were than are listed, of those that cannot pass. */
  readonly moreViolations: ReadonlyMap<Check, number>;
  readonly excuses: readonly Excuse[];
  readonly moreExcuses: ReadonlyMap<ExcuseReason, number>;
  readonly fold: Fold;
};

/**
 * The audit of one session under way: its payments come one after the other, in the order of `byPlace`, and only sums are
 * kept of them, and what is wrong. `existingEvents` must be what is stored. No violation when every promise holds.
 */
export function createSessionAudit(found: Audited): {
  readonly add: (payment: SeenPayment) => void;
  readonly end: () => SessionAudit;
} {
  const { session, ledger, ambiguous } = found;
  const fold = createFold(session, {
    openedAfter: ledger.openedAfter,
    olderRow: olderRowOf(found),
    ambiguous,
    readThrough: readThrough(found),
  });
  const onTime = createOnTime(found);
  const totals = createTotals(session);
  const passing = createKept<Violation, Check>(MOST_VIOLATIONS, ({ check }) => check);
  const broken = createKept<Violation, Check>(MOST_VIOLATIONS, ({ check }) => check);
  const excuses = createKept<Excuse, ExcuseReason>(MOST_EXCUSES, ({ reason }) => reason);
  const take = (part: PartAudit) => {
    for (const violation of part.violations) {
      // It was decided by a row that is no longer there.
      if (ledger.isEditedSince && BY_THE_ROW.has(violation.check)) {
        excuses.add({ reason: 'edited', problem: violation.problem });
      } else (violation.mayPass === true ? passing : broken).add(violation);
    }
    for (const excuse of part.excuses) excuses.add(excuse);
  };
  return {
    add: (payment) => {
      take(auditVerdict(found, fold.add(payment)));
      onTime.add(payment);
      totals.add(payment);
    },
    end: () => {
      const sums = fold.result();
      take(auditPaid(found, sums));
      take(auditEnding(found, onTime.result()));
      const wrongTotals = totals.problem(found.totals);
      if (wrongTotals !== null) {
        broken.add({ promise: 'P2', check: 'totals', problem: wrongTotals });
      }
      take({ violations: [...auditEvents(found), ...auditState(found, sums)], excuses: [] });
      return {
        violations: [...broken.kept, ...passing.kept],
        moreViolations: broken.more(),
        excuses: excuses.kept,
        moreExcuses: excuses.more(),
        fold: sums,
      };
    },
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
export type PartAudit = {
  readonly violations: readonly Violation[];
  readonly excuses: readonly Excuse[];
};

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
