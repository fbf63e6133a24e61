/** The results in words and tables: for the terminal, and as a section for docs/performance.md. */
import { ARMS, type ArmName } from './arms/list.ts';
import { bars } from './bars.ts';
import { PEERS_IN_WORDS, peersAhead, profile, reasons } from './reasons.ts';
import type { Closed } from './runs.ts';
import type { Steady } from './steady.ts';
import { digits, show, spread, total, type ArmResults, type Results } from './results.ts';

type Column = { readonly head: string; readonly cell: (arm: ArmResults) => string };

const closed = (of: (run: Closed) => number | null) => (arm: ArmResults) =>
  show(spread(arm.runs, (run) => of(run.closed)));
const steady = (of: (run: Steady) => number) => (arm: ArmResults) =>
  show(spread(arm.runs, (run) => of(run.steady)));

const SPEED: readonly Column[] = [
  { head: 'committed/s', cell: closed((r) => r.committedPerSecond) },
  { head: 'settled/s', cell: closed((r) => r.settledPerSecond) },
  {
    head: 'settled/s with opening',
    cell: closed((r) => r.settledPerSecondOpened),
  },
  { head: 'commit p50', cell: steady((r) => r.commit.p50) },
  { head: 'commit p99', cell: steady((r) => r.commit.p99) },
  { head: 'webhook p50', cell: steady((r) => r.webhook.p50) },
  { head: 'webhook p99', cell: steady((r) => r.webhook.p99) },
];

const COST: readonly Column[] = [
  { head: 'round trips', cell: closed((r) => r.roundTrips) },
  { head: 'fsyncs', cell: closed((r) => r.walFsyncs) },
  { head: 'WAL kB', cell: closed((r) => r.walBytes / 1024) },
  { head: 'rolled back', cell: closed((r) => r.rollbacks) },
  { head: 'history events', cell: closed((r) => r.historyEvents) },
  { head: 'server CPU ms', cell: closed((r) => r.serverCpuMs) },
  {
    head: '… opening',
    cell: closed((r) => r.openingServerCpuMs),
  },
  { head: 'PostgreSQL CPU ms', cell: closed((r) => r.postgresCpuMs) },
  { head: 'worker CPU ms', cell: closed((r) => r.workerCpuMs) },
  {
    head: '… opening',
    cell: closed((r) => r.openingWorkerCpuMs),
  },
];

const faultsOf = ({ runs }: ArmResults) =>
  runs.map(({ faults }) => faults).filter((f) => f !== null);
const SAFETY: readonly Column[] = [
  { head: 'sessions', cell: (arm) => String(total(faultsOf(arm), (f) => f.checked.sessions)) },
  { head: 'lost', cell: (arm) => String(total(faultsOf(arm), (f) => f.checked.lost)) },
  { head: 'paid twice', cell: (arm) => String(total(faultsOf(arm), (f) => f.checked.paidTwice)) },
  {
    head: 'money without a row',
    cell: (arm) => String(total(faultsOf(arm), (f) => f.checked.withoutRow)),
  },
  {
    head: 'told again, same id',
    cell: (arm) => String(total(faultsOf(arm), (f) => f.checked.toldAgain)),
  },
  {
    head: 'healed after s',
    cell: (arm) => show(spread(faultsOf(arm), (f) => f.healedAfterMs / 1000)),
  },
  {
    head: 'lost without faults',
    cell: ({ runs }) =>
      String(total(runs, ({ closed: { checked } }) => checked.lost + checked.paidTwice)),
  },
  {
    head: 'money without a row, without faults',
    cell: ({ runs }) => String(total(runs, ({ closed: { checked } }) => checked.withoutRow)),
  },
];

/** The whole section in Markdown; `plots` is the path of the folder with the plots, seen from the document. */
export function report(results: Results, plots: string): string {
  const { machine, sizes, own } = results;
  const runs = runsOf(results);
  const size =
    runs === 1 ? 'One run' : `Medians of ${runs} runs, in brackets the smallest and the largest`;
  return [
    '## Against every peer, on the same work',
    '',
    `\`npm run bench${results.quick ? ' -- --quick' : ''}\` of ${results.at.slice(0, 10)}${results.commit === null ? '' : `, commit ${results.commit}`}, ` +
      `${machine.cores} cores (${machine.cpu}), ${machine.memoryGb} GB, Node ${machine.node}, ${machine.postgres}; ` +
      `everything on the one machine, driver and receiver included. ${size}; the order of the arms is shuffled, the raw numbers are in bench/results/.`,
    '',
    ...missing(results),
    ...disturbance(results),
    ...method(results),
    '### Speed',
    '',
    `Closed loop: ${sizes.closed} sessions, ${sizes.inFlight} between payment and webhook (the page commit: ${pagedSessions(results)} sessions, page after page of 200). ` +
      `Open loop: ${sizes.openPerSecond} payments a second, milliseconds from the signal to the commit and to the webhook received.`,
    '',
    ...table(results, SPEED),
    '',
    `![Sessions settled a second, with their webhooks, by arm](${plots}/arms.svg)`,
    '',
    '### What it costs',
    '',
    'Round trips of the worker to PostgreSQL for each payment; the rest for each session. Fsyncs and WAL are of PostgreSQL, opening and warm-up included: Temporal’s dev server keeps its store in memory, Restate has its own on disk, and neither is in them. Their processor time is in "server CPU".',
    '',
    ...table(results, COST),
    '',
    '### What is left after a fault',
    '',
    `In two of the runs (in a quick one's only one) the worker is killed with SIGKILL amid a burst of payments and started again; later every connection of it to PostgreSQL is cut with \`pg_terminate_backend\`. Lost: not paid, or nobody told, when nothing had moved for ${sizes.patienceMs / 1000} s (12 s for plain Node, where that is known to be in vain). A signaller that gets no answer asks again, for every arm.`,
    '',
    ...table(results, SAFETY),
    '',
    ...PEERS_IN_WORDS,
    '',
    ...peersAhead(results),
    '',
    '### The bars',
    '',
    '| bar | target | measured | |',
    '| --- | --- | --- | --- |',
    ...bars(results).map(
      ({ what, target, measured, reached }) =>
        `| ${what} | ${target} | ${measured} | ${reached === null ? 'not judged' : reached ? 'reached' : '**missed**'} |`,
    ),
    '',
    ...reasons(results),
    ...profile(results),
    '### How it grows',
    '',
    '| payments in a page | committed/s | round trips per payment | fsyncs per payment |',
    '| ---: | ---: | ---: | ---: |',
    ...own.pages.map(
      (p) =>
        `| ${p.payments} | ${digits(p.perSecond)} | ${digits(p.roundTrips)} | ${p.walFsyncs.toFixed(3)} |`,
    ),
    '',
    `![Round trips per payment, by payments in a page](${plots}/pages.svg)`,
    '',
    `![Payments committed a second, beside many sessions and accounts](${plots}/growth.svg)`,
    '',
    ...alive(results),
    ...failures(results),
  ].join('\n');
}

/** The runs that every arm of them has. */
function runsOf({ arms }: Results): number {
  return Math.min(...Object.values(arms).map(({ runs }) => runs.length));
}

/** What a full bench has, and this one has not. */
function missing(results: Results): string[] {
  if (results.quick) return [];
  const runs = runsOf(results);
  const absent = (Object.keys(ARMS) as ArmName[]).filter((name) => !results.arms[name]);
  const names = absent.map((name) => ARMS[name].title).join(', ');
  return [
    ...(runs < 5
      ? [
          `**Not five runs, but ${runs}:** the machine was needed for other work. \`npm run bench -- --part=arms --more=${5 - runs}\` adds the rest.`,
          '',
        ]
      : []),
    ...(absent.length > 0
      ? [
          `**Not measured yet:** ${names}. \`npm run bench -- --part=stored\` adds what runs with Temporal on PostgreSQL.`,
          '',
        ]
      : []),
  ];
}

/** What else ran: the bench itself keeps two to four processes busy. */
function disturbance({ load, own, machine, commit }: Results): string[] {
  const words = `The load average was ${load.before} when the arms began and ${load.after} when they ended, ${own.load.before} and ${own.load.after} around what is measured of ours alone${own.commit === commit ? '' : ` (commit ${own.commit ?? 'unknown'})`}.`;
  const busy = Math.max(load.before, own.load.before) > machine.cores;
  return [
    busy
      ? `**The machine was not quiet.** ${words} Times, rates and latencies are worse than on a machine of its own by as much as that, for every arm, and vary by it; counts (events, round trips, fsyncs, sessions lost) do little, processor time per session some. Ratios within one run are what can be compared.`
      : words,
    '',
  ];
}

function measuredAt(armOf: string | null | undefined, commit: string | null): string {
  return armOf === undefined || armOf === commit ? '' : ` (measured at commit ${armOf})`;
}

function method({ quick, arms, commit }: Results): string[] {
  return [
    'Every arm settles the same sessions: a payment arrives for each, every tenth comes twice (in turn the same transaction again and another one), the commit is SERIALIZABLE on the same tables with the same constraints, the webhook is signed and goes to a local receiver with keep-alive. ' +
      'Same PostgreSQL with fsync, same pools (10 connections), same Node. The peers share one commit of four round trips with the retries of ours (bench/commit.ts); ours reads more facts and writes more (inbox, journal, every attempt before and after its POST).',
    '',
    ...(Object.keys(arms) as ArmName[]).map(
      (name) =>
        `- **${ARMS[name].title}**: ${ARMS[name].note}${measuredAt(arms[name]?.commit, commit)}.`,
    ),
    '',
    ...(quick ? ['A quick run shows that it works; its times are not to be quoted.', ''] : []),
  ];
}

/** Runs that were added later may have been smaller. */
function pagedSessions({ arms, sizes }: Results): string {
  const s = spread(arms['ours-page']?.runs ?? [], ({ closed }) => closed.sessions);
  if (s === null) return String(sizes.closedPaged);
  return s.min === s.max ? String(s.max) : `${s.min} to ${s.max}`;
}

function table({ arms }: Results, columns: readonly Column[]): string[] {
  const rows = (Object.keys(ARMS) as ArmName[]).flatMap((name) => {
    const arm = arms[name];
    return arm
      ? [`| ${ARMS[name].title} | ${columns.map(({ cell }) => cell(arm)).join(' | ')} |`]
      : [];
  });
  return [
    `| | ${columns.map(({ head }) => head).join(' | ')} |`,
    `| --- | ${columns.map(() => '---:').join(' | ')} |`,
    ...rows,
  ];
}

function alive({ own: { open, watching, retries, reconciling, readingAgain } }: Results): string[] {
  const n = (count: number) => count.toLocaleString('en-US');
  return [
    ...(open === null
      ? []
      : [
          `- ${n(open.open)} sessions opened through the client (${digits(open.perSecond)}/s): the worker has ${digits(open.workerRssMb)} MB, the Temporal server ${digits(open.serverRssMb)} MB, ${digits(open.serverKbPerSession)} kB for each open session; a whole life, from opening to rest, is ${digits(open.eventsInALife)} history events.`,
        ]),
    ...(watching === null
      ? []
      : [
          `- The watcher read and settled a backlog of ${n(watching.backlog)} payments of one account in ${digits(watching.seconds)} s; after that a payment was in the inbox at most ${digits(watching.lagMs)} ms after its ledger had closed, at a poll every ${watching.pollIntervalMs} ms, and its webhook was received ${digits(watching.toldMs)} ms after its commit (median).`,
        ]),
    ...reconciling.map(
      (r) =>
        `- Reconciliation beside ${n(r.sessions)} sessions: ${n(r.brokenRows)} broken rows found in ${digits(r.ms)} ms with ${digits(r.buffers / r.brokenRows)} buffers each; the dearest kind, ${r.worst.kind}, reads ${digits(r.worst.buffersPerRow)} (bench/reconcile.ts).`,
    ),
    ...(readingAgain.length === 0
      ? []
      : [
          `- A run of reconciliation beside ${n(readingAgain[0]?.accounts ?? 0)} watched accounts asks Horizon ${readingAgain.map((r) => `${n(r.requests)} times with ${n(r.open)}`).join(', ')} of them with an open session; it reads at most fifty accounts again, those that wait the longest first.`,
        ]),
    ...retries.map(
      (r) =>
        `- ${r.processes} queue${r.processes > 1 ? 's with pools of their own, as so many processes have,' : ''} settling at once: ${digits(r.retriesPerCommit)} retries per commit.`,
    ),
    '',
  ];
}

function failures({ arms, own }: Results): string[] {
  const all = [
    ...Object.entries(arms).flatMap(([name, arm]) => arm.failures.map((f) => `${name}: ${f}`)),
    ...own.failures,
  ];
  return all.length === 0
    ? []
    : ['Not measured:', '', ...all.map((f) => `- ${f.split('\n')[0] ?? f}`), ''];
}
