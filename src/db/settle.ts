import { asc, inArray, sql } from 'drizzle-orm';
import type { Pool } from 'pg';
import { ledgerPaymentKey } from '../domain/ledger-payment.ts';
import { formatAmount } from '../domain/money.ts';
import type { SessionStatus } from '../domain/session.ts';
import { decide } from '../domain/settle.ts';
import type { Verdict } from '../domain/judge.ts';
import type { Db } from './connection.ts';
import { gatherFacts, type GatheredFacts } from './facts.ts';
import { checkoutSessions } from './schema/index.ts';
import { prepared } from './prepared.ts';
import { serializable, type Committed } from './serializable.ts';
import { countBounds, documentOf, type Decided } from './settle-rows.ts';

/** What one settle found and wrote for one session. */
export type Settled = {
  readonly sessionId: string;
  readonly from: SessionStatus;
  readonly status: SessionStatus;
  readonly cause: string;
  readonly closedThroughLedger: number | null;
  readonly credited: string;
  readonly price: string;
  /** Every ledger payment of the session and what it means, in ledger order. */
  readonly verdicts: readonly {
    payment: string;
    txHash: string;
    verdict: Verdict;
    isNew: boolean;
    /** It lies in ledgers that were covered when the session ended: Horizon had not shown it then. */
    afterEnding: boolean;
  }[];
  /** Events that this settle created. */
  readonly newEvents: readonly string[];
  /** It has more payments than one settle judges: settle it again, after others. */
  readonly isMore: boolean;
};

/** Portions of one session that are settled in a row before its caller gets an answer: half a million payments. */
const MOST_PORTIONS = 1_000;

/**
 * Settles sessions, and those with very many payments again and again, a portion in each transaction, until nothing is
 * left. What is told of a session is what the last of them found.
 */
export async function settleTogether(
  pool: Pool,
  sessionIds: readonly string[],
): Promise<Committed<Map<string, Settled>>> {
  const all = new Map<string, Settled>();
  let ids: readonly string[] = sessionIds;
  let retries = 0;
  for (let portion = 0; ids.length > 0 && portion < MOST_PORTIONS; portion += 1) {
    const { value, retries: more } = await settleOnce(pool, ids);
    retries += more;
    for (const [id, settled] of value) all.set(id, settled);
    ids = [...value.values()].filter(({ isMore }) => isMore).map(({ sessionId }) => sessionId);
  }
  return { value: all, retries };
}

/**
 * Settles up to a few hundred sessions in one SERIALIZABLE transaction: locks their rows in id order, computes each
 * one's right state from facts, writes the difference, commits. Five round trips, however many sessions.
 * Sessions that do not exist are left out of the answer. Running it again changes nothing. `statementMs` limits each
 * statement (db/serializable.ts).
 */
export async function settleOnce(
  pool: Pool,
  sessionIds: readonly string[],
  statementMs: number | null = null,
): Promise<Committed<Map<string, Settled>>> {
  const ids = [...new Set(sessionIds)].sort();
  const settle = async (tx: Db) => {
    await tx
      .select({ id: checkoutSessions.id })
      .from(checkoutSessions)
      .where(inArray(checkoutSessions.id, ids))
      .orderBy(asc(checkoutSessions.id))
      .for('update');
    const facts = [...(await gatherFacts(tx, ids, 'locked')).values()];
    const decided = facts.map(toDecided);
    const changed = decided.filter(({ decision }) => decision.changes);
    if (changed.length > 0) await write(tx, changed);
    return answers(decided);
  };
  return serializable(pool, settle, statementMs);
}

/**
 * The same computation without locks or writes, in READ COMMITTED: what is settled already, with its answer, and
 * which sessions need a transaction. `large`: those with so many payments that they are settled in portions.
 */
export async function lookTogether(
  db: Db,
  sessionIds: readonly string[],
): Promise<{ settled: Map<string, Settled>; undecided: string[]; large: string[] }> {
  const facts = [...(await gatherFacts(db, sessionIds)).values()];
  const decided = facts.map(toDecided);
  return {
    settled: answers(decided.filter(({ decision }) => !decision.changes)),
    undecided: decided
      .filter(({ decision }) => decision.changes)
      .map(({ facts }) => facts.session.id),
    large: facts.flatMap(({ rest, session }) => (rest === undefined ? [] : [session.id])),
  };
}

/** What settling a session now would make of it, without writing anything; null when it does not exist. */
export async function foresee(db: Db, sessionId: string): Promise<Settled | null> {
  const facts = [...(await gatherFacts(db, [sessionId])).values()];
  return answers(facts.map(toDecided)).get(sessionId) ?? null;
}

/** What the outbox holds from another writer does not count as told. */
function toDecided(facts: GatheredFacts): Decided {
  const { existingEvents, unsentEvents } = facts;
  if (unsentEvents.size === 0) return { facts, decision: decide(facts) };
  return {
    facts,
    decision: decide({
      ...facts,
      existingEvents: new Set([...existingEvents].filter((event) => !unsentEvents.has(event))),
    }),
  };
}

function answers(decided: readonly Decided[]): Map<string, Settled> {
  return new Map(
    decided.map(({ facts, facts: { session }, decision }) => [
      session.id,
      {
        sessionId: session.id,
        from: session.status,
        status: decision.status,
        cause: decision.cause,
        closedThroughLedger: decision.closedThroughLedger,
        credited: formatAmount(decision.judgement.credited),
        price: formatAmount(session.price),
        verdicts: decision.judgement.judged.map(({ payment, verdict }) => ({
          payment: ledgerPaymentKey(payment),
          txHash: payment.txHash,
          verdict,
          isNew: verdict !== payment.verdict,
          afterEnding: payment.ledger < (session.closedThroughLedger ?? 0),
        })),
        newEvents: decision.newEvents.map(({ type }) => type),
        isMore: facts.rest !== undefined && decision.changes,
      },
    ]),
  );
}

/** Writes all differences in one statement. Every part is bound to the locked sessions, so none can go astray. */
async function write(tx: Db, changed: readonly Decided[]): Promise<void> {
  await WRITE(tx, { document: JSON.stringify(documentOf(changed)) });
  changed.forEach(countBounds);
}

const WRITE = prepared(
  'settle',
  sql`
    WITH doc AS (SELECT ${sql.placeholder('document')}::jsonb AS d),
    sessions AS (
      UPDATE checkout_sessions s SET status = x.status::session_status, final_deadline = x.final_deadline,
        closed_through_ledger = x.closed_through_ledger, processing_since = x.processing_since,
        payment_id = x.payment_id, legacy = x.legacy,
        -- A status that the backend wrote and the watcher has not followed yet stays unseen.
        seen_status = CASE WHEN s.seen_status = s.status THEN x.status::session_status ELSE s.seen_status END
      FROM doc, jsonb_to_recordset(d->'sessions') AS x(id uuid, status text, final_deadline timestamptz,
        closed_through_ledger bigint, processing_since timestamptz, payment_id uuid, legacy boolean,
        left_alone boolean)
      WHERE s.id = x.id AND NOT x.left_alone),
    found AS (
      UPDATE payments p SET settled_at = now()
      FROM doc, jsonb_to_recordset(d->'sessions') AS x(payment_id uuid, settles_row boolean)
      WHERE x.settles_row AND p.id = x.payment_id),
    verdicts AS (
      UPDATE settlement.ledger_payments lp
      SET verdict = x.verdict, session_id = x.session_id, placed_after = x.placed_after, decided_at = now()
      FROM doc, jsonb_to_recordset(d->'verdicts') AS x(tx_hash text, op_index int, sub_index int,
        verdict text, session_id uuid, placed_after bigint)
      WHERE (lp.tx_hash, lp.op_index, lp.sub_index) = (x.tx_hash, x.op_index, x.sub_index)),
    decided AS (
      DELETE FROM settlement.undecided_payments u
      USING doc, jsonb_to_recordset(d->'verdicts') AS x(tx_hash text, op_index int, sub_index int)
      WHERE (u.tx_hash, u.op_index, u.sub_index) = (x.tx_hash, x.op_index, x.sub_index)),
    totals AS (
      INSERT INTO settlement.session_totals AS t (session_id, account, reference, price, deadline, totals)
      SELECT s.id, s.receiving_account, s.memo, s.amount,
        coalesce(x.final_deadline, least(s.expires_at, s.cancel_at)), x.totals
      FROM doc, jsonb_to_recordset(d->'totals') AS x(id uuid, final_deadline timestamptz, totals jsonb)
      JOIN checkout_sessions s ON s.id = x.id
      ON CONFLICT (session_id) DO UPDATE SET account = excluded.account, reference = excluded.reference,
        price = excluded.price, deadline = excluded.deadline, totals = excluded.totals),
    paid AS (
      INSERT INTO payments (id, session_id, merchant_id, tx_hash, amount, asset_code, asset_issuer,
        sender_address, confirmed_at, settled_at)
      SELECT x.id, x.session_id, x.merchant_id, x.tx_hash, x.amount, x.asset_code, x.asset_issuer,
        x.sender_address, x.confirmed_at, now()
      FROM doc, jsonb_to_recordset(d->'payments') AS x(id uuid, session_id uuid, merchant_id uuid,
        tx_hash text, amount numeric, asset_code text, asset_issuer text, sender_address text,
        confirmed_at timestamptz)),
    events AS (
      INSERT INTO settlement.events (id, session_id, merchant_id, type, fact, body, occurred_at)
      SELECT x.* FROM doc, jsonb_to_recordset(d->'events') AS x(id uuid, session_id uuid,
        merchant_id uuid, type text, fact text, body text, occurred_at timestamptz)
      -- One that another writer has inserted in its place stays, as evidence; the true one is made from the facts before it is sent.
      ON CONFLICT (session_id, type, fact) DO NOTHING),
    deliveries AS (
      INSERT INTO webhook_deliveries (merchant_id, session_id, event, payload, delivery_id, sequence,
        priority, event_id, endpoint_id)
      SELECT x.merchant_id, x.session_id, x.event, x.payload, x.delivery_id, x.sequence, x.priority,
        coalesce((SELECT e.id FROM settlement.events e
          WHERE e.session_id = x.session_id AND e.type = x.event AND e.fact = x.fact), x.event_id), x.endpoint_id
      FROM doc, jsonb_to_recordset(d->'deliveries') AS x(merchant_id uuid,
        session_id uuid, event text, payload jsonb, delivery_id uuid, sequence int, priority int,
        event_id uuid, endpoint_id uuid, fact text)
      -- An event that somebody deleted comes back under its old id, and its delivery is still there.
      ON CONFLICT (delivery_id) DO NOTHING),
    journal AS (
      INSERT INTO settlement.session_journal (session_id, from_status, to_status, cause, ledger, actor)
      SELECT x.* FROM doc, jsonb_to_recordset(d->'journal') AS x(session_id uuid,
        from_status text, to_status text, cause text, ledger bigint, actor text)),
    attention AS (
      INSERT INTO settlement.attention (subject, kind, detail)
      SELECT x.* FROM doc, jsonb_to_recordset(d->'attention') AS x(subject text, kind text, detail text)
      -- A merchant's is asked about by each of its sessions, and once answered not again.
      WHERE NOT EXISTS (SELECT FROM settlement.attention t WHERE t.subject = x.subject AND t.kind = x.kind
        AND t.detail = x.detail AND t.kind = 'too_many_endpoints' AND t.resolved_by IS DISTINCT FROM 'settle')
      ON CONFLICT (subject, kind) WHERE resolved_at IS NULL DO NOTHING),
    gone AS (
      UPDATE settlement.attention a SET resolved_at = now(), resolved_by = 'settle', reason = 'it is no longer so'
      FROM doc, jsonb_to_recordset(d->'gone') AS x(subject text, kind text)
      WHERE a.subject = x.subject AND a.kind = x.kind AND a.resolved_at IS NULL),
    -- A session that needs no run of its own wakes one that is there.
    known AS (
      UPDATE settlement.active_sessions a SET deadline = x.deadline, wake_after = now()
      FROM doc, jsonb_to_recordset(d->'sessions') AS x(id uuid, deadline timestamptz, wake boolean)
      WHERE a.session_id = x.id AND NOT x.wake)
    INSERT INTO settlement.active_sessions AS a (session_id, live_session, merchant_id, account, asset, deadline, wake_after)
    SELECT x.id, x.id, x.merchant_id, x.account, x.asset, x.deadline, now()
    FROM doc, jsonb_to_recordset(d->'sessions') AS x(id uuid, merchant_id uuid, account text, asset text,
      deadline timestamptz, wake boolean)
    WHERE x.wake
    ON CONFLICT (session_id) DO UPDATE SET deadline = excluded.deadline, wake_after = now(),
      merchant_id = excluded.merchant_id`,
);
