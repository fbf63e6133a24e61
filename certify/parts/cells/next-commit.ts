/** How long it takes until sessions are settled again. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Recovery, Scene } from './scene.ts';

const WITHIN_MS = 20_000;

/**
 * Notes how long it took from `at` to the next session that was settled, if there is one at all; from when there was
 * something to settle, where that was later: its last payment's ledger had closed, or its deadline was over.
 */
export async function nextCommit(
  scene: Scene,
  at: number,
  after: Recovery['after'],
): Promise<void> {
  const { stack, over } = scene;
  for (const end = at + WITHIN_MS; Date.now() < end && !over.aborted; await sleep(50)) {
    const [next] = await stack.rows<{ id: string; at: Date; since: Date; what: string }>(
      `SELECT s.id::text, j.at, concat(j.from_status, ' → ', j.to_status, ', ', j.cause) AS what, greatest($1, CASE WHEN j.to_status IN ('expired', 'cancelled') THEN least(s.expires_at, s.cancel_at)
          ELSE (SELECT max(p.closed_at) FROM settlement.ledger_payments p
            WHERE p.session_id = s.id AND p.closed_at <= j.at) END) AS since
       FROM settlement.session_journal j JOIN checkout_sessions s ON s.id = j.session_id
       WHERE j.at > $1 AND j.actor = 'settle' ORDER BY j.at LIMIT 1`,
      [new Date(at)],
    );
    if (!next) continue;
    const kind = scene.sessions.find(({ id }) => id === next.id)?.kind ?? 'of another round';
    const ms = Math.max(0, next.at.getTime() - next.since.getTime());
    scene.recovered({ after, ms, what: `${kind}: ${next.what}` });
    return;
  }
}
