/** Held money that no session has: what names none, or two, and what was judged for a session that is gone. Reads only. */
import { sql, type SQL } from 'drizzle-orm';
import type { InboxPayment } from '../domain/judge.ts';
import type { Db } from './connection.ts';
import { heldOfSession, heldSessions, listed, type HeldPayment } from './held.ts';
import { INBOX_PAYMENT, toInboxPayment, type RawPayment } from './inbox-payment.ts';
import { ORPHANED } from './predicates.ts';

/** Payments read in one statement. */
const PAGE = 1_000;

/**
 * Held payments that no session has, page by page; of one account, if given. By an index that has only what no session
 * has: it costs as much as there is of it.
 */
export async function* heldWithoutSession(
  db: Db,
  account: string | null = null,
): AsyncGenerator<HeldPayment[]> {
  let at = account ?? (await nextAccount(db, ''));
  while (at !== null) {
    yield* ofAccount(db, at, false);
    yield* ofAccount(db, at, true);
    at = account === null ? await nextAccount(db, at) : null;
  }
}

async function nextAccount(db: Db, after: string): Promise<string | null> {
  const { rows } = await db.execute<{ account: string }>(sql`
    SELECT account FROM settlement.ledger_payments
    WHERE session_id IS NULL AND verdict IS NOT NULL AND resolved_at IS NULL AND account > ${after}
    -- The order of the index that has only such rows.
    ORDER BY account, reference, verdict, operation_id, sub_index LIMIT 1`);
  return rows[0]?.account ?? null;
}

type Key = { columns: SQL; first: SQL; of(payment: InboxPayment): SQL };

/** Ledger order within a verdict, as the index has it; a key names one payment. */
const IN_ORDER = sql`lp.verdict, lp.operation_id, lp.sub_index, lp.tx_hash, lp.op_index`;
const placeOf = (p: InboxPayment) =>
  sql`${p.verdict}, ${p.operationId}::bigint, ${p.subIndex}::int, ${p.txHash}, ${p.opIndex}::int`;

const BY_REFERENCE: Key = {
  columns: sql`lp.reference, ${IN_ORDER}`,
  first: sql`'', '', -1::bigint, -1, '', -1`,
  of: (p) => sql`${p.reference}, ${placeOf(p)}`,
};
const WITHOUT_REFERENCE: Key = {
  columns: IN_ORDER,
  first: sql`'', -1::bigint, -1, '', -1`,
  of: placeOf,
};

async function* ofAccount(
  db: Db,
  account: string,
  hasReference: boolean,
): AsyncGenerator<HeldPayment[]> {
  const key = hasReference ? BY_REFERENCE : WITHOUT_REFERENCE;
  const reference = hasReference ? sql`lp.reference IS NOT NULL` : sql`lp.reference IS NULL`;
  for (let after = key.first; ;) {
    const { rows } = await db.execute<{ payment: RawPayment }>(sql`
      SELECT ${INBOX_PAYMENT} AS payment FROM (
        SELECT lp.* FROM settlement.ledger_payments lp
        WHERE lp.account = ${account} AND lp.session_id IS NULL AND ${reference}
          AND lp.verdict IS NOT NULL AND lp.resolved_at IS NULL AND (${key.columns}) > (${after})
        ORDER BY ${key.columns} LIMIT ${PAGE}) lp`);
    const page = rows.map(({ payment }) => toInboxPayment(payment));
    if (page.length > 0) {
      yield page.map((p) => {
        const reason = p.verdict === 'ambiguous' ? 'ambiguous' : 'unmatched';
        return listed(p, { reason, amount: p.amount, sessionId: null });
      });
    }
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE) return;
    after = key.of(last);
  }
}

/** Payments of the inbox looked at in one statement, for those whose session is gone. */
const LOOKED_AT = 5_000;

/**
 * Held payments whose session is gone, page by page; of one account, if given. No index knows them: the whole inbox is
 * looked at, a part in each statement.
 */
export async function* heldOfGone(
  db: Db,
  account: string | null = null,
): AsyncGenerator<HeldPayment[]> {
  let after: PaymentKey | null = ['', -1, -1];
  while (after !== null) {
    const looked: Looked = await lookAt(db, account, after);
    if (looked.found !== null) {
      yield looked.found.map(({ payment, session }) => {
        const p = toInboxPayment(payment);
        return listed(p, { reason: 'session_gone', amount: p.amount, sessionId: session });
      });
    }
    after = looked.count < LOOKED_AT ? null : looked.last;
  }
}

type PaymentKey = readonly [txHash: string, opIndex: number, subIndex: number];
type Looked = {
  count: number;
  last: PaymentKey | null;
  found: { payment: RawPayment; session: string }[] | null;
};

async function lookAt(db: Db, account: string | null, [tx, op, sub]: PaymentKey): Promise<Looked> {
  const { rows } = await db.execute<Looked>(sql`
    WITH page AS MATERIALIZED (
      SELECT * FROM settlement.ledger_payments WHERE (tx_hash, op_index, sub_index) > (${tx}, ${op}, ${sub})
      ORDER BY tx_hash, op_index, sub_index LIMIT ${LOOKED_AT})
    SELECT (SELECT count(*)::int FROM page) AS count,
      (SELECT json_build_array(tx_hash, op_index, sub_index) FROM page
        ORDER BY tx_hash DESC, op_index DESC, sub_index DESC LIMIT 1) AS last,
      (SELECT json_agg(json_build_object('payment', ${INBOX_PAYMENT}, 'session', lp.session_id))
        FROM page lp WHERE ${ORPHANED} AND lp.verdict IS NOT NULL AND lp.resolved_at IS NULL
          AND (${account}::text IS NULL OR lp.account = ${account})) AS found`);
  return rows[0] ?? { count: 0, last: null, found: null };
}

/** Every held payment, page by page: session after session, then what no session has. Of one account, if given. */
export async function* everyHeld(
  db: Db,
  account: string | null = null,
): AsyncGenerator<HeldPayment[]> {
  for (let after: string | null = null; ;) {
    const { found, next } = await heldSessions(db, account, after);
    for (const { sessionId } of found) yield* heldOfSession(db, sessionId);
    if (next === null) break;
    after = next;
  }
  yield* heldWithoutSession(db, account);
  yield* heldOfGone(db, account);
}
