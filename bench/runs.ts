/** The three things that are done with an arm, on one worker: as fast as it can, at a steady rate, and while things break. */
import { breakThings, type Faults } from './breaking.ts';
import type { ArmName } from './arms/list.ts';
import type { Payment } from './arms/arm.ts';
import type { PostgresCounters } from './counters.ts';
import type { Stage } from './stage.ts';
import { openLoop, type Steady } from './steady.ts';
import {
  batchOf,
  checkTrial,
  chunks,
  commitTimes,
  cpuOf,
  insist,
  prepare,
  setUp,
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
/** Histories that are counted. */
const SAMPLE = 20;

/** What a closed loop measured. */
export type Closed = {
  sessions: number;
  openedPerSecond: number | null;
  committedPerSecond: number;
  settledPerSecond: number;
  /** The same with the time that the opening took. */
  settledPerSecondOpened: number;
  roundTrips: number;
  serverCpuMs: number | null;
  postgresCpuMs: number | null;
  workerCpuMs: number;
  /** What the opening cost before the clock ran; nothing where a session is only a row until it is paid. */
  openingServerCpuMs: number | null;
  openingWorkerCpuMs: number;
  workerRssMb: number;
  historyEvents: number | null;
  counted: Record<string, number>;
  checked: Checked;
} & Counted;

/** What PostgreSQL counted, for each session. */
type Counted = {
  rollbacks: number;
  walFsyncs: number;
  walBytes: number;
  /** Of the updates of sessions, and of the inbox, those that touched no index. */
  sessionHotShare: number | null;
  inboxHotShare: number | null;
};

/** What one arm did in one run. */
export type Run = {
  closed: Closed;
  steady: Steady;
  faults: Faults | null;
  /** What the audit found at the end of it all; null for peers, whose rows it does not know. */
  audit: string[] | null;
};

/** Everything that is done with an arm in one run. */
export async function measure(
  stage: Stage,
  name: ArmName,
  sizes: Sizes,
  withFaults: boolean,
): Promise<Run> {
  const trial = await setUp(stage, name, { pollIntervalMs: NO_TURNS_MS });
  try {
    const { warm, ...closed } = await closedLoop(stage, trial, sizes);
    const steady = await openLoop(stage, trial, sizes);
    const faults = withFaults ? await breakThings(stage, trial, sizes) : null;
    const { counted, findings } = await trial.close();
    const sessions = warm + closed.sessions + steady.sessions + (faults?.checked.sessions ?? 0);
    return {
      closed: { ...closed, ...perSession(counted, sessions) },
      steady,
      faults,
      audit: findings,
    };
  } catch (error) {
    await trial.close().catch(() => undefined);
    throw error;
  }
}

/** As fast as it can: so many sessions in flight, or page after page. */
async function closedLoop(
  stage: Stage,
  trial: Trial,
  sizes: Sizes,
): Promise<Omit<Closed, keyof Counted> & { warm: number }> {
  const { name } = trial;
  const warm = await prepare(trial, sizes.warmUp);
  await drive(stage, trial, warm, sizes.inFlight);
  await untilTold(stage, warm.ids, sizes.patienceMs);
  const unopened = await cpuOf(stage, trial);
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
  const n = ids.length;
  const each = (a: number | null, b: number | null) =>
    a === null || b === null ? null : (a - b) / n;
  const { rssMb = 0, ...own } = after.extra;
  return {
    sessions: n,
    openedPerSecond: openMs < 50 ? null : (n / openMs) * 1000,
    committedPerSecond: (payments.length / (committed - started)) * 1000,
    settledPerSecond: (n / (told - started)) * 1000,
    settledPerSecondOpened: (n / (told - started + openMs)) * 1000,
    roundTrips: (after.trips - before.trips) / payments.length,
    serverCpuMs: each(after.server, before.server),
    postgresCpuMs: each(after.postgres, before.postgres),
    workerCpuMs: each(after.worker, before.worker) ?? 0,
    openingServerCpuMs: each(before.server, unopened.server),
    openingWorkerCpuMs: each(before.worker, unopened.worker) ?? 0,
    workerRssMb: rssMb,
    historyEvents: events && events.reduce((sum, e) => sum + e, 0) / events.length,
    counted: own,
    checked,
    warm: warm.ids.length,
  };
}

/** Over the whole of a run, opening, warm-up and faults included: a backend tells its counters when it ends. */
function perSession(c: PostgresCounters, sessions: number): Counted {
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
