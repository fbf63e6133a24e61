/** What an attack is given, and what it leaves. */
import type { Rng } from '../../certify/rng.ts';
import type { QuietSession } from '../quiet.ts';
import type { Stage } from '../stage.ts';

/** Where an attack happens. */
export type Scene = {
  readonly stage: Stage;
  readonly rng: Rng;
  /** The smaller numbers. */
  readonly quick: boolean;
  /** When the attack is to end. */
  readonly over: AbortSignal;
  /** Counts what was done: `did('payments', 100)`. */
  did(what: string, times?: number): void;
  /** Counts what came of it, such as refusals. */
  reached(what: string, times?: number): void;
  /** Says that something was reached that must not be. */
  breach(what: string): void;
  /** Called when the phase is over, to count what came of it meanwhile. */
  atTheEnd(count: () => void): void;
  /** A session of the quiet merchant that is to be attacked; whatever happens, it must end as its money says. */
  victim(): Promise<QuietSession>;
};

/** One way to attack; resolves when everything is done, or the scene is over. */
export type Attack = (scene: Scene) => Promise<void>;
