/** Facts of a session as the audit reads them: the evidence that a test's coverage stands for. */
import { createSessionAudit, type SessionAudit, type Violation } from '../../src/domain/audit.ts';
import type { Audited, LedgerEvidence } from '../../src/domain/audit-evidence.ts';
import { byPlace, deadlineOf } from '../../src/domain/audit-fold.ts';
import { ledgerPaymentKey } from '../../src/domain/ledger-payment.ts';
import { decide, type SessionFacts } from '../../src/domain/settle.ts';
import { apply, facts, minute } from './build.ts';

/** The facts as settle leaves them. */
export function settled(fields: Partial<SessionFacts> = {}): SessionFacts {
  const before = facts(fields);
  return apply(before, decide(before));
}

/** When a ledger closed: ledger 10000 in minute 0, one every 5 s. */
export function closeTime(ledger: number): Date {
  return new Date(minute(0).getTime() + (ledger - 10_000) * 5_000);
}

/** The number of the first ledger that closed strictly after an instant. */
function firstAfter(instant: Date): number {
  return 10_001 + Math.floor((instant.getTime() - minute(0).getTime()) / 5_000);
}

/** What a test is about: of the ledger, of when payments came into the inbox (minute 60), and of the stored totals. */
export type More = Partial<LedgerEvidence> & {
  readonly seenAt?: ReadonlyMap<string, Date>;
  readonly totals?: unknown;
};

/** A session with everything that the ledger says about it; `more` is what a test is about. */
export function audited(found: SessionFacts, { totals = null, ...more }: More = {}): Audited {
  const { coverage, session, payments, paymentRow } = found;
  const end = session.closedThroughLedger;
  const from = (coverage?.openedAfter ?? 0) + 1;
  const ledger: LedgerEvidence = {
    openedAfter: coverage?.openedAfter ?? null,
    isTaken: coverage !== null,
    proven: coverage === null ? [] : [{ from, through: coverage.provenThrough }],
    read: coverage === null ? [] : [{ from, through: coverage.readThrough }],
    holes: [],
    keptFrom: 0,
    chainFrom: 1,
    firstAfterDeadline:
      (coverage?.endLedger ?? null) === null ? null : firstAfter(deadlineOf(session)),
    endClosedAt: end === null ? null : closeTime(end),
    beforeEndClosedAt: end === null ? null : closeTime(end - 1),
    parkedFrom: null,
    endedAt: end === null ? null : minute(60),
    resetAt: null,
    isOwnRow: paymentRow !== null && payments.some((p) => p.txHash === paymentRow.txHash),
    isEditedSince: false,
    ...more,
  };
  return { ...found, ledger, totals };
}

/** The audit of a session, fed with its payments in their order. */
export function audit(found: SessionFacts, more: More = {}): SessionAudit {
  const facts = audited(found, more);
  const session = createSessionAudit(facts);
  for (const payment of found.payments.toSorted(byPlace(facts.ledger.openedAfter ?? 0))) {
    session.add({ ...payment, seenAt: more.seenAt?.get(ledgerPaymentKey(payment)) ?? minute(60) });
  }
  return session.end();
}

/** What the audit says is broken. */
export function violations(found: SessionFacts, more: More = {}): readonly Violation[] {
  return audit(found, more).violations;
}

/** The reasons for which it let something pass. */
export function excuses(found: SessionFacts, more: More = {}): string[] {
  return audit(found, more).excuses.map(({ reason }) => reason);
}
