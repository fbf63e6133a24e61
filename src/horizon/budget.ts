/** The request budget of one process. The ledger's reader goes first; everything else has a share of it. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout } from 'node:timers/promises';
import { HorizonBudgetUsed } from './errors.ts';

/** Horizon lets this many requests through at once before it counts strictly (throttled GCRA, burst 100). */
const BURST = 100;

/** What a request is for: the watcher's reading, or one of those that have a share. */
export type BudgetUse = 'reading' | 'sessions' | 'reconciliation' | 'reports';

/**
 * Parts of the budget. They add up to a half, so at least half of it is left to the reader, whatever strangers ask for.
 * - sessions: opening takes two requests, cancelling one; both have an answer without Horizon.
 * - reconciliation: reads again what was read, one account after the other.
 * - reports: anybody can report any hash, and the reader finds true payments anyway.
 */
export const SHARES = {
  reading: 1,
  sessions: 1 / 8,
  reconciliation: 1 / 4,
  reports: 1 / 8,
} as const;

/**
 * How long a request waits for its share, in milliseconds. Callers of sessions and reports wait for an answer, and get a
 * smaller one without Horizon. Reconciliation has time.
 */
const WAIT_MS = {
  reading: Number.POSITIVE_INFINITY,
  sessions: 3_000,
  reconciliation: Number.POSITIVE_INFINITY,
  reports: 3_000,
} as const;

/** A share waits this long for the reader to leave something; then it takes the next request that it is entitled to. */
const PATIENCE_MS = 1_000;

const uses = new AsyncLocalStorage<BudgetUse>();

/** Runs `work`; whatever it asks Horizon counts for this use. Outside of it, requests are the reader's. */
export function askingFor<T>(use: BudgetUse, work: () => T): T {
  return uses.run(use, work);
}

/** What the requests of the code that is running count for. */
export function currentUse(): BudgetUse {
  return uses.getStore() ?? 'reading';
}

/** Hands out permission to ask. */
export type Budget = {
  /** Resolves when a request may be sent. @throws HorizonBudgetUsed when a share has none in time */
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
  const all = createBucket(requestsPerHour, now);
  let pausedUntil = 0;
  const lines = Object.fromEntries(
    Object.entries(SHARES).map(([use, share]) => [
      use,
      { own: createBucket(requestsPerHour * share, now), last: Promise.resolve() },
    ]),
  ) as Record<BudgetUse, { readonly own: Bucket; last: Promise<void> }>;

  async function takeInTurn(use: BudgetUse, since: number): Promise<void> {
    const until = since + WAIT_MS[use];
    if (requestsPerHour > 0) {
      if (use !== 'reading') await takeOfShare(use, since, until);
      all.take();
      await sleepFor(all.msUntil(0));
    }
    // Last, because the pause may have begun while the request was waited for.
    while (now() < pausedUntil) {
      if (pausedUntil > until) throw new HorizonBudgetUsed('Horizon has asked for a pause.');
      await sleep(pausedUntil - now());
    }
  }

  /** Waits for the share's own request, and for one that the reader leaves, for as long as patience lasts. */
  async function takeOfShare(use: BudgetUse, since: number, until: number): Promise<void> {
    const { own } = lines[use];
    for (;;) {
      const left = since + PATIENCE_MS - now();
      const wait = Math.max(own.msUntil(1), Math.min(all.msUntil(1), left));
      if (wait <= 0) break;
      if (now() + wait > until) {
        throw new HorizonBudgetUsed(`The share of ${use} in the request budget is used up.`);
      }
      await sleep(wait);
    }
    own.take();
  }

  const sleepFor = (ms: number) => (ms > 0 ? sleep(ms) : undefined);

  return {
    take() {
      const use = currentUse();
      const since = now();
      const taken = lines[use].last.then(() => takeInTurn(use, since));
      lines[use].last = taken.catch(() => undefined);
      return taken;
    },
    pause(ms) {
      pausedUntil = Math.max(pausedUntil, now() + ms);
    },
  };
}

type Bucket = {
  /** Milliseconds until this many requests are there. */
  msUntil(wanted: number): number;
  /** Takes one, also one that is not there yet. */
  take(): void;
};

function createBucket(requestsPerHour: number, now: () => number): Bucket {
  const perMs = requestsPerHour / 3_600_000;
  const capacity = Math.max(1, Math.min(BURST, requestsPerHour / 36));
  let tokens = capacity;
  let filledAt = now();
  function fill(): void {
    tokens = Math.min(capacity, tokens + (now() - filledAt) * perMs);
    filledAt = now();
  }
  return {
    msUntil(wanted) {
      fill();
      // Rounded up to the microsecond: a wait that is too short by a rounding error would be waited for again.
      return tokens >= wanted ? 0 : Math.ceil(((wanted - tokens) / perMs) * 1_000) / 1_000;
    },
    take() {
      fill();
      tokens -= 1;
    },
  };
}
