/** What an attack is given, and what it leaves. */
import type { Rng } from '../../certify/rng.ts';
import type { QuietSession, Wanted } from '../quiet.ts';
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
  /** Says that a worker was killed just now. */
  killed(): void;
  /** Called when the phase is over, to count what came of it meanwhile. */
  atTheEnd(count: () => unknown): void;
  /** A session that is to be attacked, of the attacked merchant unless it is said; its merchant must hear of its payment. */
  victim(whose?: Omit<Wanted, 'attacked'>): Promise<QuietSession>;
};

/** One way to attack; resolves when everything is done, or the scene is over. */
export type Attack = (scene: Scene) => Promise<void>;
