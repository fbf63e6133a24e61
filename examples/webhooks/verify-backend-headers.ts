/** Verifies by the existing backend's headers (X-OrbitStream-…), with Node alone. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { SettlementEvent } from '../../src/events.ts'; // yours: 'stellar-settlement/events'

/**
 * The event. Throws when it is not from us. What is signed never changes, so a repeat verifies, too: remember the
 * event's id. `rawBody` is the body as it arrived, unparsed; header names are in lower case, as Node gives them.
 */
export function verified(
  rawBody: string,
  headers: Record<string, string>,
  secret: string,
): SettlementEvent {
  const signed = `${headers['x-orbitstream-delivery-id']}.${headers['x-orbitstream-timestamp']}.${rawBody}`;
  const hmac = createHmac('sha256', secret).update(signed);
  const expected = Buffer.from(`sha256=${hmac.digest('hex')}`);
  const given = Buffer.from(headers['x-orbitstream-signature'] ?? '');
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw new Error('The signature does not match.');
  }
  return JSON.parse(rawBody) as SettlementEvent;
}
