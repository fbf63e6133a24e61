import type { Pool } from 'pg';
import type { Db } from './connection.ts';
import { classify } from './sqlstate.ts';
import { lookTogether, settleOnce, type Settled } from './settle.ts';

/** Sessions in one commit. A full page of Horizon (200 payments) then costs one. */
export const MAX_TOGETHER = 200;

/** Portions of one session's payments that are settled before its caller is answered; the watcher's next turn goes on. */
const MOST_PORTIONS = 20;

/** What a settle transaction cost, for metrics and logs. */
export type SettleCost = {
  readonly sessions: number;
  readonly retries: number;
  readonly ms: number;
};

/** Settles sessions, one transaction in flight per process. */
export type SettleQueue = {
  /** Settles one session; null when it does not exist. Looks first, and opens a transaction only if something is due. */
  settle(sessionId: string): Promise<Settled | null>;
  /** Settles many, each in whatever commit it falls; a session that cannot be settled rejects alone, as an Error value. */
  settleAll(sessionIds: readonly string[]): Promise<Map<string, Settled | Error>>;
};

type Waiting = {
  readonly sessionId: string;
  /** Portions of its payments that were settled for this request. */
  readonly portions: number;
  readonly resolve: (settled: Settled | null) => void;
  readonly reject: (error: unknown) => void;
};

/**
 * One queue per process. Measured: 50 concurrent SERIALIZABLE settles of different sessions retry each other
 * up to 3.8 times each; one in flight retries nothing and settles some thousands of sessions a second, because what
 * arrives meanwhile shares the next commit.
 */
export function createSettleQueue(
  { pool, db }: { pool: Pool; db: Db },
  onCommit: (cost: SettleCost) => void = () => undefined,
): SettleQueue {
  const waiting: Waiting[] = [];
  let running: Promise<void> | null = null;

  const enqueue = (sessionId: string): Promise<Settled | null> =>
    new Promise((resolve, reject) => {
      waiting.push({ sessionId, portions: 0, resolve, reject });
      running ??= drain().finally(() => (running = null));
    });

  async function drain(): Promise<void> {
    // Let everything that is asked for in this turn of the event loop fall into the first commit.
    await Promise.resolve();
    while (waiting.length > 0) await settleOrSplit(takeDistinct(waiting, MAX_TOGETHER));
  }

  /** A batch that cannot commit is halved until the one session that is the reason stands alone. */
  async function settleOrSplit(batch: readonly Waiting[]): Promise<void> {
    try {
      const started = performance.now();
      const { value, retries } = await settleOnce(
        pool,
        batch.map((w) => w.sessionId),
      );
      onCommit({ sessions: batch.length, retries, ms: performance.now() - started });
      for (const w of batch) {
        const settled = value.get(w.sessionId) ?? null;
        // One with very many payments goes behind the others with its next portion.
        if (settled?.isMore === true && w.portions < MOST_PORTIONS) {
          waiting.push({ ...w, portions: w.portions + 1 });
        } else w.resolve(settled);
      }
    } catch (error) {
      // A database that is away is away for every half of the batch.
      if (batch.length === 1 || classify(error) === 'unknown') {
        for (const w of batch) w.reject(error);
        return;
      }
      const middle = Math.ceil(batch.length / 2);
      await settleOrSplit(batch.slice(0, middle));
      await settleOrSplit(batch.slice(middle));
    }
  }

  return {
    async settle(sessionId) {
      const look = await lookTogether(db, [sessionId]);
      if (look.undecided.length === 0) return look.settled.get(sessionId) ?? null;
      return enqueue(sessionId);
    },
    async settleAll(sessionIds) {
      const results = new Map<string, Settled | Error>();
      await Promise.all(
        [...new Set(sessionIds)].map(async (id) => {
          try {
            const settled = await enqueue(id);
            if (settled !== null) results.set(id, settled);
          } catch (error) {
            results.set(
              id,
              error instanceof Error ? error : new Error(String(error), { cause: error }),
            );
          }
        }),
      );
      return results;
    },
  };
}

/** Takes requests from the front for up to `most` different sessions; several requests for one session go together. */
function takeDistinct(waiting: Waiting[], most: number): Waiting[] {
  const ids = new Set<string>();
  let taken = 0;
  for (const { sessionId } of waiting) {
    if (ids.size === most && !ids.has(sessionId)) break;
    ids.add(sessionId);
    taken += 1;
  }
  return waiting.splice(0, taken);
}
