/** P4 of one session: an ending is proven by the chain and by what was read, and lay behind no payment that would have paid. Pure. */
import type { Audited, Excuse, ExcuseReason } from './audit-evidence.ts';
import { deadlineOf, isOfAsset, type Fold } from './audit-fold.ts';
import { firstMissing } from './audit-intervals.ts';
import type { PartAudit, Violation } from './audit.ts';
import { ledgerPaymentKey } from './ledger-payment.ts';
import { formatAmount } from './money.ts';

/** Two transactions that began so close together may not have seen each other. */
const NEAR_MS = 60_000;
/**
 * A chain that began behind a deadline names its first ledger as the end, and may grow backwards later. It begins at the
 * newest ledger, so a ledger nearer to the deadline than a minute was known already.
 */
const NEAR_LEDGERS = 12;

/** A problem of an ending, and the reason for which it passes; null: none. */
type Problem = readonly [text: string, reason: ExcuseReason | null];

/** Checks the ending that settle wrote; a session without one has nothing to prove. */
export function auditEnding(found: Audited, fold: Fold): PartAudit {
  const { session, legacyEnding } = found;
  if (session.closedThroughLedger === null) {
    const problem = `The session is ${session.status} by its row alone.`;
    return { violations: [], excuses: legacyEnding ? [{ reason: 'legacy_ending', problem }] : [] };
  }
  const violations: Violation[] = [];
  const excuses: Excuse[] = [];
  for (const [text, reason] of problemsOf(found, fold, session.closedThroughLedger)) {
    const problem = `The session was closed ${text}`;
    if (reason === null) violations.push({ promise: 'P4', check: 'ending', problem });
    else excuses.push({ reason, problem });
  }
  return { violations, excuses };
}

function problemsOf(found: Audited, fold: Fold, end: number): Problem[] {
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
    ...auditMoney(found, fold, end),
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
function auditMoney({ session, ledger }: Audited, { placed }: Fold, end: number): Problem[] {
  const { endedAt, seenAt } = ledger;
  const deadline = deadlineOf(session);
  const onTime = placed
    .map(({ payment }) => payment)
    .filter((p) => isOfAsset(session, p) && p.ledger < end && p.closedAt <= deadline)
    .filter((p) => !p.assigned && p.verdict !== 'ambiguous');
  const sum = (payments: typeof onTime) => payments.reduce((total, p) => total + p.amount, 0n);
  if (sum(onTime) < session.price) return [];
  const known = onTime.filter((p) => {
    const seen = seenAt.get(ledgerPaymentKey(p));
    return endedAt !== null && seen !== undefined && seen.getTime() < endedAt.getTime() - NEAR_MS;
  });
  const wasEnough = sum(known) >= session.price;
  return [
    [
      `through ledger ${end}, but ${formatAmount(sum(wasEnough ? known : onTime))} of its ${formatAmount(session.price)} had arrived on time.`,
      wasEnough ? null : 'found_after_ending',
    ],
  ];
}
