/**
 * The crash certificate: throws faults at the decision code in this process and at the whole system on real parts, and
 * checks the promises P1–P6 from outside. `npm run certify`, or `-- --quick` for three minutes of it.
 */
import { cpus, loadavg, totalmem } from 'node:os';
import { readArguments, type Wanted } from './arguments.ts';
import { CELLS, type Cell } from './parts/cells.ts';
import { bundleWorkflows, playAll, type RoundPlan } from './parts/lanes.ts';
import type { RoundResult } from './parts/round.ts';
import { shrink } from './parts/shrink.ts';
import { percentile, writeCertificate } from './report.ts';
import { Rng } from './rng.ts';
import { simulate } from './simulation/simulate.ts';

/** How much of everything. Minutes are those of two cores; what they leave out is said in the certificate. */
const FULL = { model: 50_000, postgres: 1_500, sessions: 25, random: 320, minutes: 19, lanes: 3 };
const QUICK = { model: 10_000, postgres: 200, sessions: 20, random: 8, minutes: 2.3, lanes: 3 };
/** Cells of the quick slice: one of each kind. */
const QUICK_CELLS = [
  'SIGKILL at openSession store:committed',
  'SIGKILL at look settle:commit',
  'SIGKILL at look answered',
  'SIGKILL at watchLedger store:committed',
  'SIGKILL at watchLedger settle:committed',
  'SIGSTOP for 5.5 s at watchLedger settle:inside',
  'SIGKILL of Temporal, back after 0 s',
  'PostgreSQL stopped with -m immediate, back after 1 s',
  'COMMIT: answer lost, 6 times',
  'COMMIT: request lost, 6 times',
  'Horizon: two nodes',
  'the receiver takes each event in another mood',
];
/** Recovery from a SIGKILL to the next commit (bar R7). */
const RECOVERY_P95_MS = 5_000;

const SCHEDULES_A_ROUND = 4;
const SESSIONS_A_DRAWN_ROUND = SCHEDULES_A_ROUND * 8;

const wanted = readArguments(process.argv.slice(2));
const started = Date.now();
const [loadBefore = 0] = loadavg();
const size = wanted.quick ? QUICK : FULL;
const until = started + size.minutes * 60_000;
say(
  `Seed ${wanted.seed}. The same seed draws the same workloads and faults again: -- --seed ${wanted.seed}`,
);

const rounds: { part: 'matrix' | 'random'; result: RoundResult }[] = [];
const simulations = wanted.parts.includes('simulation')
  ? await simulate(wanted.seed, { ...size, shrinks: !wanted.quick })
  : [];
let red = simulations.some(({ violations }) => violations.length > 0);
const onReal = wanted.parts.includes('matrix') || wanted.parts.includes('random');
const left = onReal ? await playOnRealParts() : 0;
conclude();
process.exit(red ? 1 : 0);

async function playOnRealParts(): Promise<number> {
  const bundle = await bundleWorkflows();
  const plans = [
    ...(wanted.parts.includes('matrix') ? matrixPlans(wanted) : []),
    ...(wanted.parts.includes('random') ? randomPlans(wanted) : []),
  ];
  const matrix = new Set(plans.filter(({ cells }) => cells.length < 2));
  const bySeed = new Map(plans.map((plan) => [plan.draw.seed, plan]));
  const reds: RoundPlan[] = [];
  const left = await playAll(bundle, plans, {
    lanes: size.lanes,
    until,
    onRound: (result) => {
      const plan = bySeed.get(result.seed);
      if (plan === undefined) return;
      rounds.push({ part: matrix.has(plan) ? 'matrix' : 'random', result });
      tell(result, rounds.length, plans.length);
      if (result.violations.length > 0) reds.push(plan);
    },
  });
  red ||= reds.length > 0;
  const [first] = reds;
  if (first && !wanted.quick) {
    say('Looking for fewer sessions that break it …');
    const { draw, result } = await shrink(bundle, first.draw, first.cells);
    say(
      replay(
        draw.seed,
        first.cells.map(({ name }) => name),
        draw.only ?? null,
      ),
    );
    for (const { check, problem } of result?.violations.slice(0, 5) ?? [])
      say(`  ${check}: ${problem}`);
  }
  return left;
}

/** Every cell once, or the slice, or those that were asked for; each with a seed of its own. */
function matrixPlans({ seed, quick, cells: asked, together, sessions }: Wanted): RoundPlan[] {
  const only = sessions === null ? {} : { only: sessions };
  const chosen = asked.length > 0 ? asked.flatMap(cellsLike) : quick ? quickCells() : CELLS;
  if (together) {
    return [{ draw: { seed, sessions: SESSIONS_A_DRAWN_ROUND, ...only }, cells: chosen }];
  }
  // One cell alone is a replay: the seed is that of its round.
  const own = (cell: Cell) =>
    asked.length === 1 && chosen.length === 1 ? seed : seedOfCell(seed, cell);
  return [...new Set(chosen)].map((cell) => ({
    draw: { seed: own(cell), sessions: size.sessions, ...only },
    cells: [cell],
  }));
}

/** The cell of this name, or all whose name contains it. @throws Error when there is none */
function cellsLike(asked: string): Cell[] {
  const exact = CELLS.filter(({ name }) => name === asked);
  const found = exact.length > 0 ? exact : CELLS.filter(({ name }) => name.includes(asked));
  if (found.length === 0) throw new Error(`No cell is called like "${asked}".`);
  return found;
}

function quickCells(): Cell[] {
  return QUICK_CELLS.flatMap(cellsLike);
}

function seedOfCell(seed: number, cell: Cell): number {
  return seedOf(seed, CELLS.indexOf(cell));
}

/**
 * Schedules drawn whole: eight sessions and a fault each. Four are played on a stack at a time, and one fault of the four is
 * a SIGKILL at a failpoint; each fault strikes them all.
 */
function randomPlans({ seed }: Wanted): RoundPlan[] {
  return Array.from({ length: size.random / SCHEDULES_A_ROUND }, (_, index) => {
    const own = seedOf(seed, 10_000 + index);
    const rng = new Rng(own).fork(-2);
    const kill = rng.pick(CELLS.filter(({ name }) => name.startsWith('SIGKILL at')));
    const others = Array.from({ length: SCHEDULES_A_ROUND - 1 }, () => rng.pick(CELLS));
    const draw = { seed: own, sessions: SESSIONS_A_DRAWN_ROUND };
    return { draw, cells: withoutRivals([kill, ...others]) };
  });
}

/** Two faults of one kind would undo each other: a server is stopped once, a receiver has one mood. */
function withoutRivals(cells: readonly Cell[]): Cell[] {
  const kindOf = ({ name }: Cell) => (/^SIG.* at /.test(name) ? name : name.split(' ')[0]);
  return [...new Map(cells.map((cell) => [kindOf(cell), cell])).values()];
}

function seedOf(seed: number, part: number): number {
  return new Rng(seed).fork(part).int(1, 999_999_999);
}

/** The command that plays a round again. */
function replay(seed: number, cells: readonly string[], only: readonly number[] | null): string {
  const names = cells.map((name) => ` --cell '${name}'`).join('');
  const quick = wanted.quick ? ' --quick' : '';
  const sessions = only === null ? '' : ` --sessions ${only.join()}`;
  const together = cells.length > 1 ? ' --together' : '';
  return `Replay: npm run certify -- --seed ${seed}${quick}${together}${names}${sessions}`;
}

function tell(result: RoundResult, n: number, of: number): void {
  const { seed, cells, struck, violations, restMs, ms } = result;
  const verdict = violations.length === 0 ? 'green' : `RED (${violations.length})`;
  const struckTimes = cells.map((name, i) => `${name} [${struck[i]}]`).join(' + ');
  say(
    `${n}/${of} ${verdict} seed ${seed}: ${struckTimes}; at rest after ${restMs} ms, ${Math.round(ms / 1000)} s`,
  );
  for (const { check, problem } of violations.slice(0, 5)) say(`    ${check}: ${problem}`);
  if (violations.length > 0) say(`    ${replay(seed, cells, wanted.sessions)}`);
}

function conclude(): void {
  const recoveries = rounds.flatMap(({ result }) => result.recoveries);
  const p95 = percentile(recoveries, 95);
  if (recoveries.length >= 20 && p95 > RECOVERY_P95_MS) {
    red = true;
    say(`RED: recovery p95 is ${p95} ms, more than ${RECOVERY_P95_MS}.`);
  }
  const neverStruck = strikeless();
  if (neverStruck.length > 0 && !wanted.quick && wanted.cells.length === 0) {
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
    writeCertificate({ seed, simulations, rounds, schedulesARound, left, minutes, machine, red });
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
