/**
 * Sessions with more payments than are read at once. Anybody can send a session any number of them, so a settle reads what
 * is undecided, in ledger order and in portions, and totals of what was judged before.
 */
import { sql } from 'drizzle-orm';
import { isBehind } from '../domain/judged-before.ts';
import { inLedgerOrder } from '../domain/judge.ts';
import type { Rest } from '../domain/telling.ts';
import { isOver } from '../domain/terms.ts';
import type { Db } from './connection.ts';
import type { GatheredFacts } from './facts.ts';
import { INBOX_PAYMENT, toInboxPayment, type RawPayment } from './inbox-payment.ts';
import { storedExceptions } from './many-exceptions.ts';
import { countAnew, TOTALS_OF_SESSION, toBefore, type StoredTotals } from './session-totals.ts';

/** A session with so many payments is still read whole, and judged from all of them: hardly any honest one has more. */
export const READ_WHOLE = 50;
/** Of a session with more, one settle judges so many: about 0.5 MB on the way. */
export const PAYMENTS_AT_ONCE = 1_000;

/**
 * The facts of a session of which not all payments were read: those to be judged next, and what is to be known of the rest.
 * Null when only all payments together can be judged: one was found that lies before others that were credited.
 */
export async function withRest(db: Db, facts: GatheredFacts): Promise<GatheredFacts | null> {
  const { session } = facts;
  const { stored, undecided, unmatched, ambiguous, seesRow } = await readLists(db, facts);
  const counted = stored ?? (await countAnew(db, session.id));
  const before = await toBefore(db, counted);
  // Payments of a row that is no session stay unmatched: they would be first in each portion.
  const lists = facts.rowProblem === null ? [undecided, unmatched] : [undecided];
  const fresh = lists.flat().map(toInboxPayment).sort(inLedgerOrder);
  const payments = fresh.slice(0, PAYMENTS_AT_ONCE);
  const isDecided = facts.paymentRow !== null || session.finalDeadline !== null || isEnded(facts);
  const isMisjudged = !isDecided && (counted.misjudged ?? 0) > 0;
  const isPlaced = !isEnded(facts) && before.last?.isPlaced === true;
  if (isMisjudged || isPlaced || !isBehind(before, payments)) return null;
  const rest: Rest = {
    before,
    isCut: payments.length < fresh.length,
    seesRow,
    ambiguous: ambiguous === null ? null : toInboxPayment(ambiguous),
    exceptions: await storedExceptions(db, facts, before.counts),
    isUnwritten: stored === null,
  };
  return { ...facts, payments, rest };
}

function isEnded({ session, legacyEnding }: GatheredFacts): boolean {
  return isOver({ ...session, legacy: legacyEnding });
}

type Lists = {
  stored: StoredTotals | null;
  undecided: RawPayment[];
  unmatched: RawPayment[];
  ambiguous: RawPayment | null;
  seesRow: boolean;
};

/** Payments that name the session and have no session yet, in the order of an index that has no others. */
export const WITHOUT_SESSION = sql`settlement.ledger_payments p
  WHERE p.account = s.receiving_account AND p.reference = s.memo AND p.session_id IS NULL AND p.assigned_to IS NULL`;

async function readLists(db: Db, { session, paymentRow }: GatheredFacts): Promise<Lists> {
  const most = PAYMENTS_AT_ONCE + 1;
  const { rows } = await db.execute<{ lists: Lists }>(sql`
    SELECT json_build_object(
      'stored', ${TOTALS_OF_SESSION},
      'undecided', (SELECT coalesce(json_agg(${INBOX_PAYMENT}), '[]') FROM (
        (SELECT p.* FROM ${WITHOUT_SESSION} AND p.verdict IS NULL
          ORDER BY p.verdict, p.operation_id, p.sub_index LIMIT ${most})
        UNION ALL (SELECT p.* FROM settlement.ledger_payments p WHERE p.assigned_to = s.id
          AND (p.verdict IS NULL OR p.verdict = 'unmatched') ORDER BY p.operation_id, p.sub_index LIMIT ${most})) lp),
      'unmatched', (SELECT coalesce(json_agg(${INBOX_PAYMENT}), '[]') FROM (
        SELECT p.* FROM ${WITHOUT_SESSION} AND p.verdict = 'unmatched'
        ORDER BY p.operation_id, p.sub_index LIMIT ${most}) lp),
      'ambiguous', (SELECT ${INBOX_PAYMENT} FROM (
        SELECT p.* FROM ${WITHOUT_SESSION} AND p.verdict = 'ambiguous' AND p.resolved_at IS NULL
        ORDER BY p.operation_id, p.sub_index LIMIT 1) lp),
      'seesRow', EXISTS (SELECT FROM settlement.ledger_payments p
        WHERE p.session_id = s.id AND p.tx_hash = ${paymentRow?.txHash ?? null})
        OR EXISTS (SELECT FROM settlement.ledger_payments p
        WHERE p.session_id = s.id AND p.inner_tx_hash = ${paymentRow?.txHash ?? null})
    ) AS lists FROM checkout_sessions s WHERE s.id = ${session.id}`);
  const [row] = rows;
  if (row === undefined) throw new Error(`Session ${session.id} is gone within its transaction.`);
  return row.lists;
}
