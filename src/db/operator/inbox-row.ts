/** One ledger payment under an operator's hands: found by its key, locked, and whom it concerns. */
import { sql } from 'drizzle-orm';
import { Refusal } from '../../domain/failure.ts';
import type { InboxPayment } from '../../domain/judge.ts';
import { isTxHash } from '../../domain/ledger-payment.ts';
import type { Db } from '../connection.ts';
import { ORPHANED } from '../predicates.ts';
import { INBOX_PAYMENT, toInboxPayment, type RawPayment } from '../inbox-payment.ts';

/** The parts of a ledger payment's key. */
export type PaymentKey = {
  readonly txHash: string;
  readonly opIndex: number;
  readonly subIndex: number;
};

/** Reads a key as it is printed everywhere. @throws Refusal InvalidInput */
export function parsePaymentKey(text: string): PaymentKey {
  const [txHash = '', opIndex = '', subIndex = '', ...more] = text.split(':');
  const isIndex = (part: string) => /^(0|[1-9]\d{0,3})$/.test(part);
  if (isTxHash(txHash) && isIndex(opIndex) && isIndex(subIndex) && more.length === 0) {
    return { txHash, opIndex: Number(opIndex), subIndex: Number(subIndex) };
  }
  throw new Refusal(
    'InvalidInput',
    `Not the key of a ledger payment: ${JSON.stringify(text)}. It is <tx hash>:<operation index>:<sub index>, as \`settle payments held\` prints it.`,
    'payment',
  );
}

/** A row of the inbox, and what is known of it beside the movement itself. */
export type InboxRow = {
  readonly payment: InboxPayment;
  readonly sessionId: string | null;
  /** That session is gone: its row was deleted, or no longer names the payment. */
  readonly orphaned: boolean;
  /** It is part of what that session was paid with, whatever its row says now. */
  readonly paidWith: boolean;
  readonly assignedTo: string | null;
  readonly resolvedBy: string | null;
  readonly resolution: string | null;
};

/** The row of a ledger payment; locked, where `lock` says so. @throws Refusal InvalidInput when it is not in the inbox */
export async function findPayment(db: Db, key: PaymentKey, lock: boolean): Promise<InboxRow> {
  const { rows } = await db.execute<{
    payment: RawPayment;
    session_id: string | null;
    orphaned: boolean;
    paid_with: boolean;
    assigned_to: string | null;
    resolved_by: string | null;
    resolution: string | null;
  }>(sql`
    SELECT ${INBOX_PAYMENT} AS payment, lp.session_id, ${ORPHANED} AS orphaned,
      lp.verdict = 'credited' AND EXISTS (SELECT FROM checkout_sessions paid WHERE paid.id = lp.session_id AND paid.status = 'paid') AS paid_with,
      lp.assigned_to, lp.resolved_by, lp.resolution
    FROM settlement.ledger_payments lp
    WHERE (lp.tx_hash, lp.op_index, lp.sub_index) = (${key.txHash}, ${key.opIndex}, ${key.subIndex})
    ${lock ? sql`FOR UPDATE` : sql``}`);
  const [row] = rows;
  if (!row) {
    throw new Refusal(
      'InvalidInput',
      `No ledger payment ${key.txHash}:${key.opIndex}:${key.subIndex} has been read. \`settle payments held\` and \`settle payments why <tx hash>\` show keys.`,
      'payment',
    );
  }
  return {
    payment: toInboxPayment(row.payment),
    sessionId: row.session_id,
    orphaned: row.orphaned,
    paidWith: row.paid_with,
    assignedTo: row.assigned_to,
    resolvedBy: row.resolved_by,
    resolution: row.resolution,
  };
}

/** Everybody to whom it matters what becomes of a payment: its session, and all that its reference names. */
export async function sessionsConcerned(
  tx: Db,
  { payment, sessionId, assignedTo }: InboxRow,
): Promise<string[]> {
  const { rows } = await tx.execute<{ id: string }>(sql`
    SELECT s.id FROM checkout_sessions s
    WHERE s.receiving_account = ${payment.account} AND s.memo = ${payment.reference}
    UNION SELECT s.id FROM checkout_sessions s
    WHERE s.id = ANY(${sql.param([sessionId, assignedTo].filter((id) => id !== null))}::uuid[])`);
  return rows.map(({ id }) => id);
}
