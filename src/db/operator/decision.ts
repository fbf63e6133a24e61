/** What every command of an operator has in common: somebody decides, for a reason, and it is written down. */
import { sql } from 'drizzle-orm';
import { Refusal } from '../../domain/failure.ts';
import { storable, storableJson } from '../../domain/text.ts';
import type { Db } from '../connection.ts';

/** Who decides, and why. */
export type By = { readonly actor: string; readonly reason: string };

/** A decision must name a person and a reason. @throws Refusal InvalidInput where one of them is empty */
export function decidedBy(actor: string, reason: string): By {
  const by = { actor: storable(actor.trim()), reason: storable(reason.trim()) };
  if (by.reason === '') throw new Refusal('InvalidInput', 'Say why: --reason is empty.', 'reason');
  if (by.actor === '') throw new Refusal('InvalidInput', 'Say who decides: --by is empty.', 'by');
  return by;
}

/** What was decided, about what, and what it was before. */
export type Entry = {
  readonly action: string;
  /** `session <id>`, `payment <key>`, `account <G…>`, `merchant <id>`, `endpoint <id>`, `webhooks` or `network`. */
  readonly subject: string;
  readonly detail: Readonly<Record<string, unknown>>;
};

/** Writes a decision into the operators' journal, in the transaction that carries it out. */
export async function writeDown(tx: Db, { actor, reason }: By, entry: Entry): Promise<void> {
  await tx.execute(sql`
    INSERT INTO settlement.operator_journal (actor, action, subject, reason, detail)
    VALUES (${actor}, ${entry.action}, ${entry.subject}, ${reason}, ${storableJson(entry.detail)}::jsonb)`);
}

/** Writes the same into the journal of each session that it concerns. */
export async function writeDownAtSessions(
  tx: Db,
  { actor, reason }: By,
  sessionIds: readonly string[],
  { action, detail }: Pick<Entry, 'action' | 'detail'>,
): Promise<void> {
  await tx.execute(sql`
    INSERT INTO settlement.session_journal (session_id, from_status, to_status, cause, actor, detail)
    SELECT s.id, s.status, s.status, ${action}, ${actor}, ${storableJson({ reason, ...detail })}::jsonb
    FROM checkout_sessions s WHERE s.id = ANY(${sql.param(sessionIds)}::uuid[])`);
}

/** Has the watcher wake every session of an account that is not over. */
export async function wakeOpenSessions(tx: Db, account: string): Promise<void> {
  await tx.execute(sql`
    UPDATE settlement.active_sessions SET wake_after = now()
    WHERE account = ${account} AND deadline IS NOT NULL`);
}
