import { createHmac } from 'node:crypto';

/** What is sent, and to whom; everything that signing needs. */
export type SignedEvent = {
  readonly eventId: string;
  readonly deliveryId: string;
  readonly event: string;
  /** Position among the events of this session at this endpoint, from 1. */
  readonly sequence: number;
  /** When the fact became true: the `timestamp` inside the body, fixed for ever. */
  readonly occurredAt: Date;
  /** The exact text that is sent. */
  readonly body: string;
  /** The current secret first; the old one behind it while one rotates. Never empty. */
  readonly secrets: readonly [string, ...string[]];
};

/**
 * The headers of one attempt, in both families:
 * - Standard Webhooks 1.0: `webhook-id` is the event's and the same at every attempt and every endpoint; signed afresh
 *   with the time of the attempt, once with each secret.
 * - The existing backend's: `sha256=<hex HMAC(secret, deliveryId.timestamp.body)>`, over things that never change.
 * @throws RangeError for a secret that holds no key (see `canSign`)
 */
export function signedHeaders(event: SignedEvent, sentAt: Date): Record<string, string> {
  const seconds = Math.floor(sentAt.getTime() / 1000);
  const content = `${event.eventId}.${seconds}.${event.body}`;
  const timestamp = event.occurredAt.toISOString();
  const [current] = event.secrets;
  const legacy = createHmac('sha256', current).update(
    `${event.deliveryId}.${timestamp}.${event.body}`,
  );
  return {
    'content-type': 'application/json',
    'user-agent': 'stellar-settlement/1',
    'webhook-id': event.eventId,
    'webhook-timestamp': String(seconds),
    'webhook-signature': event.secrets
      .map((secret) => standardSignature(secret, content))
      .join(' '),
    'x-orbitstream-event': event.event,
    'x-orbitstream-delivery-id': event.deliveryId,
    'x-orbitstream-timestamp': timestamp,
    'x-orbitstream-sequence': String(event.sequence),
    'x-orbitstream-signature': `sha256=${legacy.digest('hex')}`,
  };
}

/** Whether a secret holds a key: `` and `whsec_` are none, and anybody could sign with the empty one. */
export function canSign(secret: string): boolean {
  return keyOf(secret).length > 0;
}

function standardSignature(secret: string, content: string): string {
  const key = keyOf(secret);
  if (key.length === 0) throw new RangeError('A webhook secret without a key signs nothing.');
  return `v1,${createHmac('sha256', key).update(content).digest('base64')}`;
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * The key as the Standard Webhooks libraries make it: without `whsec_`, base64-decoded. The backend's own secrets are
 * bare hex, which is base64, too; a secret that is no base64 at all is taken as it is.
 */
function keyOf(secret: string): Buffer {
  const text = secret.startsWith('whsec_') ? secret.slice('whsec_'.length) : secret;
  return BASE64.test(text) ? Buffer.from(text, 'base64') : Buffer.from(text);
}
