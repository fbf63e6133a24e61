/** Ids that derive from facts, computed anew for the audit: a change of db/ids.ts would mint what was told again. */
import { createHash } from 'node:crypto';

/** The namespace of ids that merchants already have. */
const NAMESPACE = '6f0b4f0e7a535d0c9a3e2f6a1c8f4b11';

/** The id of an event. */
export function eventId(sessionId: string, type: string, fact: string): string {
  return named(['event', sessionId, type, fact]);
}

/** The id of the delivery of an event to an endpoint. */
export function deliveryId(event: string, endpoint: string): string {
  return named(['delivery', event, endpoint]);
}

/** The id of the row by which a session is paid. */
export function paymentId(sessionId: string, txHash: string): string {
  return named(['payment', sessionId, txHash]);
}

/** A UUID of version 5 (RFC 9562, 5.5). */
function named(parts: readonly string[]): string {
  const hash = createHash('sha1').update(Buffer.from(NAMESPACE, 'hex')).update(parts.join(':'));
  const hex = hash.digest('hex');
  const variant = ((Number.parseInt(hex.slice(16, 18), 16) & 0x3f) | 0x80).toString(16);
  const third = `5${hex.slice(13, 16)}`;
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    third,
    variant + hex.slice(18, 20),
    hex.slice(20, 32),
  ].join('-');
}
