/**
 * The bench: ours against every peer on the same work, in one run.
 *   npm run bench                  5 runs of everything: JSON in bench/results/, tables and plots in docs/performance.md
 *   npm run bench -- --quick       one small run, in under 6 minutes on two cores: all of it into bench/results/quick/
 *   … --only=plain,dbos            these arms alone, and nothing of ours beside them
 *   … --part=arms|stored|own       one part: the arms, those with Temporal on PostgreSQL, or what is measured of ours
 *                                  alone; the other parts stay as they were
 *   … --part=arms --more=3         so many further runs beside those that are there: after an interruption
 *   … --part=own --again=demo     of that part only what is called so: after a disturbance
 *   … --report                     measures nothing: makes the page and the plots anew from the last full results
 * A quick run leaves out the two arms with Temporal on PostgreSQL, whose server is built with Go first; name them to have them.
 */
import { reasonOf } from '../src/domain/failure.ts';
import { ARMS, isStored, type ArmName } from './arms/list.ts';
import { brokenPromises } from './bars.ts';
import { installPeers, postgresVersion } from './before.ts';
import { demoStart, openSessions, watching } from './ends.ts';
import { load, machine, measuredCommit, type OwnResults, type Results } from './results.ts';
import { readingAgain } from './reading-again.ts';
import { reconciling } from './reconciling.ts';
import { measure, type Sizes } from './runs.ts';
import { growth, pageCost, settleRetries, settleRoundTrips, type Crowd } from './settling.ts';
import { setStage, type Stage } from './stage.ts';
import { storedTemporalPrograms } from './stored-temporal.ts';
import { lastResults, write } from './written.ts';

const quick = process.argv.includes('--quick');
const only = process.argv.find((a) => a.startsWith('--only='))?.slice('--only='.length);
const part = process.argv.find((a) => a.startsWith('--part='))?.slice('--part='.length);
const everyArm = Object.keys(ARMS) as ArmName[];
const names = (only?.split(',') ??
  everyArm.filter((name) =>
    part === undefined ? !quick || !isStored(name) : isStored(name) === (part === 'stored'),
  )) as ArmName[];
const unknown = names.filter((name) => !(name in ARMS));
if (unknown.length > 0) {
  console.error(`No such arm: ${unknown.join(', ')}. There are: ${Object.keys(ARMS).join(', ')}.`);
  process.exit(2);
}

const more = Number(
  process.argv.find((a) => a.startsWith('--more='))?.slice('--more='.length) ?? 0,
);
const again = process.argv.find((a) => a.startsWith('--again='))?.slice('--again='.length);
const withArms = part !== 'own';
const withOwn = (part === undefined || part === 'own') && only === undefined;
/** Only a full run of the whole, or of one part of it, goes into the page; there may be arms in it that are measured anew. */
const isFull = !quick && (only === undefined || part !== undefined);

const RUNS = quick ? 1 : more || 5;
/** Runs that end with a killed worker and cut connections. */
const RUNS_WITH_FAULTS = 2;
const common = { inFlight: 64, openPerSecond: 20 };
const sizes: Sizes = quick
  ? {
      ...common,
      warmUp: 30,
      closed: 250,
      closedPaged: 600,
      openSeconds: 5,
      fault: 90,
      patienceMs: 70_000,
    }
  : {
      ...common,
      warmUp: 60,
      closed: 200,
      closedPaged: 1_200,
      openSeconds: 6,
      fault: 60,
      patienceMs: 70_000,
    };
/** Of what there is much of, while pages are committed. */
const crowds = quick ? [1_000, 100_000] : [1_000, 10_000, 100_000];
/** Sessions beside which reconciliation looks for what is wrong. */
const looked = quick ? [1_000, 10_000] : [1_000, 10_000, 100_000, 1_000_000];
const openAtOnce = quick ? 100 : 10_000;
const backlog = quick ? 2_000 : 10_000;

const began = performance.now();
const say = (line: string) => {
  const seconds = ((performance.now() - began) / 1000).toFixed(0).padStart(4);
  console.error(`${seconds} s  ${line}`);
};

if (process.argv.includes('--report')) {
  const last = lastResults();
  if (last !== null) await write(last, true);
  process.exit(last === null ? 2 : 0);
}
if (withArms) installPeers(say);
if (withArms && names.some(isStored)) await storedTemporalPrograms(say);
say('PostgreSQL, the sink and the sandbox ledger start …');
const stage = await setStage();
/** Runs that are there already, of every arm. */
const there =
  more > 0 ? Math.min(...names.map((n) => lastResults()?.arms[n]?.runs.length ?? 0)) : 0;
const rounds = Array.from({ length: RUNS }, () => shuffled(names));
const results = await begin();
try {
  if (withArms) {
    for (const [run, order] of rounds.entries()) {
      for (const name of order) await measureArm(stage, name, there + run);
      results.load.after = load();
      results.seconds = Math.round((performance.now() - began) / 1000);
      await put(); // what there is, in case somebody ends it
    }
  }
  if (withOwn) await measureOwn(stage, results.own);
} finally {
  await stage.close();
}
results.unsigned += stage.sink.unsigned.count;
console.log(await put());
const broken = brokenPromises(results) + stage.sink.unsigned.count;
say(`Done. Promises of ours that broke: ${broken}.`);
process.exit(broken === 0 ? 0 : 1);

/** Writes the results; the half that is not measured here may be, at this moment, by another process. */
function put(): Promise<string> {
  const last = part === undefined || quick ? null : lastResults();
  if (last !== null) {
    const { own, arms } = results;
    if (part === 'arms') Object.assign(results, { own: last.own, arms: { ...last.arms, ...arms } });
    if (part === 'own') Object.assign(results, { ...last, own });
    if (part === 'stored') Object.assign(results, { ...last, arms: { ...last.arms, ...arms } });
  }
  return write(results, isFull);
}

/** Empty results, with the half that is not measured now as it was. */
async function begin(): Promise<Results> {
  const last = part === undefined || quick ? null : lastResults();
  const arms: Omit<Results, 'own'> = {
    at: new Date().toISOString(),
    quick,
    commit: measuredCommit(),
    load: { before: load(), after: load() },
    machine: machine(await postgresVersion(stage)),
    sizes,
    order: rounds,
    arms: Object.fromEntries(
      names.map((name) => [name, { runs: [], failures: [], commit: measuredCommit() }]),
    ),
    unsigned: last?.unsigned ?? 0,
    seconds: 0,
  };
  const own: OwnResults =
    again !== undefined && last !== null
      ? last.own
      : {
          commit: measuredCommit(),
          load: { before: load(), after: load() },
          roundTrips: null,
          retries: [],
          pages: [],
          growth: [],
          reconciling: [],
          readingAgain: [],
          open: null,
          watching: null,
          demoSeconds: null,
          failures: [],
        };
  if (more > 0 && last !== null) {
    return { ...last, sizes, order: [...last.order.slice(0, there), ...rounds] };
  }
  if (!withArms) return { ...(last ?? { ...arms, order: [], arms: {} }), own };
  return { ...arms, own: withOwn ? own : (last?.own ?? own) };
}

function shuffled<T>(items: readonly T[]): T[] {
  const left = [...items];
  return items.flatMap(() => left.splice(Math.floor(Math.random() * left.length), 1));
}

async function measureArm(stage: Stage, name: ArmName, run: number): Promise<void> {
  const arm = results.arms[name];
  const of = `${ARMS[name].title}, run ${run + 1} of ${there + RUNS}`;
  try {
    const measured = await measure(stage, name, sizes, run < RUNS_WITH_FAULTS);
    arm?.runs.push(measured);
    const { closed, steady, faults } = measured;
    say(
      `${of}: ${closed.settledPerSecond.toFixed(0)} settled/s, webhook p50 ${steady.webhook.p50.toFixed(0)} ms` +
        (faults === null
          ? ''
          : `; after the faults ${faults.checked.lost} of ${faults.checked.sessions} lost, ${faults.checked.paidTwice} paid twice`),
    );
  } catch (error) {
    arm?.failures.push(String(error));
    say(`${of} failed: ${String(error)}`);
  }
}

/** What is measured of ours alone. One part that fails does not stop the others. */
async function measureOwn(stage: Stage, own: OwnResults): Promise<void> {
  const part = async (what: string, measure: () => Promise<void>) => {
    if (again !== undefined && !what.includes(again)) return;
    say(`${what} …`);
    await measure().catch((error: unknown) => own.failures.push(`${what}: ${reasonOf(error)}`));
  };
  await part('round trips and retries of settle', async () => {
    own.roundTrips = await settleRoundTrips(stage);
    own.retries = [];
    for (const n of [1, 2]) own.retries.push(await settleRetries(stage, n, quick ? 400 : 4_000));
  });
  await part('payments in a page', async () => {
    own.pages = [];
    for (const [size, total] of [
      [1, 100],
      [10, 400],
      [50, 1_000],
      [200, 2_000],
    ] as const) {
      own.pages.push(await pageCost(stage, size, quick ? total : total * 4));
    }
  });
  for (const crowd of [
    'sessions open',
    'sessions finished',
    'accounts watched',
  ] satisfies Crowd[]) {
    await part(`many ${crowd}`, async () => {
      const others = own.growth.filter((g) => g.crowd !== crowd);
      own.growth = [...others, ...(await growth(stage, crowd, crowds))];
    });
  }
  await part('looking for what is wrong', async () => {
    own.reconciling = await reconciling(looked);
  });
  await part('requests of reconciliation to Horizon', async () => {
    own.readingAgain = [];
    for (const open of [0, 10, 100, 1_000]) {
      own.readingAgain.push(await readingAgain(stage, 1_000, open));
    }
  });
  await part('sessions opened through the client', async () => {
    own.open = await openSessions(stage, openAtOnce);
  });
  await part('a backlog for the watcher', async () => {
    own.watching = await watching(stage, backlog, quick ? 4 : 20);
  });
  await part('the start of the demo', async () => {
    own.demoSeconds = await demoStart();
  });
  own.load.after = load();
}
