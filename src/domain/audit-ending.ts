/** P4 of one session: an ending is proven by the chain and by what was read, and lay behind no payment that would have paid. Pure. */
import type { Audited, Excuse, ExcuseReason } from './audit-evidence.ts';
import { deadlineOf, isOfAsset, type SeenPayment } from './audit-fold.ts';
import { firstMissing } from './audit-intervals.ts';
import type { PartAudit, Violation } from './audit.ts';
import { formatAmount, type Stroops } from './money.ts';

/** Two transactions that began so close together may not have seen each other. */
const NEAR_MS = 60_000;
/**
 * A chain that began behind a deadline names its first ledger as the end, and may grow backwards later. It begins at the
 * newest ledger, so a ledger nearer to the deadline than a minute was known already.
 */
const NEAR_LEDGERS = 12;

/** A problem of an ending, and the reason for which it passes; null: none. */
type Problem = readonly [text: string, reason: ExcuseReason | null];

/** What had arrived on time before the ledger that the ending names, in stroops. */
export type OnTime = {
  readonly all: Stroops;
  /** What was in the inbox when the ending was written. */
  readonly known: Stroops;
};

/** Sums up what had arrived on time, one payment after the other; nothing of a session without an ending. */
export function createOnTime({ session, ledger }: Audited): {
  add(payment: SeenPayment): void;
  result(): OnTime;
} {
  const deadline = deadlineOf(session);
  const end = session.closedThroughLedger ?? 0;
  const by = ledger.endedAt === null ? -Infinity : ledger.endedAt.getTime() - NEAR_MS;
  let [all, known] = [0n, 0n];
  return {
    add: (payment) => {
      const { assigned, verdict, amount } = payment;
      if (payment.ledger >= end || payment.closedAt > deadline) return;
      if (!isOfAsset(session, payment) || assigned || verdict === 'ambiguous') return;
      all += amount;
      if (payment.seenAt.getTime() < by) known += amount;
    },
    result: () => ({ all, known }),
  };
}

/** Checks the ending that settle wrote; a session without one has nothing to prove. */
export function auditEnding(found: Audited, onTime: OnTime): PartAudit {
  const { session, legacyEnding } = found;
  if (session.closedThroughLedger === null) {
    const problem = `The session is ${session.status} by its row alone.`;
    return { violations: [], excuses: legacyEnding ? [{ reason: 'legacy_ending', problem }] : [] };
  }
  const violations: Violation[] = [];
  const excuses: Excuse[] = [];
  for (const [text, reason] of problemsOf(found, onTime, session.closedThroughLedger)) {
    const problem = `The session was closed ${text}`;
    if (reason === null) violations.push({ promise: 'P4', check: 'ending', problem });
    else excuses.push({ reason, problem });
  }
  return { violations, excuses };
}

function problemsOf(found: Audited, onTime: OnTime, end: number): Problem[] {
  const { openedAfter, isTaken, endedAt, resetAt } = found.ledger;
  const through = `through ledger ${end}`;
  if (endedAt !== null && resetAt !== null && endedAt < resetAt) {
    return [[`${through}, before the network was reset.`, 'before_reset']];
  }
  if (openedAfter === null || !isTaken) {
    return [[`${through} by a version that kept no chain of ledgers.`, 'earlier_version']];
  }
  if (found.session.finalDeadline === null) {
    return [[`${through}, but its final deadline is not written down.`, null]];
  }
  return [
    ...auditLedger(found, openedAfter, end),
    ...auditCoverage(found, openedAfter, end),
    ...auditMoney(found, onTime, end),
  ];
}

/** The ledger of the ending is the first one behind the opening that closed strictly after the deadline. */
function auditLedger({ session, ledger }: Audited, openedAfter: number, end: number): Problem[] {
  const { endClosedAt, beforeEndClosedAt, chainFrom, firstAfterDeadline } = ledger;
  const deadline = deadlineOf(session);
  const at = `its deadline ${deadline.toISOString()}`;
  if (endClosedAt === null) {
    const isForgotten = chainFrom !== null && end < chainFrom;
    return [[`through ledger ${end}, which the chain lacks.`, isForgotten ? 'forgotten' : null]];
  }
  if (endClosedAt <= deadline) {
    return [
      [
        `through ledger ${end}, which closed at ${endClosedAt.toISOString()}, not after ${at}.`,
        null,
      ],
    ];
  }
  if (beforeEndClosedAt === null || beforeEndClosedAt <= deadline) return [];
  if (end === openedAfter + 1) return [];
  const isFar = firstAfterDeadline !== null && end - firstAfterDeadline > NEAR_LEDGERS;
  return [
    [
      `through ledger ${end}, but the one before it closed at ${beforeEndClosedAt.toISOString()}, after ${at} already.`,
      isFar ? 'later_end' : null,
    ],
  ];
}

/** Every ledger from the opening up to the end is proven. */
function auditCoverage({ ledger }: Audited, openedAfter: number, end: number): Problem[] {
  const { proven, keptFrom } = ledger;
  const wanted = { from: openedAfter + 1, through: end - 1 };
  const missing = firstMissing(proven, wanted);
  if (missing === null) return [];
  const kept = firstMissing(proven, { ...wanted, from: Math.max(wanted.from, keptFrom) });
  return [
    [
      `through ledger ${end}, but ledger ${kept ?? missing} of its account is not proven.`,
      kept === null ? 'forgotten' : null,
    ],
  ];
}

/** The on-time payments of the ledgers before the end do not reach the price, as far as they had been found. */
function auditMoney({ session }: Audited, { all, known }: OnTime, end: number): Problem[] {
  if (all < session.price) return [];
  const wasEnough = known >= session.price;
  return [
    [
      `through ledger ${end}, but ${formatAmount(wasEnough ? known : all)} of its ${formatAmount(session.price)} had arrived on time.`,
      wasEnough ? null : 'found_after_ending',
    ],
  ];
}
