/** At most so many pieces of work at once for each key. */
export type Slots = {
  /** Runs the work when a slot is free; resolves to null when none became free within `waitMs`. */
  run<T>(key: string, waitMs: number, work: () => Promise<T>): Promise<T | null>;
};

type Waiting = { readonly start: () => void; readonly timer: NodeJS.Timeout };

/** Slots of one process, first come, first served. */
export function createSlots(perKey: number): Slots {
  const active = new Map<string, number>();
  const waiting = new Map<string, Waiting[]>();

  function acquire(key: string, waitMs: number): Promise<boolean> {
    const taken = active.get(key) ?? 0;
    if (taken < perKey) {
      active.set(key, taken + 1);
      return Promise.resolve(true);
    }
    return new Promise((resolve) => {
      const queue = waiting.get(key) ?? [];
      waiting.set(key, queue);
      const timer = setTimeout(() => {
        queue.splice(queue.indexOf(entry), 1);
        resolve(false);
      }, waitMs);
      const entry = { start: () => resolve(true), timer };
      queue.push(entry);
    });
  }

  /** A slot that is free goes to the next in line, or is given back. */
  function release(key: string): void {
    const next = waiting.get(key)?.shift();
    if (next) {
      clearTimeout(next.timer);
      next.start();
      return;
    }
    waiting.delete(key);
    const left = (active.get(key) ?? 1) - 1;
    if (left === 0) active.delete(key);
    else active.set(key, left);
  }

  return {
    async run(key, waitMs, work) {
      if (!(await acquire(key, waitMs))) return null;
      try {
        return await work();
      } finally {
        release(key);
      }
    },
  };
}
