/** Verifies by the Standard Webhooks headers, with their library: `npm install standardwebhooks`. */
import { Webhook } from 'standardwebhooks';
import type { SettlementEvent } from '../../src/events.ts'; // yours: 'stellar-settlement/events'

/**
 * The event. Throws when it is not from us, or was signed more than five minutes ago. `rawBody` is the body as it
 * arrived, unparsed; header names are in lower case, as Node gives them.
 */
export function verified(
  rawBody: string,
  headers: Record<string, string>,
  secret: string,
): SettlementEvent {
  return new Webhook(secret).verify(rawBody, headers) as SettlementEvent;
}
