/** Ledger payments for operators: what is held, and what became of a transaction. Reads only. */
import { sql } from 'drizzle-orm';
import { explain, type ExplainContext, type Explanation } from '../domain/explain.ts';
import { heldOf, heldOfPayment, type HeldReason } from '../domain/held.ts';
import type { InboxPayment } from '../domain/judge.ts';
import { assetKey } from '../domain/asset.ts';
import { ledgerPaymentKey, type LedgerPayment } from '../domain/ledger-payment.ts';
import { formatAmount, type Stroops } from '../domain/money.ts';
import { judgementOf } from '../domain/judgement.ts';
import type { SessionFacts } from '../domain/settle.ts';
import type { Db } from './connection.ts';
import { gatherFacts, type GatheredFacts } from './facts.ts';
import { ORPHANED, over } from './predicates.ts';
import {
  INBOX_PAYMENT,
  PAYMENTS_OF_SESSION,
  toInboxPayment,
  type RawPayment,
} from './inbox-payment.ts';

/** Why money is held; `session_gone`: the session it was judged for was deleted, or no longer names it. */
export type ListedReason = HeldReason | 'session_gone';

/** Money that was received and not used. Amounts are decimals, times ISO 8601. */
export type HeldPayment = {
  readonly payment: string;
  readonly reason: ListedReason;
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
/** Payments of one session read in one statement. */
const PAGE = 1_000;

/** Everything that is held now, the oldest first; of one account, if given. */
export async function heldPayments(db: Db, account: string | null = null): Promise<HeldPayment[]> {
  const held = (await strangers(db, account, null)).map(({ payment, gone }) =>
    gone === null
      ? heldRow(
          payment,
          payment.verdict === 'ambiguous' ? 'ambiguous' : 'unmatched',
          payment.amount,
          null,
        )
      : heldRow(payment, 'session_gone', payment.amount, gone),
  );
  const ids = await sessionsHolding(db, account);
  for (let i = 0; i < ids.length; i += BATCH) {
    const facts = await gatherFacts(db, ids.slice(i, i + BATCH));
    for (const [id, f] of facts) {
      if (f.rest !== undefined) {
        held.push(...(await heldAmongMany(db, f)));
        continue;
      }
      const found = heldOf(f.session, judgementOf(f), f.legacyEnding).filter(
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
  const others = await strangers(db, null, txHash);
  return [
    ...ofSessions,
    ...others.map((stranger) =>
      explained(stranger.payment, null, { credited: 0n, held: null, ...stranger }),
    ),
  ];
}

/** What is held of a session with very many payments, read page by page. */
async function heldAmongMany(db: Db, facts: GatheredFacts): Promise<HeldPayment[]> {
  const { id } = facts.session;
  const judgement = judgementOf(facts);
  const held: HeldPayment[] = [];
  let after: Pick<InboxPayment, 'operationId' | 'subIndex'> = { operationId: '0', subIndex: -1 };
  for (let isMore = true; isMore;) {
    const { rows } = await db.execute<{ payment: RawPayment }>(sql`
      SELECT ${INBOX_PAYMENT} AS payment FROM (
        SELECT p.* FROM checkout_sessions s, LATERAL ${PAYMENTS_OF_SESSION} p
        WHERE s.id = ${id} AND (p.operation_id, p.sub_index) > (${after.operationId}::bigint, ${after.subIndex}::int)
        ORDER BY p.operation_id, p.sub_index LIMIT ${PAGE}) lp`);
    for (const { payment } of rows) {
      const p = toInboxPayment(payment);
      const found = isDecided(p) ? heldOfPayment(facts, p, judgement) : null;
      if (found !== null) held.push(heldRow(p, found.reason, found.amount, id));
    }
    after = rows.at(-1)?.payment ?? after;
    isMore = rows.length === PAGE;
  }
  return held;
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

/** What has no session of its own is listed once, by `strangers`, though every session with its reference sees it. */
function isDecided({ verdict }: InboxPayment): boolean {
  return verdict !== null && verdict !== 'unmatched' && verdict !== 'ambiguous';
}

/** A ledger payment without a session, and why. */
type Stranger = {
  readonly payment: InboxPayment;
  /** The session that it was judged for, and that is gone. */
  readonly gone: string | null;
  /** What its reference names and is no session, in words. */
  readonly notSession: string | null;
};

/** Ledger payments without a session: held ones, or those of a transaction whatever became of them. */
async function strangers(
  db: Db,
  account: string | null,
  txHash: string | null,
): Promise<Stranger[]> {
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
    WHERE (lp.session_id IS NULL OR ${ORPHANED}) AND (${account}::text IS NULL OR lp.account = ${account})
      AND CASE WHEN ${txHash}::text IS NULL
        THEN lp.verdict IS NOT NULL AND lp.resolved_at IS NULL
        ELSE lp.tx_hash = ${txHash} OR lp.inner_tx_hash = ${txHash} END
    ORDER BY lp.operation_id, lp.sub_index`);
  return rows.map(({ payment, gone, not_session }) => ({
    payment: toInboxPayment(payment),
    gone,
    notSession: not_session,
  }));
}

/** Sessions of which something may be held: another verdict than credited, an end without a price, a surplus. */
async function sessionsHolding(db: Db, account: string | null): Promise<string[]> {
  const { rows } = await db.execute<{ id: string }>(sql`
    SELECT s.id FROM settlement.ledger_payments lp JOIN checkout_sessions s ON s.id = lp.session_id
    WHERE lp.resolved_at IS NULL AND (${account}::text IS NULL OR lp.account = ${account})
    GROUP BY s.id HAVING bool_or(lp.verdict <> 'credited')
      OR (s.status <> 'paid' AND ${over('s')})
      OR sum(lp.amount) FILTER (WHERE lp.verdict = 'credited') > s.amount
    ORDER BY s.id`);
  return rows.map(({ id }) => id);
}

function heldRow(
  p: LedgerPayment,
  reason: ListedReason,
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
