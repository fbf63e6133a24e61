import { setTimeout as sleep } from 'node:timers/promises';
import type { Db } from '../../db/connection.ts';
import { isItsOwn, setAside, takeBack } from '../../db/set-aside.ts';
import type { Settled } from '../../db/settle.ts';
import { markUnmatched, sessionsToClose, sessionsWithUndecided } from '../../db/worklists.ts';
import type { SettlingDeps } from '../deps.ts';
import { reportSettled } from '../report-settled.ts';

/** The pause before the lists are read again while sessions are under way: a multiple of what the last reading took. */
const LIST_PAUSE = 2;
const LONGEST_LIST_PAUSE_MS = 500;
/**
 * The pause between two portions of one session, in milliseconds. Each costs the same for one payment and for a thousand, and
 * wakes the session's run. At a thousand payments a portion, this is several times what one account can receive.
 */
const PORTION_PAUSE_MS = 300;

/** Settles due sessions until none is left. */
export type Settling = {
  /** Reads the lists of due sessions and settles them, together with `sessionIds`. Sessions that fall due later need another call. */
  ask(sessionIds?: readonly string[]): void;
  /** Resolves when no session is under way. @throws the error that ended it, such as a lost database */
  ended(): Promise<void>;
  /** Returns the number of sessions settled since the last call. */
  take(): number;
};

/**
 * Settles sessions that have undecided payments or can now be closed. No session waits for another: the lists are read again
 * after each `ask` and each settled session. A session that cannot be settled is set aside for a while. A list that cannot be
 * read does not block the others.
 */
export function createSettling(deps: SettlingDeps, signal?: AbortSignal): Settling {
  const underWay = new Set<string>();
  /** Sessions settled since the last `ask`. If they are still listed, they wait for the next one. */
  const tried = new Set<string>();
  /** Large sessions between two portions. */
  const pausing = new Set<string>();
  const given = new Set<string>();
  /** Settled sessions whose earlier failures are to be deleted. */
  let succeeded: string[] = [];
  let isAsked = false;
  let settled = 0;
  let running: Promise<void> | null = null;
  let look = Promise.withResolvers<void>();

  async function run(): Promise<void> {
    try {
      for (;;) {
        look = Promise.withResolvers<void>();
        if (isAsked) tried.clear();
        isAsked = false;
        const done = succeeded;
        succeeded = [];
        await takeBack(deps.database.db, 'settle', done);
        const started = performance.now();
        const due = signal?.aborted === true ? [] : await listDue();
        const listMs = performance.now() - started;
        begin(due);
        const isUnchanged = !isAsked && succeeded.length === 0;
        const isBusy = underWay.size + pausing.size > 0;
        if (isUnchanged && due.length === 0 && !isBusy) return;
        if (isUnchanged && isBusy) await look.promise;
        // The lists cost what is undecided in all sessions: they get a third of the time at most.
        if (underWay.size > 0) await sleep(Math.min(listMs * LIST_PAUSE, LONGEST_LIST_PAUSE_MS));
      }
    } finally {
      running = null;
    }
  }

  async function listDue(): Promise<string[]> {
    for (const unmatched of await listed(deps, markUnmatched)) {
      deps.counters.judged('unmatched');
      deps.log.warn(unmatched, 'A payment names no session.');
    }
    const lists = [
      [...given],
      await listed(deps, (db) => sessionsWithUndecided(db, underWay.size + pausing.size)),
      await listed(deps, (db) => sessionsToClose(db, underWay.size + pausing.size)),
    ];
    const isFree = (id: string) => !underWay.has(id) && !pausing.has(id);
    for (const id of lists[0] ?? []) if (isFree(id)) given.delete(id);
    return [...new Set(lists.flat())].filter((id) => !tried.has(id) && isFree(id));
  }

  function begin(sessionIds: readonly string[]): void {
    for (const id of sessionIds) {
      underWay.add(id);
      tried.add(id);
      void settle(id);
    }
  }

  async function settle(id: string): Promise<void> {
    try {
      const result = await settleOne(deps, id);
      if (result === null) return;
      settled += 1;
      succeeded.push(id);
      if (result.isMore && signal?.aborted !== true) pause(id);
      deps.settledBell.ring();
    } catch (error) {
      deps.log.error(
        { event: 'session.not_set_aside', sessionId: id, err: error },
        'A session could not be set aside.',
      );
    } finally {
      underWay.delete(id);
      look.resolve();
    }
  }

  function pause(id: string): void {
    pausing.add(id);
    tried.delete(id);
    setTimeout(() => {
      pausing.delete(id);
      look.resolve();
    }, PORTION_PAUSE_MS);
  }

  return {
    ask: (sessionIds = []) => {
      for (const id of sessionIds) given.add(id);
      isAsked = true;
      look.resolve();
      if (running !== null) return;
      running = run();
      // The rejection is also delivered to callers of `ended`.
      running.catch((error: unknown) =>
        deps.log.error(
          { event: 'watch.settling_failed', err: error },
          'Settling failed. The next turn starts it again.',
        ),
      );
    },
    ended: async () => {
      for (let one = running; one !== null; one = running) await one;
    },
    take: () => {
      const taken = settled;
      settled = 0;
      return taken;
    },
  };
}

/** Settles due sessions until none is left, and returns their number. @throws when the database is lost */
export async function settleDue(deps: SettlingDeps, signal?: AbortSignal): Promise<number> {
  const settling = createSettling(deps, signal);
  settling.ask();
  await settling.ended();
  return settling.take();
}

/** A list that fails by itself is empty this time. @throws when the database is away */
async function listed<T>(
  { database, log }: SettlingDeps,
  list: (db: Db) => Promise<T[]>,
): Promise<T[]> {
  try {
    return await list(database.db);
  } catch (error) {
    if (!isItsOwn(error)) throw error;
    log.error(
      { err: error },
      'A list of what is to be settled could not be read; it is tried again.',
    );
    return [];
  }
}

/** Returns null for a session that does not exist or could not be settled. A failure of its own sets the session aside. */
async function settleOne(deps: SettlingDeps, sessionId: string): Promise<Settled | null> {
  const result = (await deps.queue.settleAll([sessionId])).get(sessionId);
  if (result === undefined) return null;
  if (result instanceof Error) {
    deps.log.error(
      { sessionId, err: result },
      'A session could not be settled; it is tried again.',
    );
    if (!isItsOwn(result)) return null;
    deps.counters.setAside('settle');
    await setAside(deps.database.db, 'settle', sessionId, result);
    return null;
  }
  reportSettled(deps, result);
  return result;
}
