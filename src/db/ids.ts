import { createHash } from 'node:crypto';
import { v5 } from 'uuid';
import type { EventType } from '../domain/event.ts';

/** The namespace of every id that this system derives. Changing it would mint every event again. */
const NAMESPACE = '6f0b4f0e-7a53-5d0c-9a3e-2f6a1c8f4b11';

/** The id of an event: the same fact has the same id on every machine and after every restore. */
export function eventId(sessionId: string, type: EventType, fact: string): string {
  return v5(`event:${sessionId}:${type}:${fact}`, NAMESPACE);
}

/** The id of the delivery of one event to one endpoint: what the older backend calls X-OrbitStream-Delivery-Id. */
export function deliveryId(event: string, endpoint: string): string {
  return v5(`delivery:${event}:${endpoint}`, NAMESPACE);
}

/** The id of the row in `payments` by which a session is paid. */
export function paymentId(sessionId: string, txHash: string): string {
  return v5(`payment:${sessionId}:${txHash}`, NAMESPACE);
}

/** The endpoint behind a merchant's `webhook_url`, which has no row of its own in `webhook_endpoints`. */
export function merchantEndpointId(merchantId: string): string {
  return v5(`endpoint:${merchantId}`, NAMESPACE);
}

/**
 * The reference of a session: a u64 derived from its id, printed in decimal. It serves as memo id, as memo text and
 * as the id in a muxed address. Never 0, since Horizon leaves a muxed id of 0 out.
 */
export function referenceFor(sessionId: string): string {
  const digest = createHash('sha256').update(`reference:${sessionId}`).digest();
  const id = digest.readBigUInt64BE(0);
  return (id === 0n ? 1n : id).toString();
}
