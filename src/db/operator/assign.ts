/** A payment whose memo was forgotten, mistyped or shared: a person says which session it is for. */
import { sql } from 'drizzle-orm';
import type { Pool } from 'pg';
import { Refusal } from '../../domain/failure.ts';
import { rowProblemInWords } from '../../domain/row-check.ts';
import { isUuid } from '../../domain/session.ts';
import type { Db } from '../connection.ts';
import { serializable } from '../serializable.ts';
import { rowProblem } from '../session-row.ts';
import { writeDown, writeDownAtSessions, type By } from './decision.ts';
import { wakeSessions } from '../worklists.ts';
import { findPayment, parsePaymentKey, sessionsConcerned, type InboxRow } from './inbox-row.ts';

/** What was given, to whom, and what it was until then. */
export type Assigned = {
  readonly payment: string;
  readonly sessionId: string;
  readonly before: { readonly verdict: string | null; readonly sessionId: string | null };
};

/**
 * Gives a held ledger payment to a session. The next settle judges it by the ordinary rules, as if its reference had
 * named the session: what came late stays late. @throws Refusal, and nothing is written, when it cannot be given
 */
export async function assignPayment(
  pool: Pool,
  { payment, sessionId }: { payment: string; sessionId: string },
  by: By,
): Promise<Assigned> {
  const key = parsePaymentKey(payment);
  const { value } = await serializable(pool, async (tx) => {
    const account = await accountOf(tx, sessionId);
    // Settle writes the same row: whoever comes second sees what the first has made of it.
    const row = await findPayment(tx, key, true);
    refuse(payment, row, { sessionId, account });
    const concerned = await sessionsConcerned(tx, row);
    const before = { verdict: row.payment.verdict, sessionId: row.sessionId };
    await tx.execute(sql`
      WITH given AS (
        UPDATE settlement.ledger_payments
        SET assigned_to = ${sessionId}, verdict = NULL, session_id = NULL, decided_at = NULL
        WHERE (tx_hash, op_index, sub_index) = (${key.txHash}, ${key.opIndex}, ${key.subIndex})
        RETURNING tx_hash, op_index, sub_index)
      INSERT INTO settlement.undecided_payments (tx_hash, op_index, sub_index) SELECT * FROM given
      ON CONFLICT (tx_hash, op_index, sub_index) DO UPDATE SET since = now()`);
    const entry = {
      action: 'payment assigned',
      detail: { payment, to: sessionId, before: { ...before, assignedTo: row.assignedTo } },
    };
    const sessions = [...new Set([sessionId, ...concerned])];
    await writeDown(tx, by, { ...entry, subject: `payment ${payment}` });
    await writeDownAtSessions(tx, by, sessions, entry);
    await wakeSessions(tx, sessions);
    return { payment, sessionId, before };
  });
  return value;
}

async function accountOf(tx: Db, sessionId: string): Promise<string> {
  const { rows } = await tx.execute<{ account: string }>(
    sql`SELECT receiving_account AS account FROM checkout_sessions
        WHERE id = ${isUuid(sessionId) ? sessionId : null}`,
  );
  const [row] = rows;
  if (!row) throw new Refusal('SessionNotFound', `There is no session ${sessionId}.`, 'session id');
  const problem = await rowProblem(tx, sessionId);
  if (problem !== null) {
    throw new Refusal('InvalidInput', rowProblemInWords(problem), 'session id');
  }
  return row.account;
}

function refuse(
  payment: string,
  {
    payment: p,
    sessionId: owner,
    orphaned,
    paidWith,
    assignedTo,
    resolvedBy,
    resolution,
  }: InboxRow,
  wanted: { sessionId: string; account: string },
): void {
  const no = (problem: string) => {
    throw new Refusal('InvalidInput', `${payment} ${problem}`, 'payment');
  };
  if (p.resolved) {
    no(`was already dealt with, by ${resolvedBy}: ${resolution}. It never counts again.`);
  }
  if (p.account !== wanted.account) {
    no(
      `arrived at ${p.account}, but session ${wanted.sessionId} is paid at ${wanted.account}. Return it instead (\`settle payments returned\`).`,
    );
  }
  if (p.verdict === null) {
    no(
      assignedTo === null
        ? "has not been judged yet: the watcher's next turn does it. Ask again then."
        : `was given to session ${assignedTo} and has not been judged yet: the watcher's next turn does it.`,
    );
  }
  // What it was judged for is gone: the judgement binds nobody.
  if (orphaned && !paidWith) return;
  if (p.verdict === 'credited') {
    no(
      `is credited to session ${owner}: it is part of what that one was or will be paid with. \`settle payments why\` says more.`,
    );
  }
  if (owner === wanted.sessionId) {
    no(
      `belongs to session ${owner} already and was judged ${p.verdict}: the rules would judge it so again. \`settle payments why\` says why.`,
    );
  }
}
