/** What a cell of the fault matrix is, and what it works on. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Rng } from '../../rng.ts';
import type { Stack } from '../stack.ts';
import type { RoundSession } from '../workload.ts';

/** Milliseconds from a worker's SIGKILL, or from when PostgreSQL took connections again, to the next commit. */
export type Recovery = {
  readonly after: 'SIGKILL' | 'PostgreSQL’s return';
  readonly ms: number;
  /** The session that was settled, and what became of it. */
  readonly what: string;
};

/** What a fault works on. */
export type Scene = {
  readonly stack: Stack;
  readonly rng: Rng;
  /** Sessions that have been opened so far in this round. */
  readonly sessions: readonly RoundSession[];
  /** Aborted when the round is at rest and the fault has still not struck. */
  readonly over: AbortSignal;
  /** Has it noted how long it takes from `at` until sessions are settled again, while the round goes on. */
  settlesAgain(after: Recovery['after'], at: number): void;
  /** Notes an answer that cannot be right. */
  complain(problem: string): void;
};

/** One cell. `strike` resolves, when all is well again, to how often the fault really struck. */
export type Cell = {
  /** The row of the fault matrix (facts/faults-and-performance.md §2.2). */
  readonly row: string;
  readonly name: string;
  /** Two cells of the same word would undo each other: they are not played side by side. */
  readonly rivals: string;
  strike(scene: Scene): Promise<number>;
};

/** Some seconds in, when customers are paying. */
export const soon = ({ rng }: Scene) => sleep(rng.int(300, 2_500));

/** Waits until it is so; false when the round is over before. */
export async function until(is: () => boolean, over: AbortSignal): Promise<boolean> {
  while (!is()) {
    if (over.aborted) return false;
    await sleep(10);
  }
  return true;
}
