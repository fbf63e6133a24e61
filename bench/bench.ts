/**
 * The bench: ours against every peer on the same work, in one run.
 *   npm run bench               5 runs of everything: raw JSON and report in bench/results/, plots in docs/performance/
 *   npm run bench -- --quick    one small run, in under 6 minutes on two cores: all of it into bench/results/quick/
 *   … --only=plain,dbos         these arms alone, and nothing of ours beside them
 * A quick run leaves out the two arms with Temporal on PostgreSQL, whose server is built with Go first; name them to have them.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { ARMS, isStored, type ArmName } from './arms/list.ts';
import { brokenPromises } from './bars.ts';
import { demoStart, openSessions, watching } from './ends.ts';
import { barsOf, curves } from './plot.ts';
import { report } from './report.ts';
import { machine, measuredCommit, spread, type OwnResults, type Results } from './results.ts';
import { reconciling } from './reconciling.ts';
import { closedLoop, steadyThenFaults, type Sizes } from './runs.ts';
import { growth, pageCost, settleRetries, settleRoundTrips, type Crowd } from './settling.ts';
import { setStage, type Stage } from './stage.ts';
import { storedTemporalPrograms } from './stored-temporal.ts';

const quick = process.argv.includes('--quick');
const only = process.argv.find((a) => a.startsWith('--only='))?.slice('--only='.length);
const everyArm = Object.keys(ARMS) as ArmName[];
const names = (only?.split(',') ??
  everyArm.filter((name) => !quick || !isStored(name))) as ArmName[];
const unknown = names.filter((name) => !(name in ARMS));
if (unknown.length > 0) {
  console.error(`No such arm: ${unknown.join(', ')}. There are: ${Object.keys(ARMS).join(', ')}.`);
  process.exit(2);
}

const here = fileURLToPath(new URL('.', import.meta.url));
const RUNS = quick ? 1 : 5;
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
      warmUp: 100,
      closed: 1_000,
      closedPaged: 2_000,
      openSeconds: 20,
      fault: 300,
      patienceMs: 70_000,
    };
/** Of what there is much of, while pages are committed. */
const crowds = quick ? [1_000, 100_000] : [1_000, 10_000, 100_000, 1_000_000];
/** Sessions beside which reconciliation looks for what is wrong. */
const looked = quick ? [1_000, 10_000] : [1_000, 10_000, 100_000, 1_000_000];
const openAtOnce = quick ? 100 : 10_000;
const backlog = quick ? 2_000 : 10_000;

const began = performance.now();
const say = (line: string) => {
  const seconds = ((performance.now() - began) / 1000).toFixed(0).padStart(4);
  console.error(`${seconds} s  ${line}`);
};

installPeers();
if (names.some(isStored)) await storedTemporalPrograms(say);
say('PostgreSQL, the sink and the sandbox ledger start …');
const stage = await setStage();
const results: Results = {
  at: new Date().toISOString(),
  quick,
  commit: measuredCommit(),
  machine: machine(await postgresVersion(stage)),
  sizes,
  order: Array.from({ length: RUNS }, () => shuffled(names)),
  arms: Object.fromEntries(names.map((name) => [name, { closed: [], steady: [], failures: [] }])),
  own: {
    roundTrips: null,
    retries: [],
    pages: [],
    growth: [],
    reconciling: [],
    open: null,
    watching: null,
    demoSeconds: null,
    failures: [],
  },
  unsigned: 0,
  seconds: 0,
};
try {
  for (const [run, order] of results.order.entries()) {
    for (const name of order) await measureArm(stage, name, run);
  }
  if (only === undefined) await measureOwn(stage, results.own);
} finally {
  await stage.close();
}
results.unsigned = stage.sink.unsigned.count;
results.seconds = Math.round((performance.now() - began) / 1000);
write();
const broken = brokenPromises(results);
say(`Done. Promises of ours that broke: ${broken}.`);
process.exit(broken === 0 ? 0 : 1);

/** The peers are installed in bench/ only, by their own lock file; their install scripts are not run. */
function installPeers(): void {
  if (existsSync(join(here, 'node_modules', '.package-lock.json'))) return;
  say('installing the peers …');
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const { status } = spawnSync('npm', args, { cwd: here, stdio: 'inherit' });
  if (status === 0) return;
  console.error(`\`npm ci\` in ${here} ended with ${status}.`);
  process.exit(2);
}

async function postgresVersion({ postgres }: Stage): Promise<string> {
  const client = new Client({ connectionString: postgres.url });
  await client.connect();
  const { rows } = await client.query<{ version: string }>(
    `SELECT current_setting('server_version') AS version`,
  );
  await client.end();
  return `PostgreSQL ${rows[0]?.version ?? ''}`;
}

function shuffled<T>(items: readonly T[]): T[] {
  const left = [...items];
  return items.flatMap(() => left.splice(Math.floor(Math.random() * left.length), 1));
}

async function measureArm(stage: Stage, name: ArmName, run: number): Promise<void> {
  const arm = results.arms[name];
  const of = `${ARMS[name].title}, run ${run + 1} of ${RUNS}`;
  try {
    const closed = await closedLoop(stage, name, sizes);
    arm?.closed.push(closed);
    say(`${of}: ${closed.settledPerSecond.toFixed(0)} settled/s`);
    const steady = await steadyThenFaults(stage, name, sizes);
    arm?.steady.push(steady);
    const { checked } = steady.faults;
    say(
      `${of}: webhook p50 ${steady.webhook.p50.toFixed(0)} ms; after the faults ${checked.lost} of ${checked.sessions} lost, ${checked.paidTwice} paid twice`,
    );
  } catch (error) {
    arm?.failures.push(String(error));
    say(`${of} failed: ${String(error)}`);
  }
}

/** What is measured of ours alone. One part that fails does not stop the others. */
async function measureOwn(stage: Stage, own: OwnResults): Promise<void> {
  const part = async (what: string, measure: () => Promise<void>) => {
    say(`${what} …`);
    await measure().catch((error: unknown) => own.failures.push(`${what}: ${String(error)}`));
  };
  await part('round trips and retries of settle', async () => {
    own.roundTrips = await settleRoundTrips(stage);
    for (const n of [1, 2]) own.retries.push(await settleRetries(stage, n, quick ? 400 : 4_000));
  });
  await part('payments in a page', async () => {
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
    await part(
      `many ${crowd}`,
      async () => void own.growth.push(...(await growth(stage, crowd, crowds))),
    );
  }
  await part('looking for what is wrong', async () => {
    own.reconciling = await reconciling(looked);
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
}

function write(): void {
  const folder =
    quick || only !== undefined ? join(here, 'results', 'quick') : join(here, 'results');
  const plots = quick || only !== undefined ? folder : join(here, '..', 'docs', 'performance');
  mkdirSync(folder, { recursive: true });
  mkdirSync(plots, { recursive: true });
  const text = report(results, folder === plots ? '.' : 'performance');
  writeFileSync(join(folder, 'results.json'), `${JSON.stringify(results, null, 1)}\n`);
  writeFileSync(join(folder, 'report.md'), text);
  for (const [name, svg] of Object.entries(drawn())) writeFileSync(join(plots, name), svg);
  console.log(text);
  say(`Written to ${folder} and ${plots}.`);
}

function drawn(): Record<string, string> {
  const { arms, own } = results;
  const settled = names.flatMap((name) => {
    const s = spread(arms[name]?.closed ?? [], (r) => r.settledPerSecond);
    return s ? [{ name: ARMS[name].title, value: s.median, min: s.min, max: s.max }] : [];
  });
  const byCrowd = Map.groupBy(own.growth, ({ crowd }) => crowd);
  return {
    'arms.svg': barsOf('Sessions settled a second, webhook included', settled),
    ...(own.pages.length === 0
      ? {}
      : {
          'pages.svg': curves(
            'What a payment costs, by the size of its page',
            { x: 'payments in a page', y: 'for each payment' },
            [
              { name: 'round trips', points: own.pages.map((p) => [p.payments, p.roundTrips]) },
              { name: 'fsyncs', points: own.pages.map((p) => [p.payments, p.walFsyncs]) },
            ],
          ),
        }),
    ...(own.growth.length === 0
      ? {}
      : {
          'growth.svg': curves(
            'Payments committed a second, in full pages, beside …',
            { x: 'so many of them', y: 'payments a second' },
            [...byCrowd].map(([name, all]) => ({
              name,
              points: all.map((g) => [g.count, g.perSecond] as const),
            })),
          ),
        }),
  };
}
