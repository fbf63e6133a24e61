import { findOverdueEvents, findUndecided, takeUnchecked } from '../../db/discrepancies.ts';
import { newestReading } from '../../db/watching.ts';
import { NOTHING, tally, type Discrepancy } from '../../domain/discrepancy.ts';
import { reasonOf } from '../../domain/failure.ts';
import { settleDue } from '../watch/settle-due.ts';
import type { ReconcileDeps } from './deps.ts';
import type { PageOutcome, PageRequest } from './page.ts';
import { readAgain } from './read-again.ts';
import { repairSessions } from './repair-sessions.ts';
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
  deps.counters.reconciled(input.kind, outcome);
  return outcome;
}

function repairKind(deps: ReconcileDeps, { kind, ...page }: RepairInput): Promise<PageOutcome> {
  switch (kind) {
    case 'watcher_silent':
      return repairWatcher(deps, page);
    case 'missed_payment':
      return readAgain(deps, page);
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
  const { at, problem } = await newestReading(deps.database.db);
  if (at === null || Date.now() - at.getTime() < SILENT_AFTER_MS) return { ...NOTHING, next: null };
  const subject = `watcher of ${deps.networkName}`;
  const since = `nothing was read since ${at.toISOString()}`;
  const isThere = await deps.watcher.isRunning();
  if (!isThere && !dryRun) await deps.watcher.start();
  const why = isThere
    ? `it runs, but ${since}${problem === null ? '' : `: ${problem}`}`
    : 'dry run';
  const left = new Map(isThere || dryRun ? [[subject, why]] : []);
  return { ...tally([subject], left), next: null };
}

async function repairUndecided(deps: ReconcileDeps, { dryRun }: PageRequest): Promise<PageOutcome> {
  const { db } = deps.database;
  const found = await findUndecided(db);
  if (!dryRun && found.length > 0) await settleDue(deps);
  const still = new Set(dryRun ? found : found.length > 0 ? await findUndecided(db) : []);
  const why = dryRun ? 'dry run' : 'its session could not be settled; the log says why';
  const left = found
    .filter((payment) => still.has(payment))
    .map((p) => [`payment ${p}`, why] as const);
  return {
    ...tally(
      found.map((p) => `payment ${p}`),
      new Map(left),
    ),
    next: null,
  };
}

async function repairOverdueEvents(
  deps: ReconcileDeps,
  { after, dryRun }: PageRequest,
): Promise<PageOutcome> {
  const { found, next } = await findOverdueEvents(deps.database.db, after);
  const left = new Map<string, string>();
  const bySession = Map.groupBy(found, (event) => event.sessionId);
  await eachOf([...bySession.keys()], async (sessionId) => {
    const problem = dryRun ? 'dry run' : await problemOf(() => deps.wake(sessionId));
    for (const { deliveryId } of bySession.get(sessionId) ?? []) {
      if (problem !== null) left.set(`delivery ${deliveryId}`, problem);
    }
  });
  return {
    ...tally(
      found.map(({ deliveryId }) => `delivery ${deliveryId}`),
      left,
    ),
    next,
  };
}

/** One page only: the next run goes on with those that were not looked for. */
async function repairRuns(deps: ReconcileDeps, { dryRun }: PageRequest): Promise<PageOutcome> {
  const missing: string[] = [];
  const left = new Map<string, string>();
  await eachOf(await takeUnchecked(deps.database.db), async (sessionId) => {
    if (await deps.isRunning(sessionId)) return;
    missing.push(`session ${sessionId}`);
    const problem = dryRun ? 'dry run' : await problemOf(() => deps.wake(sessionId));
    if (problem !== null) left.set(`session ${sessionId}`, problem);
  });
  return { ...tally(missing, left), next: null };
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
