/** Makes a red round smaller: as few sessions as still break something. */
import { playAll, type RoundPlan } from './lanes.ts';
import type { RoundResult } from './round.ts';
import type { Draw } from './workload.ts';

/** Rounds that are spent on it. Real parts do not repeat exactly, so a green replay proves little. */
const TRIES = 6;

/** Tries halves, and halves of those. Returns the smallest draw that was red, and how it was red. */
export async function shrink(
  bundle: string,
  plan: RoundPlan,
): Promise<{ draw: Draw; result: RoundResult | null }> {
  const { draw } = plan;
  let smallest = draw;
  let red: RoundResult | null = null;
  const all = draw.only ?? Array.from({ length: draw.sessions }, (_, i) => i);
  let parts = halves(all);
  for (let tries = 0; tries < TRIES && parts.length > 0; tries += 1) {
    const [only = [], ...others] = parts;
    const smaller = { ...draw, only };
    let result: RoundResult | null = null;
    await playAll(bundle, [{ ...plan, draw: smaller }], {
      lanes: 1,
      until: Number.POSITIVE_INFINITY,
      onRound: (one) => {
        result = one;
        return [];
      },
    });
    const found = result as RoundResult | null;
    if (found !== null && found.violations.length > 0) {
      [smallest, red] = [smaller, found];
      parts = halves(only);
    } else {
      parts = others;
    }
  }
  return { draw: smallest, result: red };
}

function halves(list: readonly number[]): number[][] {
  if (list.length < 2) return [];
  const middle = Math.ceil(list.length / 2);
  return [list.slice(0, middle), list.slice(middle)];
}
