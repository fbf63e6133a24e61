/** Which rounds are played: every cell of the matrix once, or a slice of them, and rounds that are drawn whole. */
import { CELLS, type Cell } from './parts/cells.ts';
import type { RoundPlan } from './parts/lanes.ts';
import { Rng } from './rng.ts';

/** Drawn schedules share a stack so many at a time, and with it each other's faults. */
export const SCHEDULES_A_ROUND = 8;
const SESSIONS_A_SCHEDULE = 3;

/** Cells of the quick slice: one of each kind, those first that have found the most. */
const QUICK_CELLS = [
  'SIGKILL at watchLedger settle:committed',
  'SIGKILL at look answered',
  'COMMIT: answer lost, 6 times',
  'SIGKILL at openSession store:committed',
  'PostgreSQL stopped with -m immediate, back after 1 s, three times',
  'SIGKILL of Temporal, back after 0 s',
  'SIGSTOP for 5.5 s at watchLedger settle:inside',
  'Horizon: two nodes',
  'Horizon: nodes that differ, by path',
  'the ledger closes several times in a second',
  'the receiver takes each event in another mood',
  'COMMIT: request lost, 6 times',
  'SIGKILL at watchLedger store:committed',
  'two reconcilers repair at once, again and again',
];

/** What is to be played of the matrix. */
export type MatrixWanted = {
  readonly seed: number;
  readonly quick: boolean;
  readonly cells: readonly string[];
  readonly together: boolean;
  readonly sessions: readonly number[] | null;
};

/** Rounds of one cell each, or two, each with a seed of its own; or one round of those that were asked for, together. */
export function matrixPlans(wanted: MatrixWanted, sessions: number): RoundPlan[] {
  const { seed, quick, cells: asked, together } = wanted;
  const only = wanted.sessions === null ? {} : { only: wanted.sessions };
  const chosen = asked.length > 0 ? asked : quick ? QUICK_CELLS : [''];
  const cells = [...new Set(chosen.flatMap(cellsLike))];
  if (together) return [{ part: 'matrix', draw: { seed, sessions, ...only }, cells }];
  // One cell alone is a replay: the seed is that of its round.
  const replayed = asked.length === 1 && cells.length === 1;
  const groups = asked.length > 0 ? cells.map((cell) => [cell]) : inPairs(cells);
  return groups.map((group) => ({
    part: 'matrix',
    draw: {
      seed: replayed ? seed : seedOf(seed, CELLS.indexOf(group[0] as Cell)),
      sessions,
      ...only,
    },
    cells: group,
  }));
}

/** Faults of Horizon, of receivers, of messages, and two of what there should be one of: no worker suffers from them. */
const CALM = /^(F13|F14|F15|F17|F18|F21)$/;

/**
 * Some cells are played two at a time, where neither hides the other: frozen workers, of which there are two and neither
 * is replaced, and calm faults beside workers that die.
 */
function inPairs(cells: readonly Cell[]): Cell[][] {
  const killed = cells.filter(isKill);
  const calm = cells.filter(({ row }) => CALM.test(row));
  const frozen = cells.filter(({ rivals }) => rivals === 'SIGSTOP');
  const half = Math.ceil(frozen.length / 2);
  const paired = new Set([...killed, ...calm, ...frozen]);
  return [
    ...together(killed, calm),
    ...together(frozen.slice(0, half), frozen.slice(half)),
    ...cells.filter((cell) => !paired.has(cell)).map((cell) => [cell]),
  ];
}

/** The first with the first, and so on; what has no partner stays alone. */
function together(some: readonly Cell[], others: readonly Cell[]): Cell[][] {
  const length = Math.max(some.length, others.length);
  return Array.from({ length }, (_, i) => [...some.slice(i, i + 1), ...others.slice(i, i + 1)]);
}

/** A round for a cell whose fault did not come about, with a new seed. `turn` counts from 1. */
export function planAgain(seed: number, turn: number, name: string, sessions: number): RoundPlan {
  const cells = cellsLike(name);
  const own = seedOf(seed, turn * 100_000 + CELLS.indexOf(cells[0] as Cell));
  return { part: 'matrix', draw: { seed: own, sessions }, cells };
}

/** The cell of this name, or all whose name contains it. @throws Error when there is none */
function cellsLike(asked: string): Cell[] {
  const exact = CELLS.filter(({ name }) => name === asked);
  const found = exact.length > 0 ? exact : CELLS.filter(({ name }) => name.includes(asked));
  if (found.length === 0) throw new Error(`No cell is called like "${asked}".`);
  return found;
}

/**
 * At least so many schedules drawn whole: three sessions and a fault each. Eight are played on a stack at a time; one of
 * their faults is a SIGKILL at a failpoint, one more may be: a worker that starts costs more than all else. Each fault
 * strikes all eight.
 */
export function randomPlans(seed: number, schedules: number): RoundPlan[] {
  return Array.from({ length: Math.ceil(schedules / SCHEDULES_A_ROUND) }, (_, index) => {
    const own = seedOf(seed, 10_000 + index);
    const rng = new Rng(own).fork(-2);
    const cells = [rng.pick(CELLS.filter(isKill))];
    while (cells.length < SCHEDULES_A_ROUND) {
      const cell = rng.pick(cells.length === 1 ? CELLS : CELLS.filter((one) => !isKill(one)));
      // Two faults of one kind would undo each other: a server is stopped once, a receiver has one mood.
      if (cells.every(({ rivals }) => rivals !== cell.rivals)) cells.push(cell);
    }
    const sessions = SCHEDULES_A_ROUND * SESSIONS_A_SCHEDULE;
    return { part: 'random', draw: { seed: own, sessions }, cells };
  });
}

const isKill = ({ name }: Cell) => name.startsWith('SIGKILL at');

function seedOf(seed: number, part: number): number {
  return new Rng(seed).fork(part).int(1, 999_999_999);
}
