/** Ledger payments for operators: what is held, and what became of a transaction. Reads only. */
import { sql } from 'drizzle-orm';
import { explain, type Explanation } from '../domain/explain.ts';
import { heldOf, type HeldReason } from '../domain/held.ts';
import type { InboxPayment } from '../domain/judge.ts';
import { assetKey } from '../domain/asset.ts';
import { ledgerPaymentKey, type LedgerPayment } from '../domain/ledger-payment.ts';
import { formatAmount, type Stroops } from '../domain/money.ts';
import { judgementOf, type SessionFacts } from '../domain/settle.ts';
import type { Db } from './connection.ts';
import { gatherFacts } from './facts.ts';
import { INBOX_PAYMENT, toInboxPayment, type RawPayment } from './inbox-payment.ts';

/** Money that was received and not used. Amounts are decimals, times ISO 8601. */
export type HeldPayment = {
  readonly payment: string;
  readonly reason: HeldReason;
  readonly amount: string;
  readonly asset: string;
  readonly account: string;
  readonly sender: string;
  readonly reference: string | null;
  readonly sessionId: string | null;
  readonly closedAt: string;
};

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

/** Sessions looked at in one statement. */
const BATCH = 200;

/** Everything that is held now, the oldest first; of one account, if given. */
export async function heldPayments(db: Db, account: string | null = null): Promise<HeldPayment[]> {
  const held = (await strangers(db, account, null)).map((p) =>
    heldRow(p, p.verdict === 'ambiguous' ? 'ambiguous' : 'unmatched', p.amount, null),
  );
  const ids = await sessionsHolding(db, account);
  for (let i = 0; i < ids.length; i += BATCH) {
    const facts = await gatherFacts(db, ids.slice(i, i + BATCH));
    for (const [id, f] of facts) {
      const found = heldOf(f.session, judgementOf(f)).filter(
        ({ reason }) => reason !== 'ambiguous',
      );
      held.push(...found.map((h) => heldRow(h.payment, h.reason, h.amount, id)));
    }
  }
  return held.sort((a, b) => a.closedAt.localeCompare(b.closedAt));
}

/** What became of a transaction, by its outer or inner hash: one entry for each movement. Empty when it is unknown. */
export async function explainPayments(db: Db, txHash: string): Promise<ExplainedPayment[]> {
  const { rows } = await db.execute<{ id: string }>(sql`
    SELECT DISTINCT session_id AS id FROM settlement.ledger_payments
    WHERE (tx_hash = ${txHash} OR inner_tx_hash = ${txHash}) AND session_id IS NOT NULL`);
  const ids = rows.map(({ id }) => id);
  const facts = [...(await gatherFacts(db, ids)).values()];
  const ofSessions = facts.flatMap((f) => {
    const judgement = judgementOf(f);
    const held = new Map(heldOf(f.session, judgement).map((h) => [ledgerPaymentKey(h.payment), h]));
    return f.payments
      .filter((p) => isDecided(p) && [p.txHash, p.innerTxHash].includes(txHash))
      .map((p) =>
        explained(p, f, {
          credited: judgement.credited,
          held: held.get(ledgerPaymentKey(p)) ?? null,
        }),
      );
  });
  const others = await strangers(db, null, txHash);
  return [...ofSessions, ...others.map((p) => explained(p, null, { credited: 0n, held: null }))];
}

/** What has no session of its own is listed once, by `strangers`, though every session with its reference sees it. */
function isDecided({ verdict }: InboxPayment): boolean {
  return verdict !== null && verdict !== 'unmatched' && verdict !== 'ambiguous';
}

/** Ledger payments without a session: held ones, or those of a transaction whatever became of them. */
async function strangers(
  db: Db,
  account: string | null,
  txHash: string | null,
): Promise<InboxPayment[]> {
  const { rows } = await db.execute<{ payment: RawPayment }>(sql`
    SELECT ${INBOX_PAYMENT} AS payment FROM settlement.ledger_payments lp
    WHERE lp.session_id IS NULL AND (${account}::text IS NULL OR lp.account = ${account})
      AND CASE WHEN ${txHash}::text IS NULL
        THEN lp.verdict IS NOT NULL AND lp.resolved_at IS NULL
        ELSE lp.tx_hash = ${txHash} OR lp.inner_tx_hash = ${txHash} END
    ORDER BY lp.operation_id, lp.sub_index`);
  return rows.map(({ payment }) => toInboxPayment(payment));
}

/** Sessions of which something may be held: another verdict than credited, an end without a price, a surplus. */
async function sessionsHolding(db: Db, account: string | null): Promise<string[]> {
  const { rows } = await db.execute<{ id: string }>(sql`
    SELECT s.id FROM settlement.ledger_payments lp JOIN checkout_sessions s ON s.id = lp.session_id
    WHERE lp.resolved_at IS NULL AND (${account}::text IS NULL OR lp.account = ${account})
    GROUP BY s.id HAVING bool_or(lp.verdict <> 'credited')
      OR (s.status <> 'paid' AND s.closed_through_ledger IS NOT NULL)
      OR sum(lp.amount) FILTER (WHERE lp.verdict = 'credited') > s.amount
    ORDER BY s.id`);
  return rows.map(({ id }) => id);
}

function heldRow(
  p: LedgerPayment,
  reason: HeldReason,
  amount: Stroops,
  sessionId: string | null,
): HeldPayment {
  return {
    payment: ledgerPaymentKey(p),
    reason,
    amount: formatAmount(amount),
    asset: assetKey(p.asset),
    account: p.account,
    sender: p.sender,
    reference: p.reference,
    sessionId,
    closedAt: p.closedAt.toISOString(),
  };
}

function explained(
  p: InboxPayment,
  facts: SessionFacts | null,
  context: Pick<Parameters<typeof explain>[1], 'credited' | 'held'>,
): ExplainedPayment {
  const session = facts?.session ?? null;
  return {
    payment: ledgerPaymentKey(p),
    verdict: p.verdict ?? 'undecided',
    ...explain(p, { session, paidBy: facts?.paymentRow?.txHash ?? null, ...context }),
    amount: formatAmount(p.amount),
    asset: assetKey(p.asset),
    account: p.account,
    sender: p.sender,
    reference: p.reference,
    ledger: p.ledger,
    closedAt: p.closedAt.toISOString(),
    sessionId: session?.id ?? null,
    sessionStatus: session?.status ?? null,
  };
}
