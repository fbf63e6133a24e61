import { Context } from '@temporalio/activity';
import {
  clearFailures,
  countFailure,
  disableEndpoint,
  finishAttempt,
  giveUp,
  pauseEndpoint,
  postpone,
  startAttempt,
} from '../db/attempts.ts';
import { nextDeliveries, type NextDelivery } from '../db/deliveries.ts';
import { afterAttempt, headDueAt, mustGiveWay, pauseAfter } from '../domain/delivery.ts';
import type { PostOutcome } from '../domain/delivery.ts';
import { signedHeaders } from '../webhook/sign.ts';
import type { SessionView } from '../workflows/contract.ts';
import type { Deps } from './deps.ts';
import { readView, type LookInput } from './look.ts';

/** After this no new POST is begun, so that the activity ends well within its own 60 s. */
const BEGIN_FOR_MS = 30_000;
/** How long a delivery waits for one of its endpoint's slots before it is put off. */
const SLOT_WITHIN_MS = 10_000;
const PUT_OFF_MS = 15_000;

/**
 * Sends everything of a session that is due, in order at each endpoint and side by side between endpoints, and tells
 * what the session looks like then. A crash after a POST sends it again, under the same ids.
 */
export async function deliverEvents(all: Deps, input: LookInput): Promise<SessionView> {
  const { sessionId } = input;
  const deps = { ...all, log: all.log.child({ sessionId }) };
  const { db } = deps.database;
  const started = Date.now();
  // The workflow's time, which tests skip, plus what has passed since.
  const clock = () => new Date(new Date(input.now).getTime() + Date.now() - started);
  const { cancellationSignal } = Context.current();
  while (Date.now() - started < BEGIN_FOR_MS && !cancellationSignal.aborted) {
    const now = clock();
    const due = (await nextDeliveries(db, sessionId)).filter((head) => headDueAt(head) <= now);
    if (due.length === 0) break;
    await Promise.all(due.map((head) => deliver(deps, head, clock)));
  }
  return readView(deps, { sessionId, now: clock().toISOString() });
}

async function deliver(deps: Deps, head: NextDelivery, clock: () => Date): Promise<void> {
  const { db } = deps.database;
  const { deliveryId, endpointId } = head;
  const hopeless = reasonToGiveUp(head, clock());
  if (hopeless !== null) {
    await giveUp(db, deliveryId, hopeless);
    deps.log.warn({ deliveryId, event: head.event, reason: hopeless }, 'An event is given up.');
    return;
  }
  const sent = await deps.sender.withSlot(endpointId, SLOT_WITHIN_MS, async () => {
    await attempt(deps, head, clock);
    return true;
  });
  if (sent === null) await postpone(db, deliveryId, new Date(clock().getTime() + PUT_OFF_MS));
}

function reasonToGiveUp(head: NextDelivery, now: Date) {
  if (head.url === null) return 'endpoint_removed';
  if (head.disabled) return 'endpoint_disabled';
  return mustGiveWay(head, now) ? 'gave_way' : null;
}

async function attempt(deps: Deps, head: NextDelivery, clock: () => Date): Promise<void> {
  const { db } = deps.database;
  const started = await startAttempt(db, head, clock());
  if (started === null) return;
  const begin = performance.now();
  const outcome = await post(deps, head);
  const now = clock();
  const { deliveryId, endpointId, merchantId, event } = head;
  const next = afterAttempt({ deliveryId, attempts: started.attempts }, outcome, now);
  const durationMs = Math.round(performance.now() - begin);
  await finishAttempt(db, head, { attempt: started.attempt, outcome, next, now, durationMs });
  // What the receiver did, not whether it spoke: a 500 is no success.
  const came = next.kind === 'delivered' ? 'accepted' : DECLINED[outcome.kind];
  deps.counters.attempted(came);
  const line = { deliveryId, eventId: head.eventId, event, attempt: started.attempt, durationMs };
  if (next.kind === 'delivered') {
    deps.log.info(line, 'A webhook was accepted.');
    await clearFailures(db, endpointId);
    return;
  }
  deps.log.warn({ ...line, outcome, next }, 'A webhook failed.');
  const failures = await countFailure(db, { endpointId, merchantId });
  const pausedUntil = pauseAfter(failures, now);
  if (pausedUntil !== null) await pauseEndpoint(db, endpointId, pausedUntil);
  if (next.kind === 'dead' && next.reason === '4xx:410') {
    await disableEndpoint(db, { endpointId, merchantId }, 'The endpoint answered 410 Gone.');
  }
}

/** An attempt that was not accepted: answered with another status, without an answer, or not sent at all. */
const DECLINED = { answered: 'declined', failed: 'unanswered', refused: 'refused' } as const;

async function post(deps: Deps, head: NextDelivery): Promise<PostOutcome> {
  const { url, body } = head;
  const [current, ...old] = head.secrets;
  if (url === null) return { kind: 'refused', detail: 'The endpoint has no URL.' };
  if (current === undefined || current === '') {
    return { kind: 'refused', detail: 'The endpoint has no secret to sign with.' };
  }
  const headers = signedHeaders({ ...head, secrets: [current, ...old] }, new Date());
  return deps.sender.post(url, headers, body);
}
