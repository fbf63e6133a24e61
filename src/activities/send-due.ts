import { Context } from '@temporalio/activity';
import {
  countFailure,
  disableEndpoint,
  finishAttempt,
  giveUp,
  pauseEndpoint,
  postpone,
  startAttempt,
} from '../db/attempts.ts';
import { nextDeliveries, type NextDelivery } from '../db/deliveries.ts';
import { readSecret } from '../db/secrets.ts';
import { deriveEvent } from '../db/true-event.ts';
import { setAside, takeUpTrue } from '../db/untrue-events.ts';
import { afterAttempt, headDueAt, mustGiveWay, pauseAfter } from '../domain/delivery.ts';
import type { PostOutcome } from '../domain/delivery.ts';
import { canSign, signedHeaders } from '../webhook/sign.ts';
import type { Deps } from './deps.ts';
import type { LookInput } from './read-view.ts';

/** How patiently a session's events are sent. */
export type Patience = {
  /** After this no new POST is begun. */
  readonly beginForMs: number;
  /** How long a delivery waits for one of its endpoint's slots. */
  readonly slotWithinMs: number;
  /** What found no slot is put off by this; left as it is when absent. */
  readonly putOffMs?: number;
};

/**
 * Sends what is due of a session, in order at each endpoint and side by side between endpoints, and tells the time by
 * which what follows is to be judged: the workflow's, which tests skip, plus what has passed since.
 */
export async function sendDue(
  all: Deps,
  { sessionId, now: asOf }: LookInput,
  patience: Patience,
): Promise<Date> {
  const deps = { ...all, log: all.log.child({ sessionId }) };
  const started = Date.now();
  const clock = () => new Date(new Date(asOf).getTime() + Date.now() - started);
  const { cancellationSignal } = Context.current();
  await takeUpTrue(deps.database.db, sessionId);
  let mayBeMore = true;
  while (mayBeMore && !cancellationSignal.aborted) {
    const now = clock();
    const heads = await nextDeliveries(deps.database.db, sessionId);
    const due = heads.filter((head) => headDueAt(head) <= now);
    await Promise.all(due.map((head) => deliver(deps, head, { sessionId, clock, patience })));
    mayBeMore = due.some(({ moreWait }) => moreWait) && Date.now() - started < patience.beginForMs;
  }
  return clock();
}

type Sending = {
  readonly sessionId: string;
  readonly clock: () => Date;
  readonly patience: Patience;
};

async function deliver(
  deps: Deps,
  head: NextDelivery,
  { sessionId, clock, patience }: Sending,
): Promise<void> {
  const { db } = deps.database;
  const { deliveryId } = head;
  const hopeless = reasonToGiveUp(head, clock());
  if (hopeless !== null) {
    await giveUp(db, head, hopeless);
    deps.log.warn({ deliveryId, event: head.event, reason: hopeless }, 'An event is given up.');
    return;
  }
  const { slotWithinMs, putOffMs } = patience;
  const sent = await deps.sender.withSlot(head, slotWithinMs, async () => {
    const event = await trueEventOf(deps, sessionId, head);
    if (event !== null) await attempt(deps, event, clock);
    return true;
  });
  if (sent !== null || putOffMs === undefined) return;
  await postpone(db, head, new Date(clock().getTime() + putOffMs));
}

/**
 * The delivery with the event that the facts make, which is what may be signed. Null, and set aside, when they make none:
 * somebody else wrote it into the outbox, or what it told is no longer so.
 */
async function trueEventOf(
  deps: Deps,
  sessionId: string,
  head: NextDelivery,
): Promise<NextDelivery | null> {
  const { db } = deps.database;
  const event = await deriveEvent(db, { ...head, sessionId });
  if (event?.isAsStored === true)
    return { ...head, event: event.type, occurredAt: event.occurredAt };
  const { deliveryId, eventId } = head;
  deps.log.error(
    {
      event: 'webhook.not_of_facts',
      deliveryId,
      eventId,
      type: head.event,
      sendsTrueOne: event !== null,
    },
    'The stored event is not what its facts make, and is not signed.',
  );
  if (event === null) {
    await setAside(db, sessionId, head);
    return null;
  }
  const { id, type, body, occurredAt } = event;
  return { ...head, eventId: id, event: type, body, occurredAt };
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
  const { deliveryId, event } = head;
  const next = afterAttempt({ deliveryId, attempts: started.attempts }, outcome, now);
  const durationMs = Math.round(performance.now() - begin);
  await finishAttempt(db, head, { attempt: started.attempt, outcome, next, now, durationMs });
  // What the receiver did, not whether it spoke: a 500 is no success.
  deps.counters.attempted(next.kind === 'delivered' ? 'accepted' : DECLINED[outcome.kind]);
  const line = { deliveryId, eventId: head.eventId, event, attempt: started.attempt, durationMs };
  if (next.kind === 'delivered') {
    deps.log.info(line, 'A webhook was accepted.');
    return;
  }
  deps.log.warn({ ...line, outcome, next }, 'A webhook failed.');
  const failures = await countFailure(db, head);
  const pausedUntil = pauseAfter(failures, now);
  if (pausedUntil !== null) await pauseEndpoint(db, head, pausedUntil);
  if (next.kind === 'dead' && next.reason === '4xx:410') {
    await disableEndpoint(db, head, 'The endpoint answered 410 Gone.');
  }
}

/** An attempt that was not accepted: answered with another status, without an answer, or not sent at all. */
const DECLINED = { answered: 'declined', failed: 'unanswered', refused: 'refused' } as const;

async function post(deps: Deps, head: NextDelivery): Promise<PostOutcome> {
  const { url, body, endpointId } = head;
  if (url === null) return { kind: 'refused', detail: 'The endpoint has no URL.' };
  const read = head.secrets.map((s) => readSecret(deps.secretKeys, endpointId, s));
  const [first, ...others] = read;
  if (first?.kind === 'locked') return { kind: 'refused', detail: first.reason };
  if (first === undefined || !canSign(first.secret)) {
    return { kind: 'refused', detail: 'The endpoint has no secret to sign with.' };
  }
  const old = others.flatMap((s) => (s.kind === 'readable' && canSign(s.secret) ? [s.secret] : []));
  const headers = signedHeaders({ ...head, secrets: [first.secret, ...old] }, new Date());
  return deps.sender.post(url, headers, body);
}
