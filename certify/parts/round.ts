/** One round: a workload, one fault or several, rest, and every check. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Rng } from '../rng.ts';
import type { Cell } from './cells.ts';
import type { Recovery } from './cells/scene.ts';
import { check } from './checks.ts';
import { within } from './deadline.ts';
import { nextCommit } from './next-commit.ts';
import { rest, watchAlways } from './rest.ts';
import type { Stack } from './stack.ts';
import type { Violation } from './violation.ts';
import { startWorkload, type Draw, type Workload } from './workload.ts';

/** What came of a round. */
export type RoundResult = {
  readonly seed: number;
  readonly cells: readonly string[];
  /** Sessions that were drawn, and those that were opened. */
  readonly drawn: number;
  readonly sessions: number;
  /** How often each fault struck, in the order of `cells`. */
  readonly struck: readonly number[];
  readonly counted: number;
  readonly violations: readonly Violation[];
  /** From the moment when all was well again. */
  readonly restMs: number | null;
  readonly recoveries: readonly Recovery[];
  readonly unanswered: number;
  readonly ms: number;
};

/** Longer than a backend asks. */
const GIVE_UP_AFTER_MS = 260_000;
/** Longer than customers, faults, rest and checks may take together: a round that is not over by then hangs. */
const ROUND_WITHIN_MS = 540_000;
/** What looks at every snapshot asks PostgreSQL once more and ends. */
const WATCH_ENDS_WITHIN_MS = 40_000;

/** Plays a round. Its faults strike side by side. */
export async function playRound(
  stack: Stack,
  draw: Draw,
  cells: readonly Cell[],
): Promise<RoundResult> {
  const over = new AbortController();
  const atRest = new AbortController();
  const workload = startWorkload(stack, draw);
  const always = watchAlways(stack, workload.sessions, atRest.signal);
  const step: Step = { now: 'customers are paying' };
  const played = play({ stack, draw, cells, workload, over, atRest, always, step });
  try {
    return await within(ROUND_WITHIN_MS, () => step.now, played);
  } catch (error) {
    // Customers and backends must not go on asking a stack that is gone.
    await Promise.race([workload.done.catch(() => undefined), sleep(GIVE_UP_AFTER_MS)]);
    throw error;
  } finally {
    over.abort();
    atRest.abort();
    await within(WATCH_ENDS_WITHIN_MS, () => 'the snapshots', always).catch(() => undefined);
  }
}

/** What a round is waiting for, in words. */
type Step = { now: string };

type Playing = {
  stack: Stack;
  draw: Draw;
  cells: readonly Cell[];
  workload: Workload;
  over: AbortController;
  atRest: AbortController;
  always: ReturnType<typeof watchAlways>;
  step: Step;
};

async function play({
  stack,
  draw,
  cells,
  workload,
  over,
  atRest,
  always,
  step,
}: Playing): Promise<RoundResult> {
  const started = Date.now();
  const rng = new Rng(draw.seed).fork(-1);
  const recoveries: Promise<Recovery | null>[] = [];
  const striking = new Set(cells.map(({ name }) => name));
  const strikes = Promise.all(
    cells.map((cell, index) =>
      cell
        .strike({
          stack,
          rng: rng.fork(index),
          sessions: workload.sessions,
          over: over.signal,
          settlesAgain: (after, at) => {
            const recovery = nextCommit(stack, workload.sessions, {
              after,
              at,
              atRest: atRest.signal,
            });
            recovery.catch(() => undefined); // heard below, unless the round breaks before
            recoveries.push(recovery);
          },
          complain: (problem) => workload.complaints.push(problem),
        })
        .finally(() => striking.delete(cell.name)),
    ),
  );
  await Promise.all([workload.done, Promise.race([strikes, patience(workload.done)])]);
  // A failpoint may still be reached while the last things are done; at rest it will not be any more.
  if (striking.size > 0) await Promise.race([strikes, rest(stack, workload)]);
  over.abort();
  step.now = `faults are still striking: ${[...striking].join('; ')}`;
  const struck = await strikes;
  step.now = 'the system comes to rest';
  const rested = await rest(stack, workload);
  atRest.abort();
  step.now = 'the last snapshot is looked at';
  const seen = await always;
  const recovered = await Promise.all(recoveries);
  step.now = 'everything is checked';
  const { violations, counted } = await check(stack, workload);
  violations.push(...new Map(seen.violations.map((v) => [v.problem, v])).values());
  if ('left' in rested) {
    violations.unshift({ check: 'rest', problem: `Not at rest; left: ${rested.left}` });
  }
  return {
    seed: draw.seed,
    cells: cells.map(({ name }) => name),
    drawn: draw.sessions,
    sessions: workload.sessions.length,
    struck,
    counted: counted + seen.counted,
    violations,
    restMs: 'ms' in rested ? rested.ms : null,
    recoveries: recovered.filter((recovery) => recovery !== null),
    unanswered: workload.counts.unanswered,
    ms: Date.now() - started,
  };
}

/** Faults that wait for something to strike get a moment more than the customers need. */
async function patience(done: Promise<void>): Promise<void> {
  await done;
  await sleep(500);
}
