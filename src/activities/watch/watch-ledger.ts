import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { regainWakes } from '../../db/worklists.ts';
import type { Deps } from '../deps.ts';
import { createBackground } from './background.ts';
import { takeTurn, type TurnReport } from './turn.ts';
import { wakeDue } from './wake-due.ts';

/** Which network's ledger (for the history), and for how long. */
export type WatchInput = { network: string; minutes: number };

/** What a stretch of watching did, for the history and the operator. */
export type WatchReport = TurnReport & { turns: number; woken: number };

/** How often the evidence of account entries is taken while nobody waits for it, so that gaps stay short. */
export const EVIDENCE_EVERY_MS = 60_000;

/**
 * Reads every watched account, settles what that brings, closes what is covered, wakes what is due, and begins again,
 * for some minutes. Nothing is remembered between turns but what is in the database, and a turn that fails is
 * followed by the next one.
 */
export async function watchLedger(deps: Deps, { minutes }: WatchInput): Promise<WatchReport> {
  const report = { pages: 0, payments: 0, settled: 0, problems: 0, headLedger: 0 };
  const { cancellationSignal } = Context.current();
  // A worker that drains ends its stretch early; the workflow goes on with the next worker. Every loop in it looks here.
  const over = AbortSignal.timeout(minutes * 60_000);
  const signal = AbortSignal.any([cancellationSignal, deps.draining, over]);
  const endWaking = () => deps.settledBell.ring();
  signal.addEventListener('abort', endWaking, { once: true });
  const waker = keepWaking(deps, signal);
  const background = createBackground(deps, signal);
  let turns = 0;
  let evidenceAt = 0;
  while (!signal.aborted) {
    const started = Date.now();
    const thorough = started >= evidenceAt;
    if (thorough) evidenceAt = started + EVIDENCE_EVERY_MS;
    try {
      add(report, await takeTurn(deps, { isFirst: turns === 0, thorough, signal, background }));
    } catch (error) {
      report.problems += 1;
      deps.log.error({ err: error }, 'A turn of the watcher failed; the next one follows.');
    }
    turns += 1;
    const pause = Math.max(deps.pollIntervalMs - (Date.now() - started), 10);
    await sleep(pause, undefined, { signal }).catch(() => undefined);
  }
  const woken = await waker;
  await background.ended().catch((error: unknown) => {
    deps.log.error(
      { event: 'watch.background_failed', err: error },
      'Background work failed. The next run of the watcher starts it again.',
    );
  });
  add(report, { ...background.take(), headLedger: report.headLedger });
  signal.removeEventListener('abort', endWaking);
  cancellationSignal.throwIfAborted();
  return { ...report, turns, woken };
}

function add(sum: TurnReport, turn: TurnReport): void {
  sum.pages += turn.pages;
  sum.payments += turn.payments;
  sum.settled += turn.settled;
  sum.problems += turn.problems;
  sum.headLedger = turn.headLedger;
}

/** Wakes beside the reading, so that a slow Horizon delays no webhook and a slow Temporal no reading. */
async function keepWaking(deps: Deps, signal: AbortSignal): Promise<number> {
  let woken = 0;
  // There is one watcher: what is taken now was taken by one that is gone.
  let isRegained = false;
  while (!signal.aborted) {
    try {
      if (!isRegained) await regainWakes(deps.database.db);
      isRegained = true;
      woken += await wakeDue(deps, signal);
    } catch (error) {
      deps.log.error({ err: error }, 'Waking failed; the next turn finds the same sessions.');
    }
    await deps.settledBell.heard(Math.min(deps.pollIntervalMs, 250));
  }
  return woken;
}
