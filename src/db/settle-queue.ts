import type { Pool } from 'pg';
import { reached } from '../metrics/bounds.ts';
import type { Db } from './connection.ts';
import { classify } from './sqlstate.ts';
import { lookTogether, settleOnce, type Settled } from './settle.ts';

/** Sessions in one commit. A full page of Horizon (200 payments) then costs one. */
export const MAX_TOGETHER = 200;

/**
 * A commit of 200 sessions takes some 60 ms. One that takes this long, in milliseconds for each statement, is taken apart.
 * Shorter than lock_timeout (connection.ts), which is tried again: a foreign lock on one row must not hold the queue.
 */
const TOGETHER_MS = 1_500;
/** What one of its sessions may take then, before it is tried beside the queue, within the connection's own limit. */
const ALONE_MS = 1_000;
/** Slow sessions in one commit; with more of them, the database is slow, and the rest fails and is tried again later. */
const MOST_SLOW = 3;
/** Slow sessions that are remembered; one that is forgotten is found out again. */
const MOST_KNOWN_SLOW = 1_000;
/** Portions of one session's payments that are settled before its caller is answered; the watcher goes on with it. */
const MOST_PORTIONS = 20;
/** Large sessions that are remembered, the oldest is forgotten first. A forgotten one shares one commit with others again. */
const MOST_KNOWN_LARGE = 1_000;

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
  /** Requests for sessions that were too slow alone, and for large ones: settled beside the queue, one session at a time. */
  const slow: Waiting[] = [];
  /** Those that are tried there, or were too slow even there: they come into the queue again once they are settled. */
  const knownSlow = new Set<string>();
  /** Sessions with several portions: each is settled in the line of the slow ones, so that no commit of others waits for it. */
  const knownLarge = new Set<string>();
  let isDraining = false;
  let isDrainingSlow = false;

  const enqueue = (sessionId: string): Promise<Settled | null> =>
    new Promise((resolve, reject) => line({ sessionId, portions: 0, resolve, reject }));

  function line(request: Waiting): void {
    waiting.push(request);
    if (!isDraining) void drain();
  }

  async function drain(): Promise<void> {
    isDraining = true;
    // Let everything that is asked for in this turn of the event loop fall into the first commit.
    await Promise.resolve();
    while (waiting.length > 0) {
      const apart = new Set([...knownSlow, ...knownLarge, ...slow.map((w) => w.sessionId)]);
      const batch = takeDistinct(waiting, MAX_TOGETHER);
      setApart(batch.filter(({ sessionId }) => apart.has(sessionId)));
      const rest = batch.filter(({ sessionId }) => !apart.has(sessionId));
      if (rest.length > 0) await settleOrSplit(rest);
    }
    isDraining = false; // in the same step as the last look: what comes after it starts another one
  }

  function setApart(requests: readonly Waiting[]): void {
    slow.push(...requests);
    if (slow.length > 0 && !isDrainingSlow) void drainSlow();
  }

  async function drainSlow(): Promise<void> {
    isDrainingSlow = true;
    for (let next = slow[0]; next !== undefined; next = slow[0]) {
      const { sessionId } = next;
      const same = takeSession(slow, sessionId);
      remember(knownSlow, sessionId, MOST_KNOWN_SLOW);
      const error = await settleTo(same, null);
      if (error !== null) for (const w of same) w.reject(error);
      if (error === null || classify(error) === 'unknown') knownSlow.delete(sessionId);
    }
    isDrainingSlow = false;
  }

  /** Settles these in one commit and answers who waits for them. Returns the error when it cannot commit. */
  async function settleTo(batch: readonly Waiting[], statementMs: number | null): Promise<unknown> {
    try {
      const started = performance.now();
      const ids = batch.map((w) => w.sessionId);
      const { value, retries } = await settleOnce(pool, ids, statementMs);
      onCommit({ sessions: batch.length, retries, ms: performance.now() - started });
      for (const w of batch) answer(w, value.get(w.sessionId) ?? null);
      return null;
    } catch (error) {
      return error;
    }
  }

  /** The next portion of a large session waits behind other sessions. */
  function answer(w: Waiting, settled: Settled | null): void {
    if (settled?.isMore !== true) return w.resolve(settled);
    remember(knownLarge, w.sessionId, MOST_KNOWN_LARGE);
    if (w.portions >= MOST_PORTIONS) {
      reached('portions');
      return w.resolve(settled);
    }
    line({ ...w, portions: w.portions + 1 });
  }

  /** A batch that cannot commit is halved until the one session that is the reason stands alone. */
  async function settleOrSplit(batch: readonly Waiting[]): Promise<void> {
    const error = await settleTo(batch, TOGETHER_MS);
    if (error === null) return;
    const fault = classify(error);
    if (fault === 'too_slow') return settleApart(batch, error);
    // A database that is away is away for every half of the batch.
    if (batch.length === 1 || fault === 'unknown') {
      for (const w of batch) w.reject(error);
      return;
    }
    const middle = Math.ceil(batch.length / 2);
    await settleOrSplit(batch.slice(0, middle));
    await settleOrSplit(batch.slice(middle));
  }

  /** One of the batch, or the database, is slow: each is tried alone, for a moment, and what is slow again goes last. */
  async function settleApart(batch: readonly Waiting[], tooSlow: unknown): Promise<void> {
    reached('commit_ms');
    const bySession = Map.groupBy(batch, ({ sessionId }) => sessionId);
    let slowOnes = 0;
    for (const same of bySession.values()) {
      const isFirst = bySession.size > 1 && slowOnes < MOST_SLOW;
      const error = isFirst ? await settleTo(same, ALONE_MS) : tooSlow;
      if (error === null) continue;
      if (slowOnes === MOST_SLOW || classify(error) !== 'too_slow') {
        for (const w of same) w.reject(error);
        continue;
      }
      slowOnes += 1;
      setApart(same);
    }
  }

  return {
    async settle(sessionId) {
      const look = await lookTogether(db, [sessionId]);
      if (look.undecided.length === 0) return look.settled.get(sessionId) ?? null;
      for (const id of look.large) remember(knownLarge, id, MOST_KNOWN_LARGE);
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

/** Takes all requests for one session. */
function takeSession(requests: Waiting[], sessionId: string): Waiting[] {
  const same = requests.filter((w) => w.sessionId === sessionId);
  for (const w of same) requests.splice(requests.indexOf(w), 1);
  return same;
}

/** Remembers one more, and forgets the oldest of too many. */
function remember(known: Set<string>, one: string, most: number): void {
  known.add(one);
  const [oldest = ''] = known;
  if (known.size > most) known.delete(oldest);
}
