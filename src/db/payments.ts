/** What became of a transaction, for operators. A transaction has a hundred operations at most. Reads only. */
import { sql } from 'drizzle-orm';
import { explain, type ExplainContext, type Explanation } from '../domain/explain.ts';
import { heldOfPayment, isDecided } from '../domain/held.ts';
import type { InboxPayment } from '../domain/judge.ts';
import { assetKey } from '../domain/asset.ts';
import { ledgerPaymentKey } from '../domain/ledger-payment.ts';
import { formatAmount } from '../domain/money.ts';
import { judgementOf } from '../domain/judgement.ts';
import type { SessionFacts } from '../domain/settle.ts';
import type { Db } from './connection.ts';
import { gatherFacts } from './facts.ts';
import { ORPHANED } from './predicates.ts';
import { INBOX_PAYMENT, toInboxPayment, type RawPayment } from './inbox-payment.ts';

/** A ledger payment, what it was judged to be, by which rule, and what happens next. */
export type ExplainedPayment = Explanation & {
  readonly payment: string;
  readonly verdict: string;
  readonly amount: string;
  readonly asset: string;
  readonly account: string;
  readonly sender: string;
  readonly reference: string | null;
  readonly ledger: number;
  readonly closedAt: string;
  readonly sessionId: string | null;
  readonly sessionStatus: string | null;
};

/** What became of a transaction, by its outer or inner hash: one entry for each movement. Empty when it is unknown. */
export async function explainPayments(db: Db, txHash: string): Promise<ExplainedPayment[]> {
  const { rows } = await db.execute<{ id: string }>(sql`
    SELECT DISTINCT session_id AS id FROM settlement.ledger_payments
    WHERE (tx_hash = ${txHash} OR inner_tx_hash = ${txHash}) AND session_id IS NOT NULL`);
  const facts = await gatherFacts(
    db,
    rows.map(({ id }) => id),
  );
  const judged = await paymentsOf(db, txHash);
  const ofSessions = judged.flatMap(({ payment, owner }) => {
    const f = owner === null ? undefined : facts.get(owner);
    if (f === undefined || !isDecided(payment)) return [];
    const { credited } = judgementOf(f);
    return [explained(payment, f, { credited, held: heldOfPayment(f, payment) })];
  });
  const others = await strangers(db, txHash);
  return [
    ...ofSessions,
    ...others.map((stranger) =>
      explained(stranger.payment, null, { credited: 0n, held: null, ...stranger }),
    ),
  ];
}

/** The movements of a transaction, each with the session that it belongs to now. */
async function paymentsOf(
  db: Db,
  txHash: string,
): Promise<{ payment: InboxPayment; owner: string | null }[]> {
  const { rows } = await db.execute<{ payment: RawPayment; owner: string | null }>(sql`
    SELECT ${INBOX_PAYMENT} AS payment, CASE WHEN NOT ${ORPHANED} THEN lp.session_id END AS owner
    FROM settlement.ledger_payments lp WHERE lp.tx_hash = ${txHash} OR lp.inner_tx_hash = ${txHash}
    ORDER BY lp.operation_id, lp.sub_index`);
  return rows.map(({ payment, owner }) => ({ payment: toInboxPayment(payment), owner }));
}

/** A ledger payment without a session, and why. */
type Stranger = {
  readonly payment: InboxPayment;
  /** The session that it was judged for, and that is gone. */
  readonly gone: string | null;
  /** What its reference names and is no session, in words. */
  readonly notSession: string | null;
};

/** The ledger payments of a transaction that have no session, whatever became of them. */
async function strangers(db: Db, txHash: string): Promise<Stranger[]> {
  const { rows } = await db.execute<{
    payment: RawPayment;
    gone: string | null;
    not_session: string | null;
  }>(sql`
    SELECT ${INBOX_PAYMENT} AS payment, lp.session_id AS gone,
      (SELECT 'Session ' || s.id || ' has its reference. ' || t.detail FROM checkout_sessions s
        JOIN settlement.attention t ON t.subject = s.id::text AND t.kind = 'not_a_session' AND t.resolved_at IS NULL
        WHERE s.receiving_account = lp.account AND s.memo = lp.reference LIMIT 1) AS not_session
    FROM settlement.ledger_payments lp
    WHERE (lp.tx_hash = ${txHash} OR lp.inner_tx_hash = ${txHash}) AND (lp.session_id IS NULL OR ${ORPHANED})
    ORDER BY lp.operation_id, lp.sub_index`);
  return rows.map(({ payment, gone, not_session }) => ({
    payment: toInboxPayment(payment),
    gone,
    notSession: not_session,
  }));
}

function explained(
  p: InboxPayment,
  facts: SessionFacts | null,
  context: Pick<ExplainContext, 'credited' | 'held'> &
    Partial<Pick<ExplainContext, 'gone' | 'notSession'>>,
): ExplainedPayment {
  const session = facts?.session ?? null;
  return {
    payment: ledgerPaymentKey(p),
    verdict: p.verdict ?? 'undecided',
    ...explain(p, {
      session,
      paidBy: facts?.paymentRow?.txHash ?? null,
      legacy: facts?.legacyEnding ?? false,
      gone: null,
      notSession: null,
      ...context,
    }),
    amount: formatAmount(p.amount),
    asset: assetKey(p.asset),
    account: p.account,
    sender: p.sender,
    reference: p.reference,
    ledger: p.ledger,
    closedAt: p.closedAt.toISOString(),
    sessionId: session?.id ?? context.gone ?? null,
    sessionStatus: session?.status ?? null,
  };
}
