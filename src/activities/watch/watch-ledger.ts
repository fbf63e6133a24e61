import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { watchedAccounts, type WatchedAccount } from '../../db/watching.ts';
import type { Deps } from '../deps.ts';
import { discoverForeignSessions } from './discover.ts';
import { extendAwaitedCoverage } from './evidence.ts';
import { readAccount } from './read-account.ts';
import { settleDue } from './settle-due.ts';
import { wakeDue } from './wake-due.ts';

export type WatchInput = { network: string; minutes: number };

/** What a stretch of watching did, for the history and the operator. */
export type WatchReport = {
  turns: number;
  pages: number;
  payments: number;
  settled: number;
  woken: number;
  problems: number;
  headLedger: number;
};

/** Accounts without open sessions are still read (late and double payments come), but this much more rarely. */
const QUIET_FACTOR = 12;
/** How often the evidence of account entries is taken while nobody waits for it, so that gaps stay short. */
const EVIDENCE_EVERY_MS = 60_000;

/**
 * Reads every watched account, settles what that brings, closes what is covered, wakes what is due, and begins again,
 * for some minutes. Nothing is remembered between turns but what is in the database, and a turn that fails is
 * followed by the next one.
 */
export async function watchLedger(deps: Deps, { minutes }: WatchInput): Promise<WatchReport> {
  const report: WatchReport = {
    turns: 0,
    pages: 0,
    payments: 0,
    settled: 0,
    woken: 0,
    problems: 0,
    headLedger: 0,
  };
  const { cancellationSignal } = Context.current();
  // A worker that drains ends its stretch early; the workflow goes on with the next worker.
  const signal = AbortSignal.any([cancellationSignal, deps.draining]);
  const end = Date.now() + minutes * 60_000;
  const waker = keepWaking(deps, report, end, signal);
  let evidenceAt = 0;
  while (Date.now() < end && !signal.aborted) {
    const started = Date.now();
    const thorough = started >= evidenceAt;
    if (thorough) evidenceAt = started + EVIDENCE_EVERY_MS;
    try {
      await turn(deps, report, thorough, signal);
    } catch (error) {
      report.problems += 1;
      deps.log.error({ err: error }, 'A turn of the watcher failed; the next one follows.');
    }
    report.turns += 1;
    Context.current().heartbeat(report);
    const pause = Math.max(deps.pollIntervalMs - (Date.now() - started), 10);
    await sleep(pause, undefined, { signal }).catch(() => undefined);
  }
  await waker;
  cancellationSignal.throwIfAborted();
  return report;
}

async function turn(
  deps: Deps,
  report: WatchReport,
  thorough: boolean,
  signal: AbortSignal,
): Promise<void> {
  // What is undecided is settled first: it may be left from a worker that died.
  report.settled += await settleDue(deps);
  const head = await deps.source.head();
  report.headLedger = head.latestLedger;
  await discoverForeignSessions(deps, report.turns === 0);
  for (const account of await watchedAccounts(deps.database.db)) {
    if (signal.aborted) return;
    if (!isDue(account, deps.pollIntervalMs)) continue;
    const read = await readAccount(deps, account, head.oldestLedger, signal);
    report.pages += read.pages;
    report.payments += read.payments;
    report.problems += read.problem === null ? 0 : 1;
    if (read.payments > 0) report.settled += await settleDue(deps);
  }
  await extendAwaitedCoverage(deps, head.latestClosedAt, thorough);
  report.settled += await settleDue(deps);
}

function isDue({ openSessions, readAt }: WatchedAccount, pollIntervalMs: number): boolean {
  if (openSessions > 0 || readAt === null) return true;
  return Date.now() - readAt.getTime() >= pollIntervalMs * QUIET_FACTOR;
}

/** Wakes beside the reading, so that a slow Horizon delays no webhook and a slow Temporal no reading. */
async function keepWaking(
  deps: Deps,
  report: WatchReport,
  end: number,
  signal: AbortSignal,
): Promise<void> {
  while (Date.now() < end && !signal.aborted) {
    try {
      report.woken += await wakeDue(deps);
    } catch (error) {
      deps.log.error({ err: error }, 'Waking failed; the next turn finds the same sessions.');
    }
    await sleep(Math.min(deps.pollIntervalMs, 250), undefined, { signal }).catch(() => undefined);
  }
}
