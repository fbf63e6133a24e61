/** Deliveries of events that are not what their facts make: set aside with attention, and taken up when the facts say so. */
import { sql } from 'drizzle-orm';
import type { NextDelivery } from './deliveries.ts';
import type { Db } from './connection.ts';
import { BACK_IN_LINE, giveUp } from './attempts.ts';
import { deriveEvent } from './true-event.ts';

/** The kind of attention, and the reason of the dead letter. */
const NOT_OF_FACTS = 'event_not_of_facts';

type Aside = { delivery_id: string; event_id: string; merchant_id: string; endpoint_id: string };

/** So many of a session are looked at again in one turn. */
const MOST_TAKEN_UP = 10;

/** Gives the delivery up without a POST, and asks a person about its session, once while nobody has answered. */
export async function setAside(db: Db, sessionId: string, head: NextDelivery): Promise<void> {
  await giveUp(db, head, 'not_of_facts');
  await db.execute(sql`
    INSERT INTO settlement.attention (subject, kind, detail)
    SELECT ${sessionId}, ${NOT_OF_FACTS}, ${detailOf(head)}
    WHERE EXISTS (SELECT FROM checkout_sessions WHERE id = ${sessionId})
      AND NOT EXISTS (SELECT FROM settlement.attention t WHERE t.subject = ${sessionId}
        AND t.kind = ${NOT_OF_FACTS} AND t.detail = ${detailOf(head)} AND t.resolved_at IS NOT NULL)
    ON CONFLICT (subject, kind) WHERE resolved_at IS NULL DO NOTHING`);
}

const detailOf = ({ eventId, event }: NextDelivery) =>
  `The stored event ${eventId} (${event}) is not what the ledger and the session make of it. It was not signed or sent.`;

/**
 * Puts deliveries back in line that were set aside and whose fact has become true. Without attention of this kind, answered
 * or not, it is one look into an index.
 */
export async function takeUpTrue(db: Db, sessionId: string): Promise<void> {
  const { rows } = await db.execute<Aside>(sql`
    SELECT d.delivery_id, d.event_id, d.merchant_id, d.endpoint_id FROM webhook_deliveries d
    JOIN webhook_dead_letters l ON l.delivery_id = d.delivery_id AND l.reason = 'not_of_facts'
    WHERE EXISTS (SELECT FROM settlement.attention t WHERE t.subject = ${sessionId} AND t.kind = ${NOT_OF_FACTS})
      AND d.session_id = ${sessionId} AND d.status = 'dead' AND d.event_id IS NOT NULL AND d.endpoint_id IS NOT NULL
    ORDER BY (d.event = 'payment.confirmed') DESC, l.created_at DESC LIMIT ${MOST_TAKEN_UP}`);
  for (const { delivery_id: deliveryId, event_id: eventId, ...to } of rows) {
    const delivery = { eventId, sessionId, merchantId: to.merchant_id, endpointId: to.endpoint_id };
    if ((await deriveEvent(db, delivery)) === null) continue;
    await db.execute(sql`
      UPDATE webhook_deliveries SET ${BACK_IN_LINE} WHERE delivery_id = ${deliveryId} AND status = 'dead'`);
  }
}
