/**
 * What `node --import` loads into a process whose clock is to be wrong by CERTIFY_CLOCK_SHIFT_MS milliseconds: `Date` in
 * JavaScript, in every thread. Durations (`performance.now`, timers) are right, and so is the clock of Temporal's Core.
 */

/** Milliseconds by which this process's clock is wrong; positive is ahead. */
export const clockShift = Number(process.env['CERTIFY_CLOCK_SHIFT_MS'] ?? 0);

function shiftClock(): void {
  const Right = Date;
  class Wrong extends Right {
    constructor(...args: [] | ConstructorParameters<typeof Right>) {
      if (args.length === 0) super(Right.now() + clockShift);
      else super(...(args as [number]));
    }
    static override now(): number {
      return Right.now() + clockShift;
    }
  }
  globalThis.Date = Wrong as DateConstructor;
}

if (clockShift !== 0) shiftClock();
