/** The bars: what is to be reached, what was measured, and whether it was. */
import type { ArmName } from './arms/list.ts';
import { REQUESTS_PER_HOUR, RUNS_PER_HOUR } from './reading-again.ts';
import { digits, spread, total, type ArmResults, type Results } from './results.ts';
import type { Closed } from './runs.ts';
import type { Steady } from './steady.ts';
import type { Checked } from './work.ts';

/** One bar. `reached` is null when this run cannot say. */
export type Bar = {
  readonly what: string;
  readonly target: string;
  readonly measured: string;
  readonly reached: boolean | null;
};

/** Judges the results. */
export function bars(results: Results): Bar[] {
  return [
    ...pageBars(results),
    ...sessionBars(results),
    ...storedBars(results),
    ...openLoopBars(results),
    ...ownBars(results),
  ];
}

const armOf = ({ arms }: Results, name: ArmName): ArmResults =>
  arms[name] ?? { runs: [], failures: [] };
const closedOf = (results: Results, name: ArmName, of: (run: Closed) => number | null) =>
  spread(armOf(results, name).runs, ({ closed }) => of(closed))?.median ?? null;
const steadyOf = (results: Results, name: ArmName, of: (run: Steady) => number) =>
  spread(armOf(results, name).runs, ({ steady }) => of(steady))?.median ?? null;
const per = (a: number | null, b: number | null) =>
  a === null || b === null || b === 0 ? null : a / b;

const atLeast = (what: string, least: number, n: number | null, unit = ''): Bar => ({
  what,
  target: `≥ ${least.toLocaleString('en-US')}${unit}`,
  measured: n === null ? 'not measured' : digits(n) + unit,
  reached: n === null ? null : n >= least,
});
const atMost = (what: string, most: number, n: number | null, unit = ''): Bar => ({
  what,
  target: `≤ ${most.toLocaleString('en-US')}${unit}`,
  measured: n === null ? 'not measured' : digits(n) + unit,
  reached: n === null ? null : n <= most,
});

function pageBars(results: Results): Bar[] {
  const committed = (name: ArmName) => closedOf(results, name, (r) => r.committedPerSecond);
  const page = committed('ours-page');
  const full = results.own.pages.find(({ payments }) => payments === 200);
  return [
    atLeast('page commit: payments committed with their events', 1_500, page, '/s'),
    atLeast('… with nothing beside it, no workflow woken', 1_500, full?.perSecond ?? null, '/s'),
    atLeast('… against DBOS', 5, per(page, committed('dbos')), '×'),
    atLeast('… against Restate', 5, per(page, committed('restate')), '×'),
    atMost('… round trips per payment at full pages', 0.2, full?.roundTrips ?? null),
    atMost('… fsyncs per payment at full pages', 0.1, full?.walFsyncs ?? null),
  ];
}

function sessionBars(results: Results): Bar[] {
  const ratio = (of: (run: Closed) => number | null) =>
    per(closedOf(results, 'ours-session', of), closedOf(results, 'naive-temporal', of));
  const events = closedOf(results, 'ours-session', (r) => r.historyEvents);
  const whole = (r: Closed) =>
    r.serverCpuMs === null ? null : r.serverCpuMs + (r.openingServerCpuMs ?? 0);
  return [
    atLeast(
      'per session against naive Temporal: settled a second',
      2,
      ratio((r) => r.settledPerSecond),
      '×',
    ),
    atLeast(
      '… settled a second, opening included',
      2,
      ratio((r) => r.settledPerSecondOpened),
      '×',
    ),
    atLeast(
      '… the same of the page commit, as the watcher does it',
      2,
      per(
        closedOf(results, 'ours-page', (r) => r.settledPerSecondOpened),
        closedOf(results, 'naive-temporal', (r) => r.settledPerSecondOpened),
      ),
      '×',
    ),
    atMost(
      '… history events of a paid session with its webhook, inserted by its backend',
      14,
      events,
    ),
    atMost(
      "… the Temporal server's processor time per session",
      0.6,
      ratio((r) => r.serverCpuMs),
      '×',
    ),
    atMost('… the same, opening included', 0.6, ratio(whole), '×'),
  ];
}

/** The same with Temporal on PostgreSQL, where that was measured: for orientation. */
function storedBars(results: Results): Bar[] {
  const ratio = (of: (run: Closed) => number | null) =>
    per(
      closedOf(results, 'ours-session-stored', of),
      closedOf(results, 'naive-temporal-stored', of),
    );
  const settled = ratio((r) => r.settledPerSecond);
  if (settled === null) return [];
  return [
    atLeast('… with Temporal on PostgreSQL: settled a second', 2, settled, '×'),
    atMost(
      "… the server's processor time per session",
      0.6,
      ratio((r) => r.serverCpuMs),
      '×',
    ),
  ];
}

function openLoopBars(results: Results): Bar[] {
  const ours = (of: (run: Steady) => number) => steadyOf(results, 'ours-session', of);
  const behind = (peer: ArmName, of: (run: Steady) => number) =>
    per(ours(of), steadyOf(results, peer, of));
  const commit = (run: Steady) => run.commit.p50;
  const webhook = (run: Steady) => run.webhook.p50;
  return [
    atMost('open loop, 20 payments a second: signal to commit, p50', 20, ours(commit), ' ms'),
    atMost(
      '… signal to commit, p99',
      100,
      ours((r) => r.commit.p99),
      ' ms',
    ),
    atMost('… signal to webhook received, p50', 40, ours(webhook), ' ms'),
    atMost(
      '… signal to webhook received, p99',
      200,
      ours((r) => r.webhook.p99),
      ' ms',
    ),
    atMost('… commit p50 against DBOS', 1, behind('dbos', commit), '×'),
    atMost('… commit p50 against Restate', 1, behind('restate', commit), '×'),
    atMost('… webhook p50 against DBOS', 1, behind('dbos', webhook), '×'),
    atMost('… webhook p50 against Restate', 1, behind('restate', webhook), '×'),
  ];
}

function ownBars(results: Results): Bar[] {
  const { roundTrips, retries, reconciling, open, watching, demoSeconds } = results.own;
  const readingAgain = results.own.readingAgain.at(-1);
  const perRow = reconciling.map(({ buffers, brokenRows }) => buffers / brokenRows);
  const large = reconciling.at(-1);
  // Beside a thousand sessions there is not room for as many broken rows.
  const small = reconciling.find(({ brokenRows }) => brokenRows === large?.brokenRows);
  const grown = small && large ? per(large.ms, small.ms) : null;
  const retriesOf = (processes: number) =>
    retries.find((r) => r.processes === processes)?.retriesPerCommit ?? null;
  const hot = closedOf(results, 'ours-session', (r) => r.sessionHotShare);
  const hotInbox = closedOf(results, 'ours-session', (r) => r.inboxHotShare);
  return [
    atMost('settle: round trips for one session', 5, roundTrips?.oneSession ?? null),
    atMost('… for a full page', 5, roundTrips?.fullPage ?? null),
    atMost('… retries per commit, one process', 0.05, retriesOf(1)),
    atMost('… two processes', 1, retriesOf(2)),
    {
      what: '… share of HOT updates: sessions, inbox',
      target: 'published',
      measured: [hot, hotInbox]
        .map((n) => (n === null ? '–' : `${Math.round(n * 100)} %`))
        .join(', '),
      reached: hot === null ? null : true,
    },
    sized(
      atMost(
        'reconciliation: buffers per broken row, all kinds together',
        5,
        perRow.length === 0 ? null : Math.max(...perRow),
      ),
      large?.sessions,
      1_000_000,
    ),
    sized(
      atMost(
        `… time of all looks, against that beside ${small?.sessions.toLocaleString('en-US') ?? 'fewer'}, of as many broken rows`,
        1.2,
        grown,
        '×',
      ),
      large?.sessions,
      1_000_000,
    ),
    atMost(
      `… its requests to Horizon an hour to read accounts again, of ${REQUESTS_PER_HOUR.toLocaleString('en-US')}`,
      REQUESTS_PER_HOUR / 2,
      readingAgain === undefined ? null : readingAgain.requests * RUNS_PER_HOUR,
    ),
    sized(
      atMost('open sessions: memory of the worker', 1_024, open?.workerRssMb ?? null, ' MB'),
      open?.open,
      10_000,
    ),
    {
      what: "… memory of the server's store for each",
      target: 'published',
      measured: open === null ? 'not measured' : `${digits(open.serverKbPerSession)} kB`,
      reached: open === null ? null : true,
    },
    sized(
      atMost(
        'watcher: a backlog of one account read and settled',
        15,
        watching?.seconds ?? null,
        ' s',
      ),
      watching?.backlog,
      10_000,
    ),
    atMost(
      '… lag in steady state, in polls',
      1,
      watching && watching.lagMs / watching.pollIntervalMs,
    ),
    atMost('start: first payment settled after `npm run demo`', 15, demoSeconds, ' s'),
    {
      what: 'safety: sessions of ours lost or paid twice, findings of the audit',
      target: '0',
      measured: String(brokenPromises(results)),
      reached: brokenPromises(results) === 0,
    },
  ];
}

/** A bar that speaks of a size says nothing when less was there. */
function sized(bar: Bar, there: number | undefined, wanted: number): Bar {
  const what = `${bar.what} (${wanted.toLocaleString('en-US')})`;
  if (there === undefined || there >= wanted) return { ...bar, what };
  return {
    ...bar,
    what,
    measured: `${bar.measured} with ${there.toLocaleString('en-US')}`,
    reached: null,
  };
}

/** What of our promises broke anywhere in the bench; the bench fails unless it is nothing. */
export function brokenPromises(results: Results): number {
  const ours = (Object.keys(results.arms) as ArmName[])
    .filter((name) => name.startsWith('ours'))
    .map((name) => armOf(results, name));
  const { open, watching } = results.own;
  return (
    total(ours, ({ runs }) =>
      total(
        runs,
        ({ closed, faults, audit }) =>
          broken(closed.checked) + broken(faults?.checked) + (audit?.length ?? 0),
      ),
    ) +
    results.unsigned +
    (open?.lost ?? 0) +
    (open?.audit?.length ?? 0) +
    (watching?.audit?.length ?? 0)
  );
}

function broken(checked: Checked | undefined): number {
  return checked ? checked.lost + checked.paidTwice + checked.withoutRow : 0;
}
