import type { Db } from '../../db/connection.ts';
import { isItsOwn, setAside, takeBack } from '../../db/set-aside.ts';
import type { Settled } from '../../db/settle.ts';
import { markUnmatched, sessionsToClose, sessionsWithUndecided } from '../../db/worklists.ts';
import type { SettlingDeps } from '../deps.ts';
import { reportSettled } from '../report-settled.ts';

/** Settles what the database says is due, until nothing of it is left. */
export type Settling = {
  /** Has looked for what is due, and settles these sessions as well. What falls due after this may need another call. */
  ask(sessionIds?: readonly string[]): void;
  /** Resolves when nothing is under way any more. @throws what ended it, such as a database that is away */
  ended(): Promise<void>;
  /** How many sessions were settled since the last call. */
  take(): number;
};

/**
 * Settles beside its caller what is undecided or can now be closed. No session waits for another one: the lists are read
 * again as soon as somebody asks or a session is settled, whatever is still under way. A session that cannot be settled is
 * set aside for a while; a list that cannot be read stops no other.
 */
export function createSettling(deps: SettlingDeps, signal?: AbortSignal): Settling {
  const underWay = new Set<string>();
  /** Settled since somebody asked: still listed, they wait for the next who does. */
  const tried = new Set<string>();
  const given = new Set<string>();
  /** Settled, and to be forgotten among those that failed before. */
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
        const due = signal?.aborted === true ? [] : await listDue();
        if (due.length > 0) begin(due);
        else if (isAsked || succeeded.length > 0) continue;
        else if (underWay.size === 0) return;
        else await look.promise;
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
      await listed(deps, (db) => sessionsWithUndecided(db, underWay.size)),
      await listed(deps, (db) => sessionsToClose(db, underWay.size)),
    ];
    for (const id of lists[0] ?? []) if (!underWay.has(id)) given.delete(id);
    return [...new Set(lists.flat())].filter((id) => !tried.has(id) && !underWay.has(id));
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
      // The rest of it is due at once, after others.
      if (result.isMore) tried.delete(id);
      deps.settledBell.ring();
    } catch (error) {
      deps.log.error({ sessionId: id, err: error }, 'A session could not be set aside.');
    } finally {
      underWay.delete(id);
      look.resolve();
    }
  }

  return {
    ask: (sessionIds = []) => {
      for (const id of sessionIds) given.add(id);
      isAsked = true;
      look.resolve();
      if (running !== null) return;
      running = run();
      // Whoever waits for it hears of it, too.
      running.catch((error: unknown) =>
        deps.log.error({ err: error }, 'Settling broke off; the next turn of the watcher goes on.'),
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

/** The same until nothing is left. Returns how many sessions were settled. @throws when the database is away */
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

/** Null where it does not exist, or could not be settled: then it is set aside, if that is its own fault. */
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
