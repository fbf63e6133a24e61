/** The three things that are done with an arm: as fast as it can, at a steady rate, and while things break. */
import { setTimeout as sleep } from 'node:timers/promises';
import { patienceOf, type ArmName } from './arms/list.ts';
import type { Payment } from './arms/arm.ts';
import type { PostgresCounters } from './counters.ts';
import type { Stage } from './stage.ts';
import {
  batchOf,
  checkTrial,
  chunks,
  commitTimes,
  cpuOf,
  insist,
  prepare,
  setUp,
  terminateBackends,
  untilTold,
  type Trial,
} from './trial.ts';
import type { Checked } from './work.ts';

/** Sizes of a run. */
export type Sizes = {
  readonly warmUp: number;
  readonly closed: number;
  /** The same for an arm that takes pages: they must be some. */
  readonly closedPaged: number;
  readonly inFlight: number;
  readonly openPerSecond: number;
  readonly openSeconds: number;
  readonly fault: number;
  /** Nothing has moved for so long: what is missing then counts as lost. */
  readonly patienceMs: number;
};

/** Our watcher takes no turn of its own within a measured run: the arm is paid by the driver alone. */
const NO_TURNS_MS = 3_600_000;
/** While things break the watcher works as in production: it is what finds a lost wake. */
const TURNS_MS = 5_000;
/** Histories that are counted. */
const SAMPLE = 20;

/** What a closed loop measured. */
export type Closed = {
  sessions: number;
  openedPerSecond: number | null;
  committedPerSecond: number;
  settledPerSecond: number;
  roundTrips: number;
  rollbacks: number;
  walFsyncs: number;
  walBytes: number;
  /** Of the updates of sessions, and of the inbox, those that touched no index. */
  sessionHotShare: number | null;
  inboxHotShare: number | null;
  serverCpuMs: number | null;
  postgresCpuMs: number | null;
  workerCpuMs: number;
  workerRssMb: number;
  historyEvents: number | null;
  counted: Record<string, number>;
  checked: Checked;
  audit: string[] | null;
};

/** As fast as it can: so many sessions in flight, or page after page. */
export async function closedLoop(stage: Stage, name: ArmName, sizes: Sizes): Promise<Closed> {
  const trial = await setUp(stage, name, { pollIntervalMs: NO_TURNS_MS });
  const warm = await prepare(trial, sizes.warmUp);
  await drive(stage, trial, warm, sizes.inFlight);
  await untilTold(stage, warm.ids, sizes.patienceMs);
  const { ids, payments, openMs } = await prepare(
    trial,
    batchOf(name) > 1 ? sizes.closedPaged : sizes.closed,
  );
  const before = await cpuOf(stage, trial);
  const started = now();
  await drive(stage, trial, { ids, payments }, sizes.inFlight);
  await untilTold(stage, ids, sizes.patienceMs);
  const after = await cpuOf(stage, trial);
  const committed = Math.max(...(await commitTimes(trial.pool, ids)).values());
  const told = Math.max(...ids.map((id) => stage.sink.arrived.get(id)?.at ?? 0));
  const events = (await trial.client.events?.(ids.slice(-SAMPLE))) ?? null;
  const checked = await checkTrial(stage, trial, [...warm.payments, ...payments]);
  const { counted, findings } = await trial.close();
  const n = ids.length;
  const each = (a: number | null, b: number | null) =>
    a === null || b === null ? null : (a - b) / n;
  const { rssMb = 0, ...own } = after.extra;
  return {
    sessions: n,
    openedPerSecond: openMs < 50 ? null : (n / openMs) * 1000,
    committedPerSecond: (payments.length / (committed - started)) * 1000,
    settledPerSecond: (n / (told - started)) * 1000,
    roundTrips: (after.trips - before.trips) / payments.length,
    ...perSession(counted, n + warm.ids.length),
    serverCpuMs: each(after.server, before.server),
    postgresCpuMs: each(after.postgres, before.postgres),
    workerCpuMs: each(after.worker, before.worker) ?? 0,
    workerRssMb: rssMb,
    historyEvents: events && events.reduce((sum, e) => sum + e, 0) / events.length,
    counted: own,
    checked,
    audit: findings,
  };
}

/** Opening and warm-up are in these: a backend tells its counters when it ends. */
function perSession(c: PostgresCounters, sessions: number) {
  return {
    rollbacks: c.rollbacks / sessions,
    walFsyncs: c.walFsyncs / sessions,
    walBytes: c.walBytes / sessions,
    sessionHotShare: share(c.sessionHot, c.sessionUpdates),
    inboxHotShare: share(c.inboxHot, c.inboxUpdates),
  };
}

const share = (part: number, whole: number) => (whole === 0 ? null : part / whole);
const now = () => performance.timeOrigin + performance.now();

type Work = { readonly ids: readonly string[]; readonly payments: readonly Payment[] };

/** Pays everything: with `inFlight` sessions between payment and webhook, or batch after batch. */
async function drive(stage: Stage, trial: Trial, work: Work, inFlight: number): Promise<void> {
  const batch = batchOf(trial.name);
  if (batch > 1) {
    for (const page of chunks(work.payments, batch)) await insist(trial, page);
    return;
  }
  const slots = { free: inFlight, proceed: (): void => undefined };
  stage.sink.onFirst(() => {
    slots.free += 1;
    slots.proceed();
  });
  const seen = new Set<string>();
  const sending: Promise<number>[] = [];
  for (const payment of work.payments) {
    // A payment that comes again belongs to a session that is in flight or done.
    if (!seen.has(payment.sessionId)) {
      while (slots.free <= 0) await new Promise<void>((resolve) => (slots.proceed = resolve));
      slots.free -= 1;
      seen.add(payment.sessionId);
    }
    sending.push(insist(trial, [payment]));
  }
  await Promise.all(sending);
}

/** Latencies in milliseconds. */
export type Latency = { p50: number; p95: number; p99: number; max: number };

/** What a steady rate, and then the faults, showed. */
export type Steady = {
  rate: number;
  sessions: number;
  commit: Latency;
  webhook: Latency;
  faults: Faults;
};

/** What was left after a killed worker and cut connections. */
export type Faults = {
  checked: Checked;
  /** From the last payment's arrival to the last webhook. */
  healedAfterMs: number;
  /** Hand-overs that had to be repeated. */
  repeated: number;
  /** Workers that ended by themselves when their connections were cut. */
  crashes: string[];
  audit: string[] | null;
};

/** An open loop, then the faults, on one worker. */
export async function steadyThenFaults(stage: Stage, name: ArmName, sizes: Sizes): Promise<Steady> {
  const trial = await setUp(stage, name, { pollIntervalMs: TURNS_MS });
  const warm = await prepare(trial, sizes.warmUp);
  await drive(stage, trial, warm, 8);
  await untilTold(stage, warm.ids, sizes.patienceMs);
  const steady = await openLoop(stage, trial, sizes);
  const faults = await breakThings(stage, trial, sizes);
  const { findings } = await trial.close();
  return { ...steady, faults: { ...faults, audit: findings } };
}

async function openLoop(stage: Stage, trial: Trial, sizes: Sizes): Promise<Omit<Steady, 'faults'>> {
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

/** A third of the payments at once and SIGKILL amid them; a third meanwhile; a third and every connection cut amid them. */
async function breakThings(
  stage: Stage,
  trial: Trial,
  sizes: Sizes,
): Promise<Omit<Faults, 'audit'>> {
  const { ids, payments } = await prepare(trial, sizes.fault);
  const [first, second, last] = chunks(payments, Math.ceil(payments.length / 3));
  const a = burst(trial, first ?? []);
  await a.halfAccepted;
  const restarting = trial.restartWorker();
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

function latency(ms: readonly number[]): Latency {
  const sorted = [...ms].sort((a, b) => a - b);
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
}
