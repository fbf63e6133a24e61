/** How long it takes after a fault until sessions are settled again. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Recovery } from './cells/scene.ts';
import type { Stack } from './stack.ts';
import type { RoundSession } from './workload.ts';

const LOOK_EVERY_MS = 100;

/**
 * The time from `at` to the next session that was settled, by the clock of its transaction; from when there was something
 * to settle, where that was later: its last payment's ledger had closed, or its deadline was over. Null when there was
 * none until everything was at rest.
 */
export async function nextCommit(
  stack: Stack,
  sessions: readonly RoundSession[],
  { after, at, atRest }: { after: Recovery['after']; at: number; atRest: AbortSignal },
): Promise<Recovery | null> {
  for (;;) {
    const isLast = atRest.aborted;
    const [next] = await stack.rows<{ id: string; at: Date; since: Date; what: string }>(
      `SELECT s.id::text, j.at, concat(j.from_status, ' → ', j.to_status, ', ', j.cause) AS what,
         greatest($1, CASE WHEN j.to_status IN ('expired', 'cancelled') THEN least(s.expires_at, s.cancel_at)
          ELSE (SELECT max(p.closed_at) FROM settlement.ledger_payments p
            WHERE p.session_id = s.id AND p.closed_at <= j.at) END) AS since
       FROM settlement.session_journal j JOIN checkout_sessions s ON s.id = j.session_id
       WHERE j.at > $1 AND j.actor = 'settle' ORDER BY j.at LIMIT 1`,
      [new Date(at)],
    );
    if (next) {
      const kind = sessions.find(({ id }) => id === next.id)?.kind ?? 'of another round';
      const ms = Math.max(0, next.at.getTime() - next.since.getTime());
      return { after, ms, what: `${kind}: ${next.what}` };
    }
    if (isLast) return null;
    await sleep(LOOK_EVERY_MS, undefined, { signal: atRest }).catch(() => undefined);
  }
}
