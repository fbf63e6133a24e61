/** A whole run: the quiet merchant alone, and beside one actor after the other. */
import { bundleWorkflows } from '../certify/parts/lanes.ts';
import { conserved } from '../certify/parts/checks.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { nameOf, type Wanted } from './arguments.ts';
import { latenciesOf, passed } from './bounds.ts';
import { play, type Before, type Phase } from './phase.ts';
import { shown } from './shown.ts';
import { startStage, type Stage } from './stage.ts';

/**
 * Of two cores. `aloneMs`: the quiet merchant alone, before the first attack and between each two, so that a machine that
 * becomes slower meanwhile becomes so for both. No phase begins after `beginWithinMs`. `restMs`: until everything of the
 * attackers' own is in the inbox, too, when all is over.
 */
const QUICK = {
  attackMs: 18_000,
  aloneMs: 8_000,
  patienceMs: 20_000,
  restMs: 20_000,
  beginWithinMs: 200_000,
};
const FULL = {
  attackMs: 60_000,
  aloneMs: 30_000,
  patienceMs: 90_000,
  restMs: 120_000,
  beginWithinMs: Infinity,
};

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
  let stage: Stage | null = null;
  const calm: Phase[] = [];
  const attacks: Phase[] = [];
  const left: string[] = [];
  /** The quiet merchant alone: after an attack, it must be as it was before. */
  const alone = async (stage: Stage, after: string | null) => {
    const before = calm.length === 0 ? null : latenciesOf(calm.flatMap(({ times }) => times));
    const shorter = { ...times, attackMs: times.aloneMs };
    const phase = await play({ stage, seed, quick, times: shorter, alone: before }, null);
    calm.push(phase);
    if (phase.passed.length > 0 && after !== null) {
      attacks.push({ ...phase, actor: `nobody, after ${after}` });
    }
    tell(phase, say);
  };
  try {
    let after: string | null = null;
    for (const planned of plan) {
      if (Date.now() - started > times.beginWithinMs) {
        left.push(nameOf(planned));
        continue;
      }
      stage ??= await warmStage(bundle, { seed, quick, times });
      await alone(stage, after);
      if (calm.length === 1) await alone(stage, null);
      const known = latenciesOf(calm.flatMap((phase) => phase.times));
      const phase = await play({ stage, seed, quick, times, alone: known }, planned);
      attacks.push(phase);
      tell(phase, say);
      after = phase.actor;
      if (phase.passed.length === 0) continue;
      await stage.stop();
      [stage, after] = [null, null];
    }
    const unconserved = stage ? await inbox(stage, times.restMs) : [];
    const phases = [together(calm), ...attacks.map((phase) => judged(phase, calm))];
    return { phases, left, unconserved, seconds: Math.round((Date.now() - started) / 1000) };
  } finally {
    await stage?.stop();
  }
}

/** A stack on which something has happened already: code is compiled, caches are filled. */
async function warmStage(
  bundle: string,
  { seed, quick, times }: Pick<Before, 'seed' | 'quick' | 'times'>,
): Promise<Stage> {
  const stage = await startStage(bundle);
  try {
    const shorter = { ...times, attackMs: WARM_UP_MS };
    const warm = await play({ stage, seed, quick, times: shorter, alone: null }, null);
    if (warm.sessions > 0) return stage;
    throw new Error('The quiet merchant could open no session, though nobody attacks.');
  } catch (error) {
    await stage.stop();
    throw error;
  }
}

/** All the times that the quiet merchant was alone, as one phase. */
function together(calm: readonly Phase[]): Phase {
  const [first] = calm;
  if (first === undefined) throw new Error('The quiet merchant was never alone.');
  const times = calm.flatMap((phase) => phase.times);
  return { ...first, times, ...latenciesOf(times), sessions: times.length };
}

/** Judged again by all the times that the quiet merchant was alone in this run, before the attack and after it. */
function judged(phase: Phase, calm: readonly Phase[]): Phase {
  if (phase.actor?.startsWith('nobody')) return phase;
  return { ...phase, passed: passed(phase, together(calm)) };
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
  { actor, sessions, passed: beyond, seconds, lateMs }: Phase,
  say: (line: string) => void,
): void {
  const verdict = beyond.length === 0 ? 'kept' : `RED (${beyond.length})`;
  say(
    `${actor ?? 'nobody'}: ${sessions} sessions, ${seconds} s, harness late by ${lateMs} ms, ${verdict}`,
  );
  for (const what of beyond.slice(0, 6)) say(`    ${shown(what).slice(0, 300)}`);
}
