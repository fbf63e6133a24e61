/** An open loop: payments at a steady rate, whatever the arm does. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Payment } from './arms/arm.ts';
import type { Sizes } from './runs.ts';
import type { Stage } from './stage.ts';
import { commitTimes, insist, prepare, untilTold, type Trial } from './trial.ts';

/** Latencies in milliseconds. */
export type Latency = { p50: number; p95: number; p99: number; max: number };

/** What a steady rate showed. */
export type Steady = {
  rate: number;
  sessions: number;
  commit: Latency;
  webhook: Latency;
};

const now = () => performance.timeOrigin + performance.now();

/** Pays some sessions a second for some seconds, and tells how long each took. */
export async function openLoop(stage: Stage, trial: Trial, sizes: Sizes): Promise<Steady> {
  const { ids, payments } = await prepare(trial, sizes.openPerSecond * sizes.openSeconds);
  const sentAt = await arrive(trial, payments, sizes.openPerSecond);
  await untilTold(stage, ids, sizes.patienceMs);
  const commits = await commitTimes(trial.pool, ids);
  const since = (times: (id: string) => number | undefined) =>
    latency(
      ids.flatMap((id) => {
        const [from, to] = [sentAt.get(id), times(id)];
        return from === undefined || to === undefined ? [] : [to - from];
      }),
    );
  return {
    rate: sizes.openPerSecond,
    sessions: ids.length,
    commit: since((id) => commits.get(id)),
    webhook: since((id) => stage.sink.arrived.get(id)?.at),
  };
}

/** Payments at a steady rate, whether or not the earlier ones are done. Resolves when all are accepted. */
async function arrive(
  trial: Trial,
  payments: readonly Payment[],
  perSecond: number,
): Promise<Map<string, number>> {
  const at = new Map<string, number>();
  const started = now();
  const sending: Promise<number>[] = [];
  for (const [i, payment] of payments.entries()) {
    const due = started + (i / perSecond) * 1000;
    const wait = due - now();
    if (wait > 0) await sleep(wait);
    if (!at.has(payment.sessionId)) at.set(payment.sessionId, now());
    sending.push(insist(trial, [payment]));
  }
  await Promise.all(sending);
  return at;
}

function latency(ms: readonly number[]): Latency {
  const sorted = [...ms].sort((a, b) => a - b);
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
}
