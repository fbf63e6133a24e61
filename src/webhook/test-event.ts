/** A POST by which a merchant sees whether its receiver works. No fact stands behind it. */
import { randomUUID } from 'node:crypto';
import type { PostOutcome } from '../domain/delivery.ts';
import type { WebhookSender } from './post.ts';
import { signedHeaders } from './sign.ts';

/** The type of such an event. No fact has it, so a receiver that acts on types it knows does nothing about it. */
const TEST_EVENT = 'endpoint.test';

/** What was sent, and what came back. */
export type TestResult = {
  readonly eventId: string;
  readonly body: string;
  readonly signatures: number;
  readonly outcome: PostOutcome;
  readonly tookMs: number;
};

/**
 * POSTs one event of the type `endpoint.test`, signed as every event is, with every secret that signs now. Its id is new
 * each time. Nothing is written down and nothing is tried again.
 */
export async function sendTestEvent(
  sender: Pick<WebhookSender, 'post'>,
  endpoint: { readonly endpointId: string; readonly url: string },
  secrets: readonly [string, ...string[]],
): Promise<TestResult> {
  const [eventId, occurredAt] = [randomUUID(), new Date()];
  const body = JSON.stringify({
    event: TEST_EVENT,
    data: { endpointId: endpoint.endpointId },
    timestamp: occurredAt.toISOString(),
    type: TEST_EVENT,
    id: eventId,
  });
  const event = { eventId, deliveryId: randomUUID(), event: TEST_EVENT, sequence: 0, occurredAt };
  const headers = signedHeaders({ ...event, body, secrets }, occurredAt);
  const started = performance.now();
  const outcome = await sender.post(endpoint.url, headers, body);
  return {
    eventId,
    body,
    signatures: secrets.length,
    outcome,
    tookMs: Math.round(performance.now() - started),
  };
}
