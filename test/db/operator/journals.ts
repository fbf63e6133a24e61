/** What operators' decisions leave behind, in the words of a test. */
import { decidedBy } from '../../../src/db/operator/decision.ts';
import type { TestDatabase } from '../../support/database.ts';

/** Somebody with a reason. */
export const ANN = decidedBy('ann', 'the customer called');

/** Every decision about a subject. */
export async function decisions(database: TestDatabase, subject: string) {
  return database.rows<{
    actor: string;
    action: string;
    reason: string;
    detail: Record<string, unknown>;
  }>(
    `SELECT actor, action, reason, detail FROM settlement.operator_journal WHERE subject = $1 ORDER BY id`,
    [subject],
  );
}

/** What people have done about a session, as its journal has it. */
export async function decisionsAt(database: TestDatabase, sessionId: string) {
  return database.rows<{ cause: string; actor: string; detail: Record<string, unknown> }>(
    `SELECT cause, actor, detail FROM settlement.session_journal
     WHERE session_id = $1 AND actor <> 'settle' AND actor <> 'client' ORDER BY id`,
    [sessionId],
  );
}

/** How many decisions there are in all: a refusal leaves none. */
export async function decisionCount(database: TestDatabase): Promise<number> {
  const [row] = await database.rows<{ count: number }>(
    'SELECT count(*)::int AS count FROM settlement.operator_journal',
  );
  return row?.count ?? 0;
}

/** Sessions that the watcher is to wake now. */
export async function toWake(database: TestDatabase): Promise<Set<string>> {
  const rows = await database.rows<{ id: string }>(
    'SELECT session_id AS id FROM settlement.active_sessions WHERE wake_after <= now()',
  );
  return new Set(rows.map(({ id }) => id));
}

/** Nobody waits for a wake any more. */
export async function letSleep(database: TestDatabase): Promise<void> {
  await database.rows('UPDATE settlement.active_sessions SET wake_after = NULL');
}
