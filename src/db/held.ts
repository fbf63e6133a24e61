/**
 * Money that was received and not used, for operators: of each session sums and the first and last few payments, and every
 * payment page by page. Anybody can send any number of payments, so no list is read whole. Reads only.
 */
import { sql } from 'drizzle-orm';
import { assetKey } from '../domain/asset.ts';
import { heldOf, heldOfPayment, isDecided, type Held, type HeldReason } from '../domain/held.ts';
import { addHeld, type HeldSums } from '../domain/judged-before.ts';
import { judgementOf } from '../domain/judgement.ts';
import { ledgerPaymentKey, type LedgerPayment } from '../domain/ledger-payment.ts';
import { formatAmount, type Stroops } from '../domain/money.ts';
import { isOver } from '../domain/terms.ts';
import type { Db } from './connection.ts';
import { gatherFacts, type GatheredFacts } from './facts.ts';
import {
  INBOX_PAYMENT,
  paymentPages,
  PAYMENTS_OF_SESSION,
  somePayments,
  toInboxPayment,
  type RawPayment,
} from './inbox-payment.ts';
import { READ_WHOLE } from './many-payments.ts';
import { START, type Finding } from './paging.ts';
import { over } from './predicates.ts';
import { TOTALS_OF_SESSION } from './session-totals.ts';

/** Why money is held; `session_gone`: the session it was judged for was deleted, or no longer names it. */
export type ListedReason = HeldReason | 'session_gone';

/** Money that was received and not used. Amounts are decimals, times ISO 8601. */
export type HeldPayment = {
  readonly payment: string;
  readonly reason: ListedReason;
  readonly amount: string;
  readonly asset: string;
  readonly account: string;
  readonly sender: string;
  readonly reference: string | null;
  readonly sessionId: string | null;
  readonly closedAt: string;
};

/** What is held for one reason in one asset. */
export type HeldSum = {
  readonly reason: HeldReason;
  /** Null: further assets, which are only counted. */
  readonly asset: string | null;
  readonly amount: string | null;
  /** Null where only the sum is known. */
  readonly payments: number | null;
};

/** What is held of one session. */
export type HeldSession = {
  readonly sessionId: string;
  readonly sums: readonly HeldSum[];
  /** All held payments, or those among the first and the last few of the session. */
  readonly payments: readonly HeldPayment[];
  /** Whether `payments` has all of them. */
  readonly isAll: boolean;
};

/** Sessions looked at in one statement. */
const SESSIONS = 1_000;
/** Sessions of which the facts are gathered at once. */
const BATCH = 200;
/** So many of the first and of the last payments of a session are shown. */
const AT_EACH_END = 5;

/**
 * The sessions of a page of which something is held, in id order; of one account, if given. The page has many sessions of
 * which nothing is held: `found` may be empty where `next` is not null.
 */
export async function heldSessions(
  db: Db,
  account: string | null,
  after: string | null,
): Promise<Finding<HeldSession>> {
  const { ids, next } = await sessionsHolding(db, account, after);
  const found: HeldSession[] = [];
  for (let i = 0; i < ids.length; i += BATCH) {
    for (const f of (await gatherFacts(db, ids.slice(i, i + BATCH))).values()) {
      const held = f.rest === undefined ? heldOfFew(f) : await heldOfMany(db, f);
      if (held.sums.length > 0) found.push(held);
    }
  }
  return { found, next };
}

/** Every held payment of a session, page by page, in ledger order; nothing for an id without a session. */
export async function* heldOfSession(db: Db, sessionId: string): AsyncGenerator<HeldPayment[]> {
  const facts = (await gatherFacts(db, [sessionId])).get(sessionId);
  if (facts === undefined) return;
  if (facts.rest === undefined) yield decidedOf(facts).map((held) => rowOf(held, sessionId));
  else yield* amongMany(db, facts);
}

type Ids = { ids: string[]; next: string | null };

async function sessionsHolding(db: Db, account: string | null, after: string | null): Promise<Ids> {
  const { rows } = await db.execute<{ id: string; holds: boolean }>(sql`
    SELECT s.id, CASE WHEN known.totals IS NOT NULL
      THEN known.totals->'held' <> '{}' OR (s.status <> 'paid' AND ${over('s')})
        OR (known.totals->>'credited')::numeric > s.amount
      ELSE (SELECT count(*) > ${READ_WHOLE} OR coalesce(bool_or(few.verdict <> 'credited'), false)
          OR (count(*) > 0 AND s.status <> 'paid' AND ${over('s')})
          OR coalesce(sum(few.amount) FILTER (WHERE few.verdict = 'credited') > s.amount, false)
        FROM (SELECT * FROM ${PAYMENTS_OF_SESSION} p WHERE p.session_id = s.id AND p.resolved_at IS NULL
          LIMIT ${READ_WHOLE + 1}) few) END AS holds
    FROM (SELECT c.id, c.status, c.amount, c.receiving_account, c.memo, c.closed_through_ledger, c.legacy,
        c.final_deadline, c.expires_at, c.cancel_at
      FROM checkout_sessions c WHERE c.id > ${after ?? START.id}::uuid
      AND (${account}::text IS NULL OR c.receiving_account = ${account}) ORDER BY c.id LIMIT ${SESSIONS}) s
    CROSS JOIN LATERAL (SELECT ${TOTALS_OF_SESSION} AS totals) known ORDER BY s.id`);
  return {
    ids: rows.filter(({ holds }) => holds).map(({ id }) => id),
    next: rows.length < SESSIONS ? null : (rows.at(-1)?.id ?? null),
  };
}

/** What is held of a session and decided; what is ambiguous or unmatched is listed as what has no session. */
function decidedOf(facts: GatheredFacts): Held[] {
  return heldOf(facts.session, judgementOf(facts), facts.legacyEnding).filter(
    ({ reason }) => reason !== 'ambiguous' && reason !== 'unmatched',
  );
}

function heldOfFew(facts: GatheredFacts): HeldSession {
  const { id } = facts.session;
  const held = decidedOf(facts);
  const byReason = new Map<HeldReason, HeldSums>();
  for (const { reason, payment, amount } of held) {
    byReason.set(reason, addHeld(byReason.get(reason), { asset: payment.asset, amount }));
  }
  const isAll = held.length <= 2 * AT_EACH_END;
  const shown = isAll ? held : [...held.slice(0, AT_EACH_END), ...held.slice(-AT_EACH_END)];
  return {
    sessionId: id,
    sums: [...byReason].flatMap(([reason, sums]) => sumsOf(reason, sums)),
    payments: shown.map((one) => rowOf(one, id)),
    isAll,
  };
}

function sumsOf(reason: HeldReason, { sums, furtherPayments }: HeldSums): HeldSum[] {
  return [
    ...sums.map(({ asset, amount, payments }) => ({
      reason,
      asset: assetKey(asset),
      amount: formatAmount(amount),
      payments,
    })),
    ...(furtherPayments === 0
      ? []
      : [{ reason, asset: null, amount: null, payments: furtherPayments }]),
  ];
}

/** Of a session with very many payments the totals say the sums. */
async function heldOfMany(db: Db, facts: GatheredFacts): Promise<HeldSession> {
  const { session, rest, legacyEnding } = facts;
  const before = rest?.before;
  const judgement = judgementOf(facts);
  const sums = Object.entries(before?.held ?? {}).flatMap(([verdict, held]) =>
    sumsOf(verdict as HeldReason, held),
  );
  const credited = (reason: HeldReason, amount: Stroops): HeldSum[] => {
    const asset = assetKey(session.asset);
    return amount <= 0n ? [] : [{ reason, asset, amount: formatAmount(amount), payments: null }];
  };
  const isPaid = session.status === 'paid';
  if (isPaid && judgement.completing !== null) {
    sums.push(...credited('overpaid', judgement.credited - session.price));
  } else if (!isPaid && isOver({ ...session, legacy: legacyEnding })) {
    sums.push(...credited('underpaid', judgement.credited));
  }
  const { rows } = await db.execute<{ payment: RawPayment }>(sql`
    SELECT ${INBOX_PAYMENT} AS payment FROM (
      SELECT * FROM ${somePayments(session.id, { most: AT_EACH_END })} f
      UNION SELECT * FROM ${somePayments(session.id, { last: true, most: AT_EACH_END })} l) lp
    ORDER BY lp.operation_id, lp.sub_index`);
  const payments = rows.flatMap(({ payment }) => heldRow(facts, judgement, payment));
  return { sessionId: session.id, sums, payments, isAll: false };
}

function heldRow(
  facts: GatheredFacts,
  judgement: ReturnType<typeof judgementOf>,
  raw: RawPayment,
): HeldPayment[] {
  const payment = toInboxPayment(raw);
  const found = isDecided(payment) ? heldOfPayment(facts, payment, judgement) : null;
  return found === null ? [] : [rowOf(found, facts.session.id)];
}

async function* amongMany(db: Db, facts: GatheredFacts): AsyncGenerator<HeldPayment[]> {
  const { id } = facts.session;
  const judgement = judgementOf(facts);
  for await (const page of paymentPages(db, id)) {
    const held = page.flatMap((payment) => heldRow(facts, judgement, payment));
    if (held.length > 0) yield held;
  }
}

function rowOf({ payment, reason, amount }: Held, sessionId: string): HeldPayment {
  return listed(payment, { reason, amount, sessionId });
}

/** One line of the list. */
export function listed(
  p: LedgerPayment,
  {
    reason,
    amount,
    sessionId,
  }: { reason: ListedReason; amount: Stroops; sessionId: string | null },
): HeldPayment {
  return {
    payment: ledgerPaymentKey(p),
    reason,
    amount: formatAmount(amount),
    asset: assetKey(p.asset),
    account: p.account,
    sender: p.sender,
    reference: p.reference,
    sessionId,
    closedAt: p.closedAt.toISOString(),
  };
}
