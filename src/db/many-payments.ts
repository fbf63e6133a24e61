/**
 * Sessions with more payments than are read at once. Anybody can send a session any number of them, so a settle reads what
 * is undecided, in ledger order and in portions, and totals of what was judged before.
 */
import { sql } from 'drizzle-orm';
import { NOTHING_BEFORE, isBehind, type JudgedBefore } from '../domain/judged-before.ts';
import { inLedgerOrder, type InboxPayment } from '../domain/judge.ts';
import { formatAmount } from '../domain/money.ts';
import type { Rest } from '../domain/telling.ts';
import { isOver } from '../domain/terms.ts';
import type { Db } from './connection.ts';
import type { GatheredFacts } from './facts.ts';
import {
  INBOX_PAYMENT,
  PAYMENTS_OF_SESSION,
  parseStored,
  toInboxPayment,
  type RawPayment,
} from './inbox-payment.ts';
import { storedExceptions } from './many-exceptions.ts';
import { deadline } from './predicates.ts';

/** A session with so many payments is still read whole, and judged from all of them: hardly any honest one has more. */
export const READ_WHOLE = 50;
/** Of a session with more, one settle judges so many: about 0.5 MB on the way. */
export const PAYMENTS_AT_ONCE = 1_000;

/** Totals as they are stored. Sums cross as text. */
type StoredTotals = {
  credited: string;
  everCredited: string;
  completing: { txHash: string; opIndex: number; subIndex: number } | null;
  completed: string;
  behind: number;
  last: JudgedBefore['last'];
  counts: JudgedBefore['counts'];
  afterCancellation: { amount: string; txHash: string } | null;
  /** Late or on time by another deadline than the one of now; only where they were counted anew. */
  misjudged?: number;
};

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

/** The totals as JSON for the table. */
export function toStored(before: JudgedBefore): StoredTotals {
  const { credited, everCredited, completing, completed, afterCancellation, ...rest } = before;
  return {
    ...rest,
    credited: formatAmount(credited),
    everCredited: formatAmount(everCredited),
    completed: formatAmount(completed),
    completing:
      completing === null
        ? null
        : {
            txHash: completing.txHash,
            opIndex: completing.opIndex,
            subIndex: completing.subIndex,
          },
    afterCancellation:
      afterCancellation === null
        ? null
        : {
            amount: formatAmount(afterCancellation.amount),
            txHash: afterCancellation.txHash,
          },
  };
}

async function toBefore(db: Db, stored: StoredTotals): Promise<JudgedBefore> {
  const { behind, last, counts, afterCancellation: after } = stored;
  return {
    ...NOTHING_BEFORE,
    behind,
    last,
    counts,
    credited: parseStored(stored.credited),
    everCredited: parseStored(stored.everCredited),
    completed: parseStored(stored.completed),
    completing: stored.completing === null ? null : await payment(db, stored.completing),
    afterCancellation: after && { amount: parseStored(after.amount), txHash: after.txHash },
  };
}

async function payment(
  db: Db,
  { txHash, opIndex, subIndex }: NonNullable<StoredTotals['completing']>,
): Promise<InboxPayment | null> {
  const { rows } = await db.execute<{ payment: RawPayment }>(sql`
    SELECT ${INBOX_PAYMENT} AS payment FROM settlement.ledger_payments lp
    WHERE (lp.tx_hash, lp.op_index, lp.sub_index) = (${txHash}, ${opIndex}, ${subIndex})`);
  const [row] = rows;
  return row === undefined ? null : toInboxPayment(row.payment);
}

/** The totals of the session that the statement calls `s`, unless it was edited since; null where none are kept. */
export const TOTALS_OF_SESSION = sql`(SELECT t.totals FROM settlement.session_totals t
  WHERE t.session_id = s.id AND t.account = s.receiving_account AND t.reference IS NOT DISTINCT FROM s.memo
    AND t.price = s.amount AND t.deadline = ${deadline('s')})`;

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

const PLACE = sql.raw(
  'coalesce(placed_after, ledger), placed_after IS NOT NULL, operation_id, sub_index, tx_hash, op_index',
);

/** Counts the judged payments of a session, all of them; the settle that needs it writes it down. */
async function countAnew(db: Db, sessionId: string): Promise<StoredTotals> {
  const { rows } = await db.execute<{ totals: StoredTotals }>(sql`
    WITH p AS MATERIALIZED (
      SELECT lp.tx_hash, lp.op_index, lp.sub_index, lp.operation_id, lp.ledger, lp.placed_after, lp.amount, lp.verdict,
        lp.resolved_at, s.amount AS price,
        lp.verdict = 'late' AND lp.closed_at <= ${deadline('s')}
          OR lp.verdict = 'credited' AND lp.closed_at > ${deadline('s')} AS misjudged
      FROM checkout_sessions s, LATERAL ${PAYMENTS_OF_SESSION} lp
      WHERE s.id = ${sessionId} AND lp.verdict NOT IN ('unmatched', 'ambiguous')),
    run AS (SELECT p.*, sum(amount) OVER (ORDER BY ${PLACE}) AS running FROM p
      WHERE verdict = 'credited' AND resolved_at IS NULL),
    completing AS (SELECT * FROM run WHERE running >= price ORDER BY ${PLACE} LIMIT 1)
    SELECT json_build_object(
      'credited', (SELECT coalesce(sum(amount), 0)::text FROM run),
      'everCredited', (SELECT coalesce(sum(amount), 0)::text FROM p WHERE verdict = 'credited'),
      'completing', (SELECT json_build_object('txHash', tx_hash, 'opIndex', op_index, 'subIndex', sub_index)
        FROM completing),
      'completed', coalesce((SELECT running::text FROM completing), '0'),
      'behind', (SELECT coalesce(max(coalesce(placed_after + 1, ledger)), 0) FROM p),
      'last', (SELECT json_build_object('ledger', coalesce(placed_after, ledger), 'isPlaced', placed_after IS NOT NULL,
          'operationId', operation_id::text, 'subIndex', sub_index) FROM p WHERE verdict = 'credited'
        ORDER BY coalesce(placed_after, ledger) DESC, placed_after IS NOT NULL DESC, operation_id DESC, sub_index DESC
        LIMIT 1),
      'counts', (SELECT coalesce(json_object_agg(verdict, n), '{}')
        FROM (SELECT verdict, count(*) AS n FROM p GROUP BY verdict) c),
      'afterCancellation', (SELECT json_build_object('amount', amount::text, 'txHash', tx_hash) FROM p
        WHERE verdict = 'after_cancellation' AND resolved_at IS NULL ORDER BY ${PLACE} LIMIT 1),
      'misjudged', (SELECT count(*) FROM p WHERE misjudged)) AS totals`);
  const [row] = rows;
  if (row === undefined) throw new Error('PostgreSQL gave no row for an aggregate.');
  return row.totals;
}
