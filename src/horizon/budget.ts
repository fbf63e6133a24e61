/** The request budget that all reading of one process shares, first come, first served. */
import { setTimeout } from 'node:timers/promises';

/** Horizon lets this many requests through at once before it counts strictly (throttled GCRA, burst 100). */
const BURST = 100;

/** Hands out permission to ask. */
export type Budget = {
  /** Resolves when a request may be sent. */
  take(): Promise<void>;
  /** Nobody may ask for this long: Horizon said so. */
  pause(ms: number): void;
};

/** What a budget knows of time. */
type Clock = { readonly now: () => number; readonly sleep: (ms: number) => Promise<unknown> };

/** A token bucket of `requestsPerHour`; 0 means no limit, though a pause is kept all the same. */
export function createBudget(
  requestsPerHour: number,
  { now, sleep }: Clock = { now: Date.now, sleep: setTimeout },
): Budget {
  const perMs = requestsPerHour / 3_600_000;
  const capacity = Math.max(1, Math.min(BURST, requestsPerHour / 36));
  let tokens = capacity;
  let filledAt = now();
  let pausedUntil = 0;
  let queue: Promise<void> = Promise.resolve();

  async function takeInTurn(): Promise<void> {
    if (requestsPerHour > 0) await takeToken();
    // Last, because the pause may have begun while the token was waited for.
    while (now() < pausedUntil) await sleep(pausedUntil - now());
  }

  async function takeToken(): Promise<void> {
    tokens = Math.min(capacity, tokens + (now() - filledAt) * perMs);
    filledAt = now();
    tokens -= 1;
    if (tokens < 0) await sleep(-tokens / perMs);
  }

  return {
    take() {
      queue = queue.then(takeInTurn);
      return queue;
    },
    pause(ms) {
      pausedUntil = Math.max(pausedUntil, now() + ms);
    },
  };
}
