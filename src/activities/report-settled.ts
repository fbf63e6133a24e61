import type { Settled } from '../db/settle.ts';
import type { Deps, SettlingDeps } from './deps.ts';

/** Settles a session, and tells what that brought; null when there is no such session. */
export async function settleSession(deps: Deps, sessionId: string): Promise<Settled | null> {
  const settled = await deps.queue.settle(sessionId);
  if (settled !== null) reportSettled(deps, settled);
  return settled;
}

/** Tells the log and the metrics what a settle brought: a new status, new verdicts. Says nothing when nothing is new. */
export function reportSettled({ log, counters }: SettlingDeps, settled: Settled): void {
  const { sessionId, from, status, cause } = settled;
  if (from !== status) log.info({ sessionId, from, status, cause }, 'A session was settled.');
  for (const { payment, txHash, verdict, isNew, afterEnding } of settled.verdicts) {
    if (!isNew) continue;
    counters.judged(verdict);
    const judged = { sessionId, txHash, payment, verdict };
    if (verdict === 'credited') log.info(judged, 'A payment is credited.');
    else log.warn(judged, 'A payment is held.');
    if (!afterEnding) continue;
    counters.foundAfterEnding();
    log.error(
      { ...judged, status },
      'Horizon shows a payment in ledgers that were covered when the session ended.',
    );
  }
}
