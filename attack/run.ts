/** A whole run: the quiet merchant alone, and beside one actor after the other. */
import { bundleWorkflows } from '../certify/parts/lanes.ts';
import { conserved } from '../certify/parts/checks.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { nameOf, type Wanted } from './arguments.ts';
import { play, type Phase } from './phase.ts';
import { shown } from './shown.ts';
import { startStage, type Stage } from './stage.ts';

/** Of two cores. No phase begins after `beginWithinMs`. `restMs`: until everything of the attackers' own is in the inbox, too, when all is over. */
const QUICK = { attackMs: 18_000, patienceMs: 20_000, restMs: 20_000, beginWithinMs: 190_000 };
const FULL = { attackMs: 60_000, patienceMs: 90_000, restMs: 120_000, beginWithinMs: Infinity };

/** What came of a run. */
export type Run = {
  readonly phases: readonly Phase[];
  /** Actors for whom no time was left, because bounds were passed before. */
  readonly left: readonly string[];
  /** What the ledger's books have and the inbox does not, or the other way round, when all is over; in words. */
  readonly unconserved: readonly string[];
  readonly seconds: number;
};

/** Plays a run. A stack on which a bound was passed is thrown away: what follows must not suffer from what was found. */
export async function runAttacks(
  { quick, seed, plan }: Wanted,
  say: (line: string) => void,
): Promise<Run> {
  const started = Date.now();
  const times = quick ? QUICK : FULL;
  const bundle = await bundleWorkflows();
  say('PostgreSQL, Temporal, the ledger and two workers start …');
  let stage: Stage | null = await startStage(bundle);
  try {
    const warm = await play(
      { stage, seed, quick, times: { ...times, attackMs: WARM_UP_MS }, alone: null },
      null,
    );
    if (warm.sessions === 0)
      throw new Error('The quiet merchant could open no session, though nobody attacks.');
    const alone = await play({ stage, seed, quick, times, alone: null }, null);
    tell(alone, say);
    const phases = [alone];
    const left: string[] = [];
    for (const planned of plan) {
      if (Date.now() - started > times.beginWithinMs) {
        left.push(nameOf(planned));
        continue;
      }
      stage ??= await startStage(bundle);
      const phase = await play({ stage, seed, quick, times, alone }, planned);
      phases.push(phase);
      tell(phase, say);
      if (phase.passed.length === 0) continue;
      await stage.stop();
      stage = null;
    }
    const unconserved = stage ? await inbox(stage, times.restMs) : [];
    return { phases, left, unconserved, seconds: Math.round((Date.now() - started) / 1000) };
  } finally {
    await stage?.stop();
  }
}

const WARM_UP_MS = 4_000;

/** Every payment of the ledger's books is one row with one meaning, attackers' payments too. */
async function inbox({ stack }: Stage, withinMs: number): Promise<string[]> {
  for (const end = Date.now() + withinMs; ; await sleep(1_000)) {
    const { violations } = await conserved(stack, { knowsAll: false });
    if (violations.length === 0 || Date.now() > end)
      return violations.map(({ problem }) => problem);
  }
}

function tell(
  { actor, sessions, passed, seconds, lateMs }: Phase,
  say: (line: string) => void,
): void {
  const verdict = passed.length === 0 ? 'kept' : `RED (${passed.length})`;
  say(
    `${actor ?? 'nobody'}: ${sessions} sessions, ${seconds} s, harness late by ${lateMs} ms, ${verdict}`,
  );
  for (const what of passed.slice(0, 6)) say(`    ${shown(what).slice(0, 300)}`);
}
