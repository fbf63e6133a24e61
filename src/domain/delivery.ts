/** Deliveries: when an event is sent to an endpoint, sent again, or given up. Pure; times come in as arguments. */
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/**
 * The pause before each attempt: ten attempts over about 75 hours, the example schedule of Standard Webhooks 1.0. A
 * receiver that breaks on a Friday evening still gets its events when it is mended on Monday morning.
 */
export const RETRY_DELAYS_MS: readonly number[] = [
  0,
  5 * SECOND,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  14 * HOUR,
  20 * HOUR,
  24 * HOUR,
];

/** Each pause is varied by this much, so that what failed together does not come back together. */
const JITTER = 0.1;
/** A receiver may ask for patience, but not for more than the longest pause. */
const LONGEST_RETRY_AFTER_MS = 24 * HOUR;
/** An event that failed for this long gives way when a payment.confirmed waits behind it. */
const GIVES_WAY_AFTER_MS = 10 * MINUTE;
/** So many failures in a row, over all events of an endpoint, and the endpoint rests as a whole. */
const FAILURES_BEFORE_PAUSE = 10;
const FIRST_PAUSE_MS = MINUTE;
const LONGEST_PAUSE_MS = HOUR;

/** What one POST came to. */
export type PostOutcome =
  | {
      readonly kind: 'answered';
      readonly status: number;
      /** What the receiver asked for, in milliseconds from its answer. */
      readonly retryAfterMs: number | null;
      /** The beginning of its answer, for the operator. */
      readonly detail: string;
    }
  /** Nothing was sent: the URL is malformed, leads inside, or there is no secret to sign with. */
  | { readonly kind: 'refused'; readonly detail: string }
  /** No answer: no connection, a reset, a timeout. It may have arrived. */
  | { readonly kind: 'failed'; readonly detail: string };

/** Why a delivery was given up; the first two are the existing backend's words. */
export type DeadReason =
  | 'max_attempts'
  | '4xx:410'
  | 'endpoint_disabled'
  | 'endpoint_removed'
  | 'gave_way'
  /** The stored event is not what its facts make: nothing was signed. */
  | 'not_of_facts';

/** What becomes of a delivery after an attempt. */
export type AfterAttempt =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'retry'; readonly at: Date }
  | { readonly kind: 'dead'; readonly reason: DeadReason };

/** Decides what follows an attempt, the `attempts`-th since the delivery was made or asked for again. */
export function afterAttempt(
  delivery: { readonly deliveryId: string; readonly attempts: number },
  outcome: PostOutcome,
  now: Date,
): AfterAttempt {
  if (outcome.kind === 'answered') {
    if (outcome.status >= 200 && outcome.status < 300) return { kind: 'delivered' };
    if (outcome.status === 410) return { kind: 'dead', reason: '4xx:410' };
  }
  const delay = RETRY_DELAYS_MS[delivery.attempts];
  if (delay === undefined) return { kind: 'dead', reason: 'max_attempts' };
  const asked = outcome.kind === 'answered' ? (outcome.retryAfterMs ?? 0) : 0;
  const wait = Math.max(
    delay * spread(`${delivery.deliveryId}:${delivery.attempts}`),
    Math.min(asked, LONGEST_RETRY_AFTER_MS),
  );
  return { kind: 'retry', at: new Date(now.getTime() + Math.round(wait)) };
}

/** How long an endpoint rests after so many failures in a row; null while it may go on. */
export function pauseAfter(consecutiveFailures: number, now: Date): Date | null {
  const over = consecutiveFailures - FAILURES_BEFORE_PAUSE;
  if (over < 0) return null;
  const pause = Math.min(FIRST_PAUSE_MS * 2 ** over, LONGEST_PAUSE_MS);
  return new Date(now.getTime() + pause);
}

/** The first open delivery of a session to an endpoint: the only one that may be sent, since order is strict. */
export type Head = {
  /** Its type; a delivery of an older backend may be of a type that we do not know. */
  readonly event: string;
  /** When it may be sent by the schedule and its endpoint's pause. */
  readonly at: Date;
  /** When it was first tried since it was made or asked for again; null before that. */
  readonly firstAttemptAt: Date | null;
  /** A payment.confirmed waits behind it. */
  readonly confirmedWaits: boolean;
  /** Until when its endpoint rests as a whole: nothing behind it could be sent before that. */
  readonly restsUntil: Date | null;
};

/** When something is to be done about a head: sent by its schedule, or dropped because it has to give way. */
export function headDueAt(head: Head): Date {
  const givesWay = givesWayAt(head);
  return givesWay !== null && givesWay < head.at ? givesWay : head.at;
}

/** Whether a head is to be dead-lettered so that the payment.confirmed behind it is told. */
export function mustGiveWay(head: Head, now: Date): boolean {
  const at = givesWayAt(head);
  return at !== null && at <= now;
}

function givesWayAt({ event, firstAttemptAt, confirmedWaits, restsUntil }: Head): Date | null {
  if (!confirmedWaits || firstAttemptAt === null || event === 'payment.confirmed') return null;
  const at = firstAttemptAt.getTime() + GIVES_WAY_AFTER_MS;
  return new Date(Math.max(at, restsUntil?.getTime() ?? at));
}

/** A factor from 0.9 to 1.1 that depends on the text alone (FNV-1a), so that a re-run computes the same time. */
function spread(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  }
  return 1 - JITTER + (hash / 0xffffffff) * 2 * JITTER;
}
