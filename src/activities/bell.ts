/** Lets one loop wait for what another one does in the same process. It rings for the next who listens, at the latest. */
export type Bell = {
  ring(): void;
  /** Resolves when it rings, at once when it has rung since the last call, and after `withinMs` in any case. */
  heard(withinMs: number): Promise<void>;
};

/** A bell that has not rung. */
export function createBell(): Bell {
  let hasRung = false;
  let hear = (): void => undefined;
  return {
    ring: () => {
      hasRung = true;
      hear();
    },
    heard: async (withinMs) => {
      if (!hasRung) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, withinMs);
          hear = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      hasRung = false;
    },
  };
}
