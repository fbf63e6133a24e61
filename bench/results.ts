/** What a whole bench measured: the raw JSON, and how one number is made of several runs. */
import { execFileSync } from 'node:child_process';
import { cpus, loadavg, totalmem } from 'node:os';
import type { ArmName } from './arms/list.ts';
import type { OpenSessions, Watching } from './ends.ts';
import type { ReadingAgain } from './reading-again.ts';
import type { Reconciling } from './reconciling.ts';
import type { Run, Sizes } from './runs.ts';
import type { Growth, PageCost, Retries, RoundTrips } from './settling.ts';

/** Everything of one arm: an entry for each run, and of which commit they are. */
export type ArmResults = { runs: Run[]; failures: string[]; commit?: string | null };

/** What is measured of ours alone. A part is null when it failed; `failures` says why. */
export type OwnResults = {
  commit: string | null;
  load: Load;
  roundTrips: RoundTrips | null;
  retries: Retries[];
  pages: PageCost[];
  growth: Growth[];
  reconciling: Reconciling[];
  readingAgain: ReadingAgain[];
  open: OpenSessions | null;
  watching: Watching | null;
  demoSeconds: number | null;
  failures: string[];
};

/**
 * How many processes wanted a core, on average over the last minute, when it began and when it ended: the first shows
 * what else was on the machine.
 */
export type Load = { before: number; after: number };

/** The raw JSON. */
export type Results = {
  at: string;
  quick: boolean;
  commit: string | null;
  /** While the arms ran. */
  load: Load;
  machine: { cpu: string; cores: number; memoryGb: number; node: string; postgres: string };
  sizes: Sizes;
  /** The order in which the arms ran, by run. */
  order: ArmName[][];
  arms: Partial<Record<ArmName, ArmResults>>;
  own: OwnResults;
  /** Webhooks among those verified that were not signed rightly. */
  unsigned: number;
  seconds: number;
};

/** The machine, as far as it matters. */
export function machine(postgres: string): Results['machine'] {
  const [first] = cpus();
  return {
    cpu: first?.model ?? 'unknown',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    postgres,
  };
}

/** Of the last minute. */
export function load(): number {
  return Math.round((loadavg()[0] ?? 0) * 10) / 10;
}

/** The commit that is measured; null outside of a clone. */
export function measuredCommit(): string | null {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  } catch {
    return null;
  }
}

/** Several runs as one number, with its range. */
export type Spread = { median: number; min: number; max: number };

/** Null when no run has the number. */
export function spread<T>(runs: readonly T[], of: (run: T) => number | null): Spread | null {
  const numbers = runs.map(of).filter((n) => n !== null && Number.isFinite(n)) as number[];
  if (numbers.length === 0) return null;
  const sorted = numbers.sort((a, b) => a - b);
  return {
    median: medianOf(sorted),
    min: sorted[0] ?? 0,
    max: sorted.at(-1) ?? 0,
  };
}

/** Of numbers in order; between the two in the middle of an even number. */
function medianOf(sorted: readonly number[]): number {
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle)] ?? 0)) / 2;
}

/** The sum over all runs: of what must not happen even once. */
export function total<T>(runs: readonly T[], of: (run: T) => number): number {
  return runs.reduce((sum, run) => sum + of(run), 0);
}

/** A number with as many digits as it deserves. */
export function digits(n: number): string {
  if (Math.abs(n) >= 100) return Math.round(n).toLocaleString('en-US');
  return n >= 10 ? n.toFixed(1) : n.toFixed(2);
}

/** `median (min–max)`, or the median alone of a single run; a dash where there is none. */
export function show(s: Spread | null): string {
  if (s === null) return '–';
  return s.min === s.max
    ? digits(s.median)
    : `${digits(s.median)} (${digits(s.min)}–${digits(s.max)})`;
}
