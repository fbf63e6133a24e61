import {
  findOverdueEvents,
  findUnchecked,
  findUndecided,
  takeUnchecked,
} from '../../db/unfinished.ts';
import { newestReading } from '../../db/watching.ts';
import { NOTHING, tally, untouched, type Discrepancy } from '../../domain/discrepancy.ts';
import { reasonOf } from '../../domain/failure.ts';
import { settleDue } from '../watch/settle-due.ts';
import type { ReconcileDeps } from './deps.ts';
import type { PageOutcome, PageRequest } from './page.ts';
import { readAgain } from './read-again.ts';
import { repairSessions } from './repair-sessions.ts';
import { repairTotals } from './repair-totals.ts';
import { takeOverDeliveries } from './take-over-deliveries.ts';

/** Wakes and lookups at Temporal under way at once. */
const AT_ONCE = 20;
/** Without a reading for this long, the watcher counts as silent. */
const SILENT_AFTER_MS = 5 * 60_000;

/** Which page, and of what. */
export type RepairInput = PageRequest & { readonly kind: Discrepancy };

/** Looks for a page of one kind of discrepancy and repairs what can be. Running it again finds less, or nothing. */
export async function repairPage(deps: ReconcileDeps, input: RepairInput): Promise<PageOutcome> {
  const outcome = await repairKind(deps, input);
  if (!input.dryRun) deps.counters.reconciled(input.kind, outcome);
  return outcome;
}

function repairKind(deps: ReconcileDeps, { kind, ...page }: RepairInput): Promise<PageOutcome> {
  switch (kind) {
    case 'watcher_silent':
      return repairWatcher(deps, page);
    case 'missed_payment':
      return readAgain(deps, page);
    case 'wrong_totals':
      return repairTotals(deps, page);
    case 'undecided_payment':
      return repairUndecided(deps, page);
    case 'foreign_delivery':
      return takeOverDeliveries(deps, page);
    case 'event_overdue':
      return repairOverdueEvents(deps, page);
    case 'no_run':
      return repairRuns(deps, page);
    default:
      return repairSessions(deps, kind, page);
  }
}

async function repairWatcher(deps: ReconcileDeps, { dryRun }: PageRequest): Promise<PageOutcome> {
  const { at, msAgo, problem } = await newestReading(deps.database.db);
  if (at === null || msAgo < SILENT_AFTER_MS) return { ...NOTHING, next: null };
  const subject = `watcher of ${deps.networkName}`;
  const since = `nothing was read since ${at.toISOString()}`;
  if (await deps.watcher.isRunning()) {
    const why = `it runs, but ${since}${problem === null ? '' : `: ${problem}`}`;
    return { ...tally([subject], new Map([[subject, why]])), next: null };
  }
  if (dryRun) return { ...untouched('watcher_silent', [subject]), next: null };
  await deps.watcher.start();
  return { ...tally([subject], new Map()), next: null };
}

async function repairUndecided(deps: ReconcileDeps, { dryRun }: PageRequest): Promise<PageOutcome> {
  const { db } = deps.database;
  const found = await findUndecided(db);
  const subjects = found.map((p) => `payment ${p}`);
  if (dryRun || found.length === 0) {
    return { ...untouched('undecided_payment', subjects), next: null };
  }
  await settleDue(deps);
  const left = (await findUndecided(db)).map((p) => [`payment ${p}`, NOT_SETTLED] as const);
  return { ...tally(subjects, new Map(left)), next: null };
}

const NOT_SETTLED = 'its session could not be settled; the log says why';

async function repairOverdueEvents(
  deps: ReconcileDeps,
  { after, dryRun }: PageRequest,
): Promise<PageOutcome> {
  const { found, next } = await findOverdueEvents(deps.database.db, after);
  const subjects = found.map(({ deliveryId }) => `delivery ${deliveryId}`);
  if (dryRun) return { ...untouched('event_overdue', subjects), next };
  const left = new Map<string, string>();
  const bySession = Map.groupBy(found, (event) => event.sessionId);
  await eachOf([...bySession.keys()], async (sessionId) => {
    const problem = await problemOf(() => deps.wake(sessionId));
    for (const { deliveryId } of bySession.get(sessionId) ?? []) {
      if (problem !== null) left.set(`delivery ${deliveryId}`, problem);
    }
  });
  return { ...tally(subjects, left), next };
}

/** One page only: the next run goes on with those that were not looked for. */
async function repairRuns(deps: ReconcileDeps, { dryRun }: PageRequest): Promise<PageOutcome> {
  const { db } = deps.database;
  const missing: string[] = [];
  const left = new Map<string, string>();
  await eachOf(await (dryRun ? findUnchecked(db) : takeUnchecked(db)), async (sessionId) => {
    const state = await deps.runOf(sessionId);
    if (state === 'runs') return;
    missing.push(`session ${sessionId}`);
    if (dryRun) return;
    const problem = await problemOf(async () => {
      if (state === 'stuck') await endStuck(deps, sessionId);
      await deps.wake(sessionId);
    });
    if (problem !== null) left.set(`session ${sessionId}`, problem);
  });
  return { ...(dryRun ? untouched('no_run', missing) : tally(missing, left)), next: null };
}

async function endStuck(deps: ReconcileDeps, sessionId: string): Promise<void> {
  deps.log.error(
    { sessionId },
    'The tasks of a run fail again and again; it is ended, and another follows.',
  );
  await deps.endRun(
    sessionId,
    'Its tasks failed again and again; reconciliation has another run follow.',
  );
}

async function eachOf<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  for (let i = 0; i < items.length; i += AT_ONCE) {
    await Promise.all(items.slice(i, i + AT_ONCE).map(work));
  }
}

async function problemOf(work: () => Promise<void>): Promise<string | null> {
  try {
    await work();
    return null;
  } catch (error) {
    return reasonOf(error);
  }
}
