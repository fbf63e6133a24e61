/** A killed worker and cut connections in the middle of the work, and what is left then. */
import { patienceOf } from './arms/list.ts';
import type { Payment } from './arms/arm.ts';
import type { Sizes } from './runs.ts';
import type { Stage } from './stage.ts';
import {
  checkTrial,
  chunks,
  insist,
  prepare,
  terminateBackends,
  untilTold,
  type Trial,
} from './trial.ts';
import type { Checked } from './work.ts';

/** While things break the watcher works as in production: it is what finds a lost wake. */
const TURNS_MS = 5_000;

/** What was left after a killed worker and cut connections. */
export type Faults = {
  checked: Checked;
  /** From the last payment's arrival to the last webhook. */
  healedAfterMs: number;
  /** Hand-overs that had to be repeated. */
  repeated: number;
  /** Workers that ended by themselves when their connections were cut. */
  crashes: string[];
};

const now = () => performance.timeOrigin + performance.now();

/** A third of the payments at once and SIGKILL amid them; a third meanwhile; a third and every connection cut amid them. */
export async function breakThings(stage: Stage, trial: Trial, sizes: Sizes): Promise<Faults> {
  const { ids, payments } = await prepare(trial, sizes.fault);
  const [first, second, last] = chunks(payments, Math.ceil(payments.length / 3));
  const a = burst(trial, first ?? []);
  await a.halfAccepted;
  const restarting = trial.restartWorker({ pollIntervalMs: TURNS_MS });
  const b = burst(trial, second ?? []);
  await restarting;
  await Promise.all([a.allAccepted, b.allAccepted]);
  const c = burst(trial, last ?? []);
  await c.halfAccepted;
  await terminateBackends(trial.pool);
  const repeated = await Promise.all([a.allAccepted, b.allAccepted, c.allAccepted]);
  const arrivedAt = now();
  await untilTold(stage, ids, patienceOf(trial.name, sizes.patienceMs));
  const told = Math.max(...ids.map((id) => stage.sink.arrived.get(id)?.at ?? 0));
  return {
    checked: await checkTrial(stage, trial, payments),
    healedAfterMs: Math.max(0, told - arrivedAt),
    repeated: repeated.reduce((sum, n) => sum + n, 0),
    crashes: trial.crashes.map((said) => said.slice(-500)),
  };
}

/** Hands payments over all at once. */
function burst(trial: Trial, payments: readonly Payment[]) {
  let accepted = 0;
  let half: () => void = () => undefined;
  const halfAccepted = new Promise<void>((resolve) => (half = resolve));
  const sending = payments.map(async (payment) => {
    const refused = await insist(trial, [payment]);
    accepted += 1;
    if (accepted * 2 >= payments.length) half();
    return refused;
  });
  const allAccepted = Promise.all(sending).then((all) => all.reduce((sum, n) => sum + n, 0));
  return { halfAccepted, allAccepted };
}
