/** How much memory the workers have, while it is looked at. */
import { setTimeout as sleep } from 'node:timers/promises';
import { rssMbOf } from '../bench/counters.ts';
import type { Stack } from '../certify/parts/stack.ts';
import type { Seen } from './bounds.ts';

const EVERY_MS = 500;

/** Looks until the signal; of the worker that grew most. A worker that came later began with what the first ones had. */
export async function watchMemory(stack: Stack, over: AbortSignal): Promise<Seen['memory']> {
  const began = new Map<number, number>();
  const most = new Map<number, number>();
  let first: number | null = null;
  for (; !over.aborted; await sleep(EVERY_MS, undefined, { ref: false })) {
    for (const { pid } of stack.workers) {
      const mb = rssMbOf(pid);
      if (mb === null) continue;
      first ??= mb;
      if (!began.has(pid)) began.set(pid, Math.max(mb, first));
      most.set(pid, Math.max(most.get(pid) ?? 0, mb));
    }
  }
  const grown = [...began]
    .map(([pid, beforeMb]) => ({ beforeMb, peakMb: most.get(pid) ?? beforeMb }))
    .sort((a, b) => b.peakMb - b.beforeMb - (a.peakMb - a.beforeMb));
  return grown[0] ?? null;
}
