/** What needs a person: the list, and the answer. */
import { sql } from 'drizzle-orm';
import type { Pool } from 'pg';
import type { AttentionKind } from '../../domain/attention.ts';
import { Refusal } from '../../domain/failure.ts';
import { isUuid } from '../../domain/session.ts';
import type { Db } from '../connection.ts';
import { serializable } from '../serializable.ts';
import { wakeOpenSessions, writeDown, writeDownAtSessions, type By } from './decision.ts';
import { wakeSessions } from '../worklists.ts';

/** Something that needs a person, since when (ISO 8601), and what to do about it. */
export type OpenAttention = {
  readonly id: number;
  /** A session's id, a merchant's, an account, a ledger, or `network`. */
  readonly subject: string;
  readonly kind: string;
  readonly detail: string;
  readonly since: string;
  readonly whatToDo: string;
};

const WHAT_TO_DO: Readonly<Record<AttentionKind | 'network_reset' | 'history_gap', string>> = {
  ambiguous_reference:
    'Find out who paid, then give the payment to its session (`settle payments assign`) or return it (`settle payments returned`).',
  paid_without_evidence:
    'If the transaction is known, `settle session report <session> <tx hash>`; otherwise ask whoever wrote `paid`, then resolve this.',
  foreign_payment:
    'Find what wrote the payments row and switch it off, see whether the ledger has the money, then resolve this.',
  foreign_delivery:
    'Find what wrote the webhook_deliveries row and switch it off; where the detail says that it is not sent, tell the merchant yourself; then resolve this.',
  paid_but_short:
    'Compare the payments row with the ledger, agree with the merchant on the rest, then resolve this.',
  paid_after_cancellation:
    'Return the money, then prove it: `settle payments returned <payment> <tx hash>`.',
  undecoded_record:
    '`settle payments parked` shows it; `settle payments re-decode` after an upgrade, or `settle payments dismiss` when it is no payment.',
  opening_not_covered:
    'Point HORIZON_URL at a Horizon with older history: what is missing is then read. Otherwise look on the ledger what the account received meanwhile, settle the session with the merchant, then resolve this.',
  told_in_another_order:
    'Compare the events of the session with `settle payments why`: tell the merchant what the ledger alone says, where that differs, then resolve this.',
  many_exceptions:
    'Somebody sends the session many payments that it cannot use: `settle payments held` has their sums. Agree with the merchant what becomes of them, then resolve this.',
  history_gap:
    'Point HORIZON_URL at a Horizon that has the ledgers of the gap, or settle the sessions that it keeps open with their merchants, then resolve this.',
  event_not_of_facts:
    'Somebody wrote into the outbox what the ledger does not say, or the session was edited since: compare the event (settlement.events) with `settle session why`, find out who holds the app role, change its password, and resolve it. When the facts make the event, it is sent.',
  too_many_endpoints:
    'Ask the merchant which endpoints are in use, and have the others deleted or switched off (webhook_endpoints.is_active). This closes by itself then; resolve it where it may stay so.',
  set_aside:
    'The detail says what fails and why. It is tried again by itself, after pauses of at most 10 minutes, and nothing else waits for it. Mend the cause (the row, a trigger on the table, a record of the ledger); this closes by itself when it goes through. Resolve it where it may stay so.',
  not_a_session:
    'Correct the row in checkout_sessions as the detail says; the watcher then takes it up and this closes by itself. If it was never meant to be paid, return what it received (`settle payments held`) and resolve this.',
  edited:
    'Ask the merchant what the payer was told. Put the row back, or cancel the session and open another one; return what was paid by other terms (`settle payments held`); then resolve this.',
  network_reset:
    'Point HORIZON_URL at the right network and resolve this; when a test network did begin anew, `settle network accept-reset`.',
};

function whatToDo(kind: string): string {
  return Object.hasOwn(WHAT_TO_DO, kind)
    ? WHAT_TO_DO[kind as keyof typeof WHAT_TO_DO]
    : 'docs/operations.md explains it.';
}

/** Everything that needs a person now, the oldest first. */
export async function openAttention(db: Db): Promise<OpenAttention[]> {
  const { rows } = await db.execute<{
    id: string;
    subject: string;
    kind: string;
    detail: string;
    opened_at: string;
  }>(sql`
    SELECT id, subject, kind, detail, opened_at::text FROM settlement.attention
    WHERE resolved_at IS NULL ORDER BY opened_at, id`);
  return rows.map(({ id, opened_at, ...row }) => ({
    id: Number(id),
    ...row,
    since: new Date(opened_at).toISOString(),
    whatToDo: whatToDo(row.kind),
  }));
}

/** Which attention: by its number, or by what it is about. */
export type WhichAttention =
  { readonly id: number } | { readonly subject: string; readonly kind: string };

/**
 * A person has dealt with it. The session concerned looks again; the same reason, in every detail, is not asked about
 * again. @throws Refusal when there is no such open attention, or the records it is about still wait for an answer
 */
export async function resolveAttention(
  pool: Pool,
  which: WhichAttention,
  by: By,
): Promise<Pick<OpenAttention, 'id' | 'subject' | 'kind'>> {
  const { value } = await serializable(pool, async (tx) => {
    const found = await lockAttention(tx, which);
    if (found.kind === 'undecoded_record') await refuseWhileParked(tx, found.subject);
    await tx.execute(sql`
      UPDATE settlement.attention SET resolved_at = now(), resolved_by = ${by.actor}, reason = ${by.reason}
      WHERE id = ${found.id}`);
    const { id, subject, kind, detail } = found;
    const entry = { action: 'attention resolved', detail: { attention: id, kind, detail } };
    await writeDown(tx, by, { ...entry, subject: subjectInWords(found) });
    if (isUuid(subject)) {
      await writeDownAtSessions(tx, by, [subject], entry);
      await wakeSessions(tx, [subject]);
    } else {
      await wakeOpenSessions(tx, subject);
    }
    return { id, subject, kind };
  });
  return value;
}

type Row = {
  id: number;
  subject: string;
  kind: string;
  detail: string;
  resolved_by: string | null;
  resolved_at: string | null;
};

async function lockAttention(tx: Db, which: WhichAttention): Promise<Row> {
  const condition =
    'id' in which
      ? sql`id = ${which.id}`
      : sql`subject = ${which.subject} AND kind = ${which.kind}`;
  const { rows } = await tx.execute<Row>(sql`
    SELECT id::int, subject, kind, detail, resolved_by, resolved_at::text FROM settlement.attention
    WHERE ${condition} ORDER BY resolved_at IS NOT NULL, id DESC LIMIT 1 FOR UPDATE`);
  const [row] = rows;
  const name = 'id' in which ? String(which.id) : `${which.kind} of ${which.subject}`;
  if (!row) {
    throw new Refusal(
      'InvalidInput',
      `There is no attention ${name}. \`settle attention list\` shows what is open.`,
    );
  }
  if (row.resolved_at !== null) {
    const at = new Date(row.resolved_at).toISOString();
    throw new Refusal(
      'InvalidInput',
      `The attention ${name} was already resolved, by ${row.resolved_by ?? 'nobody named'} at ${at}.`,
    );
  }
  return row;
}

/** Without its attention a parked record would go on holding back every ending of its account, and nobody would know. */
async function refuseWhileParked(tx: Db, account: string): Promise<void> {
  const { rows } = await tx.execute<{ parked: number }>(sql`
    SELECT count(*)::int AS parked FROM settlement.parked_records
    WHERE account = ${account} AND resolved_at IS NULL`);
  const parked = rows[0]?.parked ?? 0;
  if (parked === 0) return;
  throw new Refusal(
    'InvalidInput',
    `${account} still has ${parked} record(s) that could not be read, and no session of it can end: ` +
      '`settle payments re-decode` reads them again, `settle payments dismiss` answers one. The attention goes with the last.',
  );
}

function subjectInWords({ subject, kind }: Pick<Row, 'subject' | 'kind'>): string {
  if (kind === 'too_many_endpoints') return `merchant ${subject}`;
  if (isUuid(subject)) return `session ${subject}`;
  return subject.startsWith('G') ? `account ${subject}` : subject;
}
