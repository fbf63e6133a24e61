/**
 * The closed list of states that must not last, and the report of a run of reconciliation that looked for them. Pure; the
 * queries are in db/discrepancies.ts and db/unfinished.ts, the repairs in activities/reconcile/.
 */

/** Every kind of discrepancy, in the order in which a run repairs them: first what is read, then what follows from it. */
export const DISCREPANCIES = [
  'watcher_silent',
  'missed_payment',
  'wrong_totals',
  'undecided_payment',
  'stuck_processing',
  'paid_without_payment',
  'unsettled_payment',
  'foreign_ending',
  'not_in_care',
  'overdue',
  'foreign_delivery',
  'event_overdue',
  'no_run',
] as const;

/** A kind of discrepancy. docs/operations.md has a line for each. */
export type Discrepancy = (typeof DISCREPANCIES)[number];

/** What each is, in a few words, for reports. */
export const MEANING: Readonly<Record<Discrepancy, string>> = {
  watcher_silent: 'no account has been read for five minutes',
  missed_payment: 'a payment that Horizon shows and the inbox lacks',
  wrong_totals: 'running totals of a session that are not those of its payments',
  undecided_payment: 'a ledger payment without a verdict for over a minute',
  not_in_care: 'an open session that nobody watches',
  stuck_processing: 'processing for over five minutes',
  paid_without_payment: 'paid without a payments row',
  unsettled_payment: 'a payments row that settle has not seen, or whose session is not paid',
  foreign_ending: 'expired, cancelled or opened again by somebody else',
  overdue: 'still open five minutes after its deadline',
  foreign_delivery: 'a webhook that an older backend has left open',
  event_overdue: 'an event that has been due for over a minute',
  no_run: 'not at rest, and no workflow runs for it, or its run cannot go on',
};

/** What a run does about each, in a few words: what a dry run would have done. */
const REMEDY: Readonly<Record<Discrepancy, string>> = {
  watcher_silent: 'the watcher would be started',
  missed_payment: 'it would be stored and settled',
  wrong_totals: 'they would be forgotten, and its payments counted anew',
  undecided_payment: 'it would be settled',
  not_in_care: 'its account would be watched from before its opening, and its workflow woken',
  stuck_processing: 'its account would be read up to now, and it settled',
  paid_without_payment: 'its account would be read up to now, and it settled',
  unsettled_payment: 'it would be settled',
  foreign_ending: 'its account would be read up to now, and it settled',
  overdue: 'evidence of its end would be asked for, and it settled',
  foreign_delivery: 'it would become the delivery of our event',
  event_overdue: 'its session would be woken',
  no_run: 'a run that cannot go on would be ended, and the session woken',
};

/** One found discrepancy and what became of it, in words. */
export type Example = { readonly subject: string; readonly outcome: string };

/** What a run found of one kind. `found` = `repaired` + `left`; in a dry run everything is left. */
export type Tally = {
  readonly found: number;
  readonly repaired: number;
  readonly left: number;
  /** The first few, those that are left before the others. */
  readonly examples: readonly Example[];
};

/** The report of a run. Kinds of which nothing was found are absent. */
export type ReconcileReport = {
  readonly startedAt: string;
  readonly dryRun: boolean;
  /** Whether it looked also for what is looked for once a day only. */
  readonly thorough: boolean;
  readonly classes: Readonly<Partial<Record<Discrepancy, Tally>>>;
  /** What could not be looked for, and why. */
  readonly failed: Readonly<Partial<Record<Discrepancy, string>>>;
};

/** Examples kept of each kind: enough to begin with, few enough for a workflow's history. */
const EXAMPLES = 20;

/** Nothing found. */
export const NOTHING: Tally = { found: 0, repaired: 0, left: 0, examples: [] };

/** The sum of two tallies of one kind. */
export function addTallies(a: Tally, b: Tally): Tally {
  return {
    found: a.found + b.found,
    repaired: a.repaired + b.repaired,
    left: a.left + b.left,
    examples: [...a.examples, ...b.examples].slice(0, EXAMPLES),
  };
}

/** The tally of a dry run: everything is left, with what would be done about it. */
export function untouched(
  kind: Discrepancy,
  found: readonly string[],
  more: ReadonlyMap<string, string> = new Map(),
): Tally {
  const outcome = (subject: string) =>
    more.has(subject) ? `${REMEDY[kind]}; ${more.get(subject)}` : REMEDY[kind];
  return {
    found: found.length,
    repaired: 0,
    left: found.length,
    examples: found.slice(0, EXAMPLES).map((subject) => ({ subject, outcome: outcome(subject) })),
  };
}

/** The tally of what was found: `left` says for which subjects it still stands, and why. */
export function tally(found: readonly string[], left: ReadonlyMap<string, string>): Tally {
  const remaining = found.filter((subject) => left.has(subject));
  const repaired = found.filter((subject) => !left.has(subject));
  return {
    found: found.length,
    repaired: repaired.length,
    left: remaining.length,
    examples: [
      ...remaining.map((subject) => ({ subject, outcome: `left: ${left.get(subject)}` })),
      ...repaired.map((subject) => ({ subject, outcome: 'repaired' })),
    ].slice(0, EXAMPLES),
  };
}

/**
 * The report as Markdown, for the Temporal UI and the terminal: the sum first, then the kinds of which something is left
 * before the others. (The UI's Markdown wants an empty line before a list.)
 */
export function reportInWords(report: ReconcileReport): string {
  const head = `Reconciliation of ${report.startedAt}${report.dryRun ? ' (dry run: nothing was changed)' : ''}`;
  const kinds = DISCREPANCIES.filter((kind) => report.classes[kind] ?? report.failed[kind]);
  if (kinds.length === 0) return `${head}: nothing is wrong.`;
  const isLeft = (kind: Discrepancy) =>
    report.failed[kind] !== undefined || (report.classes[kind]?.left ?? 0) > 0;
  const ordered = [...kinds.filter(isLeft), ...kinds.filter((kind) => !isLeft(kind))];
  const lines = ordered.flatMap((kind) => kindInWords(report, kind));
  return [`${head}: ${sumInWords(report)}.`, '', ...lines].join('\n');
}

/** What a run found in all, in one line. */
export function sumInWords({ classes, failed, dryRun }: ReconcileReport): string {
  const sum = Object.values(classes).reduce(addTallies, NOTHING);
  const unseen = Object.keys(failed);
  if (sum.found === 0 && unseen.length === 0) return 'nothing was wrong';
  const done = dryRun ? '' : `, ${sum.repaired} repaired, ${sum.left} left`;
  const failures = unseen.length === 0 ? '' : `; not looked for to the end: ${unseen.join(', ')}`;
  return `${sum.found} found${done}${failures}`;
}

function kindInWords({ classes, failed, dryRun }: ReconcileReport, kind: Discrepancy): string[] {
  const problem = failed[kind];
  const { found, repaired, left, examples } = classes[kind] ?? NOTHING;
  return [
    `- **${kind}** (${MEANING[kind]}): ${found} found` +
      (dryRun ? '' : `, ${repaired} repaired, ${left} left`) +
      (problem === undefined ? '' : `; not looked for to the end: ${problem}`),
    ...examples.map(({ subject, outcome }) => `  - ${subject}: ${outcome}`),
    ...(found > examples.length ? [`  - and ${found - examples.length} more`] : []),
  ];
}
