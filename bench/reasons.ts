/** What the numbers mean: where peers are ahead, why a bar is missed, where a session's time goes. */
import { ARMS, type ArmName } from './arms/list.ts';
import { bars } from './bars.ts';
import { digits, spread, type Results } from './results.ts';
import type { Run } from './runs.ts';

/** Of what is left after a fault. */
export const PEERS_IN_WORDS: readonly string[] = [
  '- naive Temporal, DBOS and Restate lose no session, but a second transaction that arrives after the workflow has taken the first finds nobody who would write it down: money without a row.',
  '- graphile-worker (0.18.0), when its connections are cut in the first moments after a start, often lives on without any and takes no more jobs until it is started again: four of eight times when only that was tried. A session counts as lost then; its job is still there.',
  '- graphile-worker keeps the jobs of a killed worker locked for four hours by its own default. Here the next worker unlocks them when it starts, which is right only where there is one. pg-boss gives them back by heartbeat, half a minute later.',
  '- Ours comes back by heartbeat within seconds; a wake that the killed worker had taken from the list and not yet sent is sent by the watcher that replaces it.',
  '- plain Node has accepted what it then forgets: that is what the durable arms pay for.',
];

type Measure = { what: string; of: (run: Run) => number | null; most: boolean; unit: string };

const MEASURES: readonly Measure[] = [
  {
    what: 'Sessions settled a second',
    of: (r) => r.closed.settledPerSecond,
    most: true,
    unit: '/s',
  },
  { what: 'Signal to commit, p50', of: (r) => r.steady.commit.p50, most: false, unit: ' ms' },
  { what: 'Signal to webhook, p50', of: (r) => r.steady.webhook.p50, most: false, unit: ' ms' },
  {
    what: "The worker's processor time per session",
    of: (r) => r.closed.workerCpuMs,
    most: false,
    unit: ' ms',
  },
  {
    what: 'WAL per session',
    of: (r) => r.closed.walBytes / 1024,
    most: false,
    unit: ' kB',
  },
];

const medianOf = ({ arms }: Results, name: ArmName, of: Measure['of']) =>
  spread(arms[name]?.runs ?? [], of)?.median ?? null;

/** Who is ahead of our path per session, measure by measure. */
export function peersAhead(results: Results): string[] {
  const peers = (Object.keys(results.arms) as ArmName[]).filter((n) => !n.startsWith('ours'));
  return [
    ...ahead(
      results,
      'ours-session',
      peers.filter((n) => !n.endsWith('-stored')),
    ),
    ...ahead(
      results,
      'ours-session-stored',
      peers.filter((n) => n.endsWith('-stored')),
    ),
  ];
}

function ahead(results: Results, name: ArmName, peers: readonly ArmName[]): string[] {
  const lines = MEASURES.flatMap(({ what, of, most, unit }) => {
    const ours = medianOf(results, name, of);
    if (ours === null) return [];
    const others = peers.flatMap((peer) => {
      const theirs = medianOf(results, peer, of);
      if (theirs === null || (most ? theirs <= ours : theirs >= ours)) return [];
      return [`${ARMS[peer].title} ${digits(theirs)}${unit}`];
    });
    const page = name === 'ours-session' ? medianOf(results, 'ours-page', of) : null;
    const own = `ours ${digits(ours)}${unit} per session${page === null ? '' : `, ${digits(page)}${unit} by pages`}`;
    return [`- ${what}: ${others.length === 0 ? 'nobody' : others.join(', ')} (${own}).`];
  });
  return lines.length === 0
    ? []
    : [`Where a peer is ahead of ${ARMS[name].title}:`, '', ...lines, ''];
}

const SHARED =
  'On a Temporal server, a session that is signalled, settled and told costs one start with its signal, two workflow tasks, one activity and one close. With a local activity the server would do with two thirds of that; it was measured, and why it was not taken, nor would bring the throughput, is in [decision 9](decisions/0009-looks-stay-regular-activities.md), with a profile of the worker.';
const BUSY =
  'Every step waits for a core: the profile below adds up to more than there was. What it would be on a quiet machine, this run cannot say.';

/** Why a bar is missed, by its name. */
const WHY: Readonly<Record<string, string>> = {
  'page commit: payments committed with their events':
    'the commit shares two cores with the workflows that it wakes, and with the bench; beside nothing else the same code commits what the table of page sizes says.',
  'per session against naive Temporal: settled a second': `naive Temporal has started its workflows before the clock runs, ours starts within it. ${SHARED} PostgreSQL does more as well, for the inbox, the journal and each attempt. Who needs more than this settles by pages.`,
  '… settled a second, opening included': SHARED,
  '… the same of the page commit, as the watcher does it': SHARED,
  '… history events of a paid session with its webhook, inserted by its backend':
    'a session that is paid once costs 13. One in ten is paid twice here, and a second payment that comes when the run has ended begins another one.',
  "… the Temporal server's processor time per session":
    'a start is in it, which for naive Temporal came before; the next line has both.',
  '… the same, opening included': SHARED,
  '… with Temporal on PostgreSQL: settled a second':
    'for the same reasons; every step of the server is a transaction on the disk of this machine besides, for both.',
  "… the server's processor time per session":
    'a start is in it, as above, which for naive Temporal came before.',
  'open loop, 20 payments a second: signal to commit, p50':
    'of that, half is Temporal making a run, on its server and in its worker, and a fifth storing the payment and the signal: step by step below, under “Where the time between a signal and its webhook goes”. What the watcher reads is settled without a run.',
  '… signal to commit, p99': BUSY,
  '… signal to webhook received, p50': BUSY,
  '… signal to webhook received, p99': BUSY,
  '… commit p50 against DBOS':
    'between a signal and the commit lie the start of a workflow and one workflow task on the server; DBOS is a library in the worker, with no server in between.',
  '… commit p50 against Restate':
    'between a signal and the commit lie the start of a workflow and one workflow task; Restate pushes to a handler that waits.',
  '… webhook p50 against DBOS': 'as for the commit; the POST follows in the same activity.',
  '… webhook p50 against Restate': 'as for the commit; the POST follows in the same activity.',
  'watcher: a backlog of one account read and settled (10,000)':
    'reading, settling and the runs that are woken share two cores.',
  '… time of all looks, against that beside 10,000, of as many broken rows (1,000,000)':
    'a look takes half a millisecond, and the million sessions have just been written: three runs gave 0.89×, 0.94× and 1.36×, of which the last stands here. The pages that are read, which do not vary, grow 1.06 times.',
  '… lag in steady state, in polls':
    'it is the largest of twenty: a ledger that closes just after the watcher has asked for it is read a poll later, and reading and storing take some milliseconds.',
  'start: first payment settled after `npm run demo`':
    'PostgreSQL, Temporal, the ledger and two workers start, one core each at that moment.',
};

/** Why each missed bar is missed. */
export function reasons(results: Results): string[] {
  const lines: string[] = [];
  let group = '';
  for (const { what, target, measured, reached } of bars(results)) {
    const isFirst = !what.startsWith('… ');
    if (isFirst) group = what.split(':')[0] ?? what;
    if (reached !== false) continue;
    const name = isFirst ? what : `${group}, ${what.replace('… ', '')}`;
    lines.push(`- ${name}: ${measured} (${target}). ${capital(WHY[what] ?? 'Not explained yet.')}`);
  }
  return lines.length === 0 ? [] : ['What is missed, and why:', '', ...lines, ''];
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

/** Where the time of a session goes, by process. */
export function profile({ arms, machine }: Results): string[] {
  const lines = (['ours-session', 'naive-temporal'] as const).flatMap((name) => {
    const runs = (arms[name]?.runs ?? []).map((run) => run.closed);
    const parts = [
      ['Temporal server', spread(runs, (r) => r.serverCpuMs)],
      ['worker', spread(runs, (r) => r.workerCpuMs)],
      ['PostgreSQL', spread(runs, (r) => r.postgresCpuMs)],
      ['opening: server', spread(runs, (r) => r.openingServerCpuMs)],
      ['worker', spread(runs, (r) => r.openingWorkerCpuMs)],
    ] as const;
    const sum = parts.reduce((ms, [, s]) => ms + (s?.median ?? 0), 0);
    if (sum === 0) return [];
    const most = (machine.cores * 1000) / sum;
    const named = parts.map(([what, s]) => `${what} ${digits(s?.median ?? 0)} ms`).join(', ');
    return [
      `- ${ARMS[name].title}: ${named}; together ${digits(sum)} ms of processor time a session, so ${machine.cores} cores can do at most ${digits(most)} a second, driver and receiver not counted.`,
    ];
  });
  return lines.length === 0 ? [] : ['Where a session’s time goes:', '', ...lines, ''];
}
