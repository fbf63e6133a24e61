/** What no attack may pass, and the judgement of a phase. */
import type { Times } from './quiet.ts';

/** Milliseconds. Infinite for what has not happened. */
export type Latency = { readonly p50: number; readonly p99: number };

/** The bound of the issue: beside an attacker everything takes at most twice as long. */
export const MOST_RATIO = 2;
/**
 * Noise: so much may be added to what was measured alone before a ratio counts. A payment waits for a turn of the watcher
 * (1 s here) and its session for a commit of others: half a turn moves a median, a turn and a half the slowest of sixty.
 */
export const NOISE_MS = { p50: 500, p99: 1_500 };
/** A worker may need this much more while it is attacked (MB): pages, bodies and Temporal's caches are of bounded size. */
export const MOST_GROWTH_MB = 400;

/**
 * A session that is paid while a worker is being replaced waits for that by itself: 3 s until the heartbeat of the dead one is
 * missed, 2 s for its sticky queue, 5 s for a workflow task that it had begun. It is no part of p50 and p99, and must be told
 * within this (ms), beside any number of reports.
 */
export const REPLACED_WITHIN_MS = 12_000;

/** What was seen of one phase. */
export type Seen = {
  readonly commit: Latency;
  readonly webhook: Latency;
  /** The longest that a session waited that was paid while a worker was being replaced, until its webhook (ms); 0 when none was. */
  readonly replaced: number;
  /** Of the worker that grew most: when the phase began, and the most that it had. Null where there is no /proc. */
  readonly memory: { readonly beforeMb: number; readonly peakMb: number } | null;
  /** Workers that ended though nobody had ended them, and how. */
  readonly dead: readonly string[];
  /** Sessions of the quiet merchant whose money came and of which it has not heard. */
  readonly lost: readonly string[];
  /** Findings of the audit, promises that broke by the ledger's books, actors that reached what they must not. */
  readonly broken: readonly string[];
};

/** A time beside an attacker, and the same alone. */
export function ratio(beside: number, alone: number): number {
  return beside / Math.max(alone, 1);
}

/** The bounds that were passed, in words; none when all is well. */
export function passed(seen: Seen, alone: Pick<Seen, 'commit' | 'webhook'>): string[] {
  const times = (['commit', 'webhook'] as const).flatMap((what) =>
    (['p50', 'p99'] as const).flatMap((p) => {
      const [now, then] = [seen[what][p], alone[what][p]];
      const most = Math.max(then * MOST_RATIO, then + NOISE_MS[p]);
      if (now <= most) return [];
      return [`payment to ${what}, ${p}: ${inMs(now)}; alone ${inMs(then)}, at most ${inMs(most)}`];
    }),
  );
  const growth = seen.memory ? seen.memory.peakMb - seen.memory.beforeMb : 0;
  return [
    ...times,
    ...(growth <= MOST_GROWTH_MB
      ? []
      : [`a worker grew by ${Math.round(growth)} MB; at most ${MOST_GROWTH_MB}`]),
    ...(seen.replaced <= REPLACED_WITHIN_MS
      ? []
      : [
          `payment to webhook while a worker is replaced: ${inMs(seen.replaced)}; at most ${inMs(REPLACED_WITHIN_MS)}`,
        ]),
    ...seen.dead.map((how) => `dead: ${how}`),
    ...seen.lost.map((session) => `lost: ${session}`),
    ...seen.broken,
  ];
}

/** Milliseconds for people. */
export function inMs(ms: number): string {
  return Number.isFinite(ms) ? `${Math.round(ms)} ms` : 'never';
}

/** The median and the slowest hundredth of what many sessions took. */
export function latenciesOf(all: readonly Times[]): { commit: Latency; webhook: Latency } {
  const of = (what: keyof Times): Latency => {
    const sorted = all.map((times) => times[what]).sort((a, b) => a - b);
    return { p50: at(sorted, 0.5), p99: at(sorted, 0.99) };
  };
  return { commit: of('commit'), webhook: of('webhook') };
}

function at(sorted: readonly number[], share: number): number {
  return sorted[Math.max(Math.ceil(sorted.length * share) - 1, 0)] ?? Infinity;
}
