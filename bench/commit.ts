/**
 * The commit as a careful engineer writes it without us: one payment, one SERIALIZABLE transaction on the same tables
 * with the same constraints, four round trips. All arms but ours use it, with the same retries as ours.
 */
import { sql } from 'drizzle-orm';
import type { Pool } from 'pg';
import type { Db } from '../src/db/connection.ts';
import { deliveryId, eventId, merchantEndpointId } from '../src/db/ids.ts';
import { serializable } from '../src/db/serializable.ts';
import { eventBody } from '../src/domain/event.ts';
import { parseAmount } from '../src/domain/money.ts';
import { signedHeaders } from '../src/webhook/sign.ts';
import type { WebhookSender } from '../src/webhook/post.ts';
import type { Payment } from './arms/arm.ts';

type Session = {
  id: string;
  merchant_id: string;
  status: string;
  price: string;
  asset_code: string;
  asset_issuer: string | null;
  expires_at: string;
};

/** Commits one payment: its row in the inbox and, when it is the one that pays, the session, payment, event and delivery. */
export async function commitPayment(pool: Pool, payment: Payment): Promise<{ paid: boolean }> {
  const { value } = await serializable(pool, async (tx) => {
    const { rows } = await tx.execute<Session>(sql`
      SELECT id, merchant_id, status, amount::text AS price, asset_code, asset_issuer, expires_at::text
      FROM checkout_sessions
      WHERE receiving_account = ${payment.account} AND memo = ${payment.reference} FOR UPDATE`);
    const [session] = rows;
    if (!session) throw new Error(`No session has the reference ${payment.reference ?? 'none'}.`);
    const pays =
      session.status === 'pending' &&
      session.asset_code === payment.asset.code &&
      session.asset_issuer === payment.asset.issuer &&
      new Date(payment.closedAt) <= new Date(session.expires_at) &&
      parseAmount(payment.amount) >= parseAmount(session.price);
    await write(tx, session, payment, pays);
    return { paid: pays || session.status === 'paid' };
  });
  return value;
}

async function write(tx: Db, session: Session, p: Payment, pays: boolean): Promise<void> {
  const id = eventId(session.id, 'payment.confirmed', 'paid');
  const endpoint = merchantEndpointId(session.merchant_id);
  const data = {
    sessionId: session.id,
    txHash: p.txHash,
    amount: p.amount,
    asset: p.asset.code,
    sender: p.sender,
    price: session.price,
    overpaid: '0.0000000',
    assetIssuer: p.asset.issuer,
    memo: p.reference,
    metadata: null,
  };
  const occurredAt = new Date(p.closedAt);
  const body = eventBody(id, { type: 'payment.confirmed', fact: 'paid', occurredAt, data });
  await tx.execute(sql`
    WITH inbox AS (
      INSERT INTO settlement.ledger_payments (tx_hash, op_index, sub_index, operation_id, ledger, closed_at,
        type, account, sender, asset_code, asset_issuer, amount, reference, reference_source, verdict,
        session_id, decided_at)
      VALUES (${p.txHash}, ${p.opIndex}, ${p.subIndex}, ${p.operationId}, ${p.ledger}, ${p.closedAt}, ${p.type},
        ${p.account}, ${p.sender}, ${p.asset.code}, ${p.asset.issuer}, ${p.amount}, ${p.reference},
        ${p.referenceSource}, ${pays ? 'credited' : 'duplicate'}, ${session.id}, now())
      ON CONFLICT DO NOTHING),
    session AS (
      UPDATE checkout_sessions SET status = 'paid' WHERE id = ${session.id} AND ${pays}::boolean),
    paid AS (
      INSERT INTO payments (session_id, merchant_id, tx_hash, amount, asset_code, asset_issuer,
        sender_address, confirmed_at)
      SELECT ${session.id}::uuid, ${session.merchant_id}::uuid, ${p.txHash}, ${p.amount}::numeric,
        ${p.asset.code}, ${p.asset.issuer}, ${p.sender}, ${p.closedAt}::timestamptz WHERE ${pays}::boolean),
    event AS (
      INSERT INTO settlement.events (id, session_id, merchant_id, type, fact, body, occurred_at)
      SELECT ${id}::uuid, ${session.id}::uuid, ${session.merchant_id}::uuid, 'payment.confirmed', 'paid',
        ${body}, ${p.closedAt}::timestamptz WHERE ${pays}::boolean)
    INSERT INTO webhook_deliveries (merchant_id, session_id, event, payload, delivery_id, sequence, priority,
      event_id, endpoint_id)
    SELECT ${session.merchant_id}::uuid, ${session.id}::uuid, 'payment.confirmed',
      ${JSON.stringify({ event: 'payment.confirmed', data })}::jsonb, ${deliveryId(id, endpoint)}::uuid, 1, 1,
      ${id}::uuid, ${endpoint}::uuid WHERE ${pays}::boolean`);
}

type Open = {
  delivery_id: string;
  event_id: string;
  sequence: number;
  occurred_at: string;
  body: string;
  url: string;
  secret: string;
};

/** Sends a session's webhook if it is not delivered yet, and marks it. @throws Error unless the receiver answers 2xx */
export async function deliver(db: Db, sender: WebhookSender, sessionId: string): Promise<void> {
  const { rows } = await db.execute<Open>(sql`
    SELECT d.delivery_id, d.event_id, d.sequence, e.occurred_at::text, e.body, m.webhook_url AS url,
      m.webhook_secret AS secret
    FROM webhook_deliveries d JOIN settlement.events e ON e.id = d.event_id
    JOIN merchants m ON m.id = d.merchant_id
    WHERE d.session_id = ${sessionId} AND d.status = 'pending'`);
  for (const row of rows) {
    const event = {
      eventId: row.event_id,
      deliveryId: row.delivery_id,
      event: 'payment.confirmed',
      sequence: row.sequence,
      occurredAt: new Date(row.occurred_at),
      body: row.body,
      secrets: [row.secret] as const,
    };
    const answer = await sender.post(row.url, signedHeaders(event, new Date()), row.body);
    if (answer.kind !== 'answered' || answer.status >= 300) {
      throw new Error(`The webhook was not accepted: ${answer.kind} ${answer.detail}`);
    }
    await db.execute(sql`
      UPDATE webhook_deliveries SET status = 'delivered', delivered_at = now(), attempts = attempts + 1,
        response_status = ${answer.status} WHERE delivery_id = ${row.delivery_id}`);
  }
}
