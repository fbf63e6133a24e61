/**
 * The crash certificate: throws faults at the decision code in this process and at the whole system on real parts, and
 * checks the promises P1–P6 from outside. `npm run certify`, or `-- --quick` for three minutes of it.
 */
import { cpus, loadavg, totalmem } from 'node:os';
import { readArguments } from './arguments.ts';
import { collectHistories } from './parts/histories.ts';
import { bundleWorkflows, playAll, type RoundPlan } from './parts/lanes.ts';
import type { RoundResult } from './parts/round.ts';
import { shrink } from './parts/shrink.ts';
import { matrixPlans, planAgain, randomPlans, SCHEDULES_A_ROUND } from './plans.ts';
import { commit, percentile, recoveriesIn, writeCertificate } from './report.ts';
import { simulateAside } from './simulation/aside.ts';

/** How much of everything. Minutes are those of two cores; what they leave out is said in the certificate. */
const FULL = { model: 10_000, postgres: 200, sessions: 18, random: 300, minutes: 19, lanes: 3 };
const QUICK = { model: 10_000, postgres: 150, sessions: 20, random: 16, minutes: 2.3, lanes: 3 };
/** Recovery from a SIGKILL to the next commit where a worker is left (bar R7). */
const RECOVERY_P95_MS = 5_000;

/** What is under way when the time is over ends within this; after that something hangs, and that is a red, too. */
const OVERTIME_MS = 12 * 60_000;

/** A cell whose fault has not come about is played again with other seeds, so often. */
const TURNS_MORE = 3;

const wanted = readArguments(process.argv.slice(2));
const started = Date.now();
const code = commit();
const [loadBefore = 0] = loadavg();
const size = wanted.quick ? QUICK : FULL;
const until = started + (wanted.minutes ?? size.minutes) * 60_000;
/** Then every fault must have struck. */
const wantsAll = !wanted.quick && wanted.cells.length === 0 && wanted.parts.includes('matrix');
say(
  `Seed ${wanted.seed}. The same seed draws the same workloads and faults again: -- --seed ${wanted.seed}`,
);

setTimeout(
  () => {
    say('RED: the time was over long ago, and something is still being waited for.');
    process.exit(1);
  },
  until - Date.now() + OVERTIME_MS,
).unref();

const rounds: { part: RoundPlan['part']; result: RoundResult }[] = [];
const simulating = simulateAside(wanted.seed, {
  model: wanted.parts.includes('model') ? size.model : 0,
  postgres: wanted.parts.includes('postgres') ? size.postgres : 0,
  shrinks: !wanted.quick,
});
let red = false;
const onReal = wanted.parts.includes('matrix') || wanted.parts.includes('random');
const left = onReal ? await playOnRealParts() : 0;
const simulations = await simulating;
if (onReal && rounds.length === 0) {
  red = true;
  say('RED: the time was over before anything was played on real parts.');
}
red ||= simulations.some(({ violations }) => violations.length > 0);
conclude();
process.exit(red ? 1 : 0);

async function playOnRealParts(): Promise<number> {
  const bundle = await bundleWorkflows();
  const reds: RoundPlan[] = [];
  const matrix = wanted.parts.includes('matrix')
    ? matrixPlans(wanted, wanted.drawn ?? size.sessions)
    : [];
  const random = wanted.parts.includes('random') ? randomPlans(wanted.seed, size.random) : [];
  let planned = matrix.length + random.length;
  const histories = wanted.keepHistories ? collectHistories() : null;
  const left = await playAll(bundle, [...matrix, ...random], {
    lanes: size.lanes,
    until,
    ...(histories && { lookAt: (stack) => histories.take(stack) }),
    onRound: (result, plan) => {
      rounds.push({ part: plan.part, result });
      const again = wantsAll && plan.part === 'matrix' ? notStruck(result) : [];
      planned += again.length;
      tell(result, rounds.length, planned);
      if (result.violations.length > 0) reds.push(plan);
      return again;
    },
  });
  if (histories) say(`Kept the histories of ${histories.write()} runs.`);
  red ||= reds.length > 0;
  const [first] = reds;
  if (first && !wanted.quick) await shrunk(bundle, first);
  return left;
}

/** Rounds for the cells of this one whose fault has not come about, unless they were played often enough. */
function notStruck({ cells, struck }: RoundResult): RoundPlan[] {
  return cells.flatMap((name, i) => {
    const played = rounds.filter(
      ({ part, result }) => part === 'matrix' && result.cells.includes(name),
    ).length;
    if (struck[i] !== 0 || played > TURNS_MORE) return [];
    return [planAgain(wanted.seed, played, name, size.sessions)];
  });
}

async function shrunk(bundle: string, plan: RoundPlan): Promise<void> {
  const { draw, cells } = plan;
  say('Looking for fewer sessions that break it …');
  const small = await shrink(bundle, plan);
  const names = cells.map(({ name }) => name);
  const { seed, sessions: drawn } = draw;
  say(replay({ seed, drawn, cells: names }, small.draw.only ?? null));
  for (const { check, problem } of small.result?.violations.slice(0, 5) ?? []) {
    say(`  ${check}: ${problem}`);
  }
}

/** The command that plays a round again. */
function replay(
  { seed, drawn, cells }: Pick<RoundResult, 'seed' | 'drawn' | 'cells'>,
  only: readonly number[] | null,
): string {
  const names = cells.map((name) => ` --cell '${name}'`).join('');
  const sessions = only === null ? '' : ` --sessions ${only.join()}`;
  const together = cells.length > 1 ? ' --together' : '';
  return `Replay: npm run certify -- --seed ${seed} --drawn ${drawn}${together}${names}${sessions}`;
}

function tell(result: RoundResult, n: number, of: number): void {
  const { seed, cells, struck, recoveries, violations, restMs, ms } = result;
  const verdict = violations.length === 0 ? 'green' : `RED (${violations.length})`;
  const struckTimes = cells.map((name, i) => `${name} [${struck[i]}]`).join(' + ');
  const recovered = recoveries
    .map(({ after, ms, what }) => ` settled ${ms} ms after ${after} (${what}),`)
    .join('');
  say(
    `${n}/${of} ${verdict} seed ${seed}: ${struckTimes};${recovered} at rest after ${restMs} ms, ${Math.round(ms / 1000)} s`,
  );
  for (const { check, problem } of violations.slice(0, 5)) say(`    ${check}: ${problem}`);
  if (violations.length > 0) say(`    ${replay(result, wanted.sessions)}`);
}

function conclude(): void {
  const recoveries = recoveriesIn(rounds, 'SIGKILL', ['matrix']);
  const p95 = percentile(recoveries, 95);
  if (recoveries.length >= 20 && p95 > RECOVERY_P95_MS) {
    red = true;
    say(`RED: recovery p95 is ${p95} ms, more than ${RECOVERY_P95_MS}.`);
  }
  const neverStruck = strikeless();
  if (neverStruck.length > 0 && wantsAll) {
    red = true;
    say(`RED: never struck: ${neverStruck.join('; ')}`);
  }
  const violations = rounds.flatMap(({ result }) => result.violations).length;
  const minutes = (Date.now() - started) / 60_000;
  if (wanted.write) {
    const [, loadAfter = 0] = loadavg();
    const memoryGb = Math.round(totalmem() / 2 ** 30);
    const machine = { cores: cpus().length, memoryGb, load: [loadBefore, loadAfter] as const };
    const { seed } = wanted;
    const schedulesARound = SCHEDULES_A_ROUND;
    writeCertificate({
      code,
      seed,
      simulations,
      rounds,
      schedulesARound,
      left,
      minutes,
      machine,
      red,
    });
  }
  say(
    `${red ? 'RED' : 'GREEN'}: ${rounds.length} rounds on real parts, ${violations} violations, ` +
      `${left} rounds left out for lack of time, ${minutes.toFixed(1)} minutes.`,
  );
}

/** Cells that were played, and whose fault never came about. */
function strikeless(): string[] {
  const struck = new Map<string, number>();
  for (const { result } of rounds) {
    result.cells.forEach((name, i) =>
      struck.set(name, (struck.get(name) ?? 0) + (result.struck[i] ?? 0)),
    );
  }
  return [...struck].filter(([, times]) => times === 0).map(([name]) => name);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
