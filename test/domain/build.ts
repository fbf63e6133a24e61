/** Sessions, ledger payments and facts with defaults, so that a test names only what it is about. */
import type { Asset } from '../../src/domain/asset.ts';
import type { InboxPayment, JudgeContext } from '../../src/domain/judge.ts';
import { ledgerPaymentKey } from '../../src/domain/ledger-payment.ts';
import { parseAmount } from '../../src/domain/money.ts';
import type { Session } from '../../src/domain/session.ts';
import type { Decision, PaymentRow, SessionFacts } from '../../src/domain/settle.ts';
import type { Coverage } from '../../src/domain/coverage.ts';

export const USDC: Asset = {
  code: 'USDC',
  issuer: 'GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN',
};

/** The same code from somebody else. */
export const FAKE_USDC: Asset = {
  code: 'USDC',
  issuer: 'GBRPYHIL2CI3FNQ4BXLFMNDLFJUNPU2HY3ZMFSHONUCEOASW7QC7OX2H',
};

export const PAYER = 'GCEZWKCA5VLDNRLN3RPRJMRZOX3Z6G5CHCGSNFHEYVXM3XOJMDS674JZ';

/** An instant, in minutes after the session opened. By default its deadline is minute 30. */
export function minute(minutes: number): Date {
  return new Date(Date.parse('2026-03-01T12:00:00Z') + minutes * 60_000);
}

/** The number of the ledger that closed at a minute, or last before it; minute 0 is ledger 10000, one closes every 5 s. */
export function ledgerOf(minutes: number): number {
  return 10_000 + Math.floor(minutes * 12);
}

/** The ledger after which the session of `session()` was opened. */
export const OPENED_AFTER = ledgerOf(0) - 1;

/** The hash of the n-th transaction of a test. */
export function txHash(n: number): string {
  return n.toString(16).padStart(64, '0');
}

/** An open session: 10 USDC, opened in minute 0, to be paid by minute 30. */
export function session(fields: Partial<Session> = {}): Session {
  return {
    id: '3f2b8c1e-5d4a-4c6b-9e7f-0a1b2c3d4e5f',
    merchantId: '7a6b5c4d-3e2f-4a1b-8c9d-0e1f2a3b4c5d',
    price: parseAmount('10'),
    asset: USDC,
    receivingAccount: 'GDQP2KPQGKIHYJGXNUIYOMHARUARCA7DJT5FO2FFOOKY3B2WSQHG4W37',
    reference: '4242',
    status: 'pending',
    processingSince: null,
    createdAt: minute(0),
    expiresAt: minute(30),
    cancelAt: null,
    closedThroughLedger: null,
    finalDeadline: null,
    metadata: { order: 'A-17' },
    ...fields,
  };
}

/**
 * The n-th transaction of a test, paying the session: by default USDC, at minute 5. Ledger order is close time, then n,
 * then the operation's index.
 */
export function pay(n: number, amount: string, fields: Partial<InboxPayment> = {}): InboxPayment {
  const closedAt = fields.closedAt ?? minute(5);
  const opIndex = fields.opIndex ?? 0;
  const ledger = 10_000 + Math.floor((closedAt.getTime() - minute(0).getTime()) / 5_000);
  const operationId = (BigInt(ledger) << 32n) + (BigInt(n) << 12n) + BigInt(opIndex + 1);
  return {
    txHash: txHash(n),
    innerTxHash: null,
    opIndex,
    subIndex: 0,
    operationId: operationId.toString(),
    ledger,
    closedAt,
    type: 'payment',
    account: session().receivingAccount,
    sender: PAYER,
    asset: USDC,
    amount: parseAmount(amount),
    reference: '4242',
    referenceSource: 'memo_id',
    verdict: null,
    placedAfter: null,
    resolved: false,
    assigned: false,
    ...fields,
  };
}

/** A context in which nobody else has the reference, and the session has no `payments` row. */
export function context(fields: Partial<JudgeContext> = {}): JudgeContext {
  return {
    ambiguous: false,
    paidByTxHash: null,
    openedAfter: OPENED_AFTER,
    readThrough: ledgerOf(1_000),
    ...fields,
  };
}

/** The `payments` row that names the n-th transaction. */
export function row(n: number, amount: string): PaymentRow {
  return { txHash: txHash(n), amount: parseAmount(amount), sender: PAYER, confirmedAt: minute(5) };
}

/** Everything that pages can show is read, and nothing is proven: payments are credited, and nothing ends. */
export const READ: Coverage = {
  openedAfter: OPENED_AFTER,
  readThrough: ledgerOf(1_000),
  provenThrough: OPENED_AFTER,
  endLedger: null,
  hasHole: false,
  newestLedger: ledgerOf(1_000),
};

/**
 * The ledger is read and proven from one minute through another; the chain knows when the deadline was over. A reading that
 * begins after minute 0 leaves a hole behind the opening.
 */
export function covered(from: number, through: number, deadline = 30): Coverage {
  const reached = from > 0 ? OPENED_AFTER : Math.max(ledgerOf(through), OPENED_AFTER);
  return {
    ...READ,
    readThrough: reached,
    provenThrough: reached,
    endLedger: ledgerOf(deadline) + 1,
  };
}

/** What is known in minute 6 of a session that nobody has paid, reported or read the ledger for. */
export function facts(fields: Partial<SessionFacts> = {}): SessionFacts {
  return {
    session: session(),
    rowProblem: null,
    payments: [],
    paymentRow: null,
    ambiguous: false,
    coverage: READ,
    undecoded: false,
    reportedAt: null,
    everReported: false,
    legacy: false,
    rowSettled: false,
    rowForeign: false,
    legacyEnding: false,
    historyFrom: null,
    existingEvents: new Set(),
    openAttention: new Set(),
    answeredAttention: new Set(),
    now: minute(6),
    ...fields,
  };
}

/** The facts after a decision was written: what db/settle.ts does to the database. */
export function apply(before: SessionFacts, decision: Decision): SessionFacts {
  const { status, closedThroughLedger, finalDeadline, processingSince } = decision;
  const verdicts = new Map(decision.verdicts.map((j) => [ledgerPaymentKey(j.payment), j]));
  const gone = new Set<string>(decision.goneAttention);
  return {
    ...before,
    session: { ...before.session, status, closedThroughLedger, finalDeadline, processingSince },
    payments: before.payments.map((payment) => {
      const { verdict, placedAfter } = verdicts.get(ledgerPaymentKey(payment)) ?? payment;
      return { ...payment, verdict, placedAfter };
    }),
    paymentRow: before.paymentRow ?? decision.newPayment,
    existingEvents: new Set([
      ...before.existingEvents,
      ...decision.newEvents.map(({ type, fact }) => `${type} ${fact}`),
    ]),
    rowSettled: before.rowSettled || decision.settlesRow,
    rowForeign: false,
    legacyEnding: decision.legacyEnding,
    openAttention: new Set([
      ...[...before.openAttention].filter((kind) => !gone.has(kind)),
      ...decision.newAttention.map(({ kind }) => kind),
    ]),
  };
}
