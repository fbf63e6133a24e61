/** Callers that ask about one session at once: a few are answered at the same time, equal questions together. */

/** The time of a caller was up before its turn came, or too many wait already. */
export class NoTurn extends Error {
  override readonly name = 'NoTurn';
}

/** A question, and who may share its answer. */
export type Question<T> = {
  /** The session. */
  readonly about: string;
  /** Callers with the same text share one answer; null: this one is asked alone. */
  readonly same: string | null;
  /** The answer must have been looked for after the caller asked: one that is under way is not shared. */
  readonly anew: boolean;
  /** When the caller's time is up, in milliseconds since 1970. */
  readonly until: number;
  /** Asks; `until` is the latest of those who share the answer. */
  readonly ask: (until: number) => Promise<T>;
};

/** How many questions about one subject are under way at once, and how many may wait. */
export type TurnLimits = { readonly atOnce: number; readonly waiting: number };

type Entry = {
  readonly same: string | null;
  until: number;
  readonly ask: (until: number) => Promise<unknown>;
  readonly answer: PromiseWithResolvers<unknown>;
};

type Line = { readonly asking: Set<Entry>; readonly waiting: Entry[] };

/** Takes questions in turns. Resolves with the answer. @throws NoTurn; and what `ask` throws, to all who share it */
export function createTurns({ atOnce, waiting: most }: TurnLimits) {
  const lines = new Map<string, Line>();

  function goOn(about: string, line: Line): void {
    while (line.asking.size < atOnce) {
      const next = line.waiting.shift();
      if (next === undefined) break;
      line.asking.add(next);
      void next
        .ask(next.until)
        .then(next.answer.resolve, next.answer.reject)
        .finally(() => {
          line.asking.delete(next);
          goOn(about, line);
        });
    }
    if (line.asking.size === 0 && line.waiting.length === 0) lines.delete(about);
  }

  function enter<T>({ about, same, anew, until, ask }: Question<T>): Entry {
    const line = lines.get(about) ?? { asking: new Set(), waiting: [] };
    lines.set(about, line);
    const shared = [...(anew ? [] : line.asking), ...line.waiting].find(
      (entry) => same !== null && entry.same === same,
    );
    if (shared !== undefined) {
      shared.until = Math.max(shared.until, until);
      return shared;
    }
    if (line.waiting.length >= most) {
      throw new NoTurn(`${most} questions about ${about} wait already.`);
    }
    const entry: Entry = { same, until, ask, answer: Promise.withResolvers() };
    // Each caller awaits it against its own time; the last of them may have left.
    entry.answer.promise.catch(() => undefined);
    line.waiting.push(entry);
    goOn(about, line);
    return entry;
  }

  /** Nobody waits for an entry whose latest caller has left. */
  function leave(about: string, entry: Entry): void {
    const line = lines.get(about);
    if (line === undefined || entry.until > Date.now()) return;
    const at = line.waiting.indexOf(entry);
    if (at >= 0) line.waiting.splice(at, 1);
    goOn(about, line);
  }

  return async function take<T>(question: Question<T>): Promise<T> {
    const entry = enter(question);
    const timeUp = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => timeUp.reject(new NoTurn(`No answer about ${question.about} in time.`)),
      Math.max(0, question.until - Date.now()),
    );
    try {
      return (await Promise.race([entry.answer.promise, timeUp.promise])) as T;
    } finally {
      clearTimeout(timer);
      leave(question.about, entry);
    }
  };
}
