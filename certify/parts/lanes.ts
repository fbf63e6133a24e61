/** Several stacks side by side, each playing one round after the other, until the rounds or the time are used up. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { BUNDLED } from '../../src/worker-code.ts';
import type { Cell } from './cells.ts';
import { makeFolder } from './folder.ts';
import { playRound, type RoundResult } from './round.ts';
import { startStack, type Stack } from './stack.ts';
import type { Draw } from './workload.ts';

/** A round to be played: one of the matrix, or drawn whole. */
export type RoundPlan = {
  readonly part: 'matrix' | 'random';
  readonly draw: Draw;
  readonly cells: readonly Cell[];
};

/** The workflows as one file: every worker uses it. */
export async function bundleWorkflows(): Promise<string> {
  const { code } = await bundleWorkflowCode({
    ...BUNDLED,
    logger: new DefaultLogger('WARN'),
  });
  const path = join(makeFolder('bundle'), 'workflows.js');
  writeFileSync(path, code);
  return path;
}

/** How rounds are played. */
export type Lanes = {
  readonly lanes: number;
  /** No round is begun after this time (Date.now()). */
  readonly until: number;
  /** Returns rounds that are to be played next. */
  readonly onRound: (result: RoundResult, plan: RoundPlan) => readonly RoundPlan[];
  /** Looks at the stack of a green round, before the next is played on it. */
  readonly lookAt?: (stack: Stack) => Promise<void>;
};

/**
 * Plays rounds in their order. A stack whose round was red, or broke, is thrown away with all it has: what follows must not
 * suffer from what was found. Returns how many were left when the time was over.
 */
export async function playAll(
  bundle: string,
  plans: readonly RoundPlan[],
  { lanes, until, onRound, lookAt }: Lanes,
): Promise<number> {
  const waiting = [...plans];
  const lane = async () => {
    let stack: Stack | null = null;
    try {
      while (waiting.length > 0 && Date.now() < until) {
        const plan = waiting.shift();
        if (plan === undefined) break;
        stack ??= await startStack(bundle);
        const result = await playOrBreak(stack, plan);
        waiting.unshift(...onRound(result, plan));
        if (result.violations.length === 0) {
          await lookAt?.(stack);
          await stack.restaff();
          continue;
        }
        await stack.stop();
        stack = null;
      }
    } finally {
      await stack?.stop();
    }
  };
  await Promise.all(Array.from({ length: Math.min(lanes, plans.length) }, lane));
  return waiting.length;
}

/** A round that throws is a red one: the harness cannot say that all is well. */
async function playOrBreak(stack: Stack, { draw, cells }: RoundPlan): Promise<RoundResult> {
  const started = Date.now();
  try {
    return await playRound(stack, draw, cells);
  } catch (error) {
    return {
      seed: draw.seed,
      cells: cells.map(({ name }) => name),
      drawn: draw.sessions,
      sessions: 0,
      struck: cells.map(() => 0),
      counted: 0,
      violations: [{ check: 'rest', problem: `The round broke: ${inspect(error)}` }],
      restMs: null,
      recoveries: [],
      unanswered: 0,
      ms: Date.now() - started,
    };
  }
}
