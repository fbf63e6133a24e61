/** Held payments to tell, of a session whose payments are too many to read: by verdict, in ledger order. */
import { sql } from 'drizzle-orm';
import {
  ASSETS_SUMMED,
  countedReason,
  countToldOneByOne,
  exceptionFact,
  ranksToldTogether,
  TOLD_ONE_BY_ONE,
  type Exception,
  type JudgedException,
} from '../domain/exceptions.ts';
import type { HeldReason } from '../domain/held.ts';
import type { JudgedBefore } from '../domain/judged-before.ts';
import type { InboxPayment, Verdict } from '../domain/judge.ts';
import { ledgerPaymentKey } from '../domain/ledger-payment.ts';
import { toldThrough } from '../domain/telling.ts';
import type { Db } from './connection.ts';
import type { GatheredFacts } from './facts.ts';
import {
  INBOX_PAYMENT,
  somePayments,
  parseStored,
  toInboxPayment,
  type RawPayment,
} from './inbox-payment.ts';

const VERDICTS = [
  'credited',
  'wrong_asset',
  'nothing',
  'late',
  'duplicate',
  'after_cancellation',
] as const satisfies readonly Verdict[];

/**
 * What is due of the payments that are counted, and has no event yet. Each event reads the payments up to its own: as their
 * ranks double, all events together read twice as many payments as there are.
 */
export async function storedExceptions(
  db: Db,
  facts: GatheredFacts,
  counts: JudgedBefore['counts'],
): Promise<Exception[]> {
  const { session, coverage } = facts;
  const existingEvents = new Set(facts.existingEvents);
  for (const event of facts.unsentEvents) existingEvents.delete(event);
  if (facts.rowProblem !== null) return [];
  const told = countToldOneByOne(existingEvents);
  const isTold = (e: Exception) =>
    existingEvents.has(`payment.exception ${exceptionFact(ledgerPaymentKey(e.payment), e)}`);
  const due: Exception[] = [];
  for (const verdict of VERDICTS) {
    const count = counts[verdict] ?? 0;
    const reason = countedReason(verdict, session);
    if (count === 0 || reason === null) continue;
    const oneByOne = told.get(reason) ?? 0;
    if (oneByOne < Math.min(count, TOLD_ONE_BY_ONE)) {
      due.push(...(await first(db, session.id, verdict)).map((p) => byItself(p, reason)));
    }
    for (const rank of ranksToldTogether(count)) {
      const fact = `payment.exception together:${reason}:${rank}`;
      if (oneByOne >= rank || existingEvents.has(fact)) continue;
      const sum = await toldTogether(db, session.id, { verdict, reason, rank });
      if (sum !== null && sum.payment.ledger <= toldThrough(session, coverage)) due.push(sum);
    }
  }
  return due.filter((e) => !isTold(e));
}

function byItself(payment: InboxPayment, reason: HeldReason): JudgedException {
  return { payment, amount: payment.amount, reason, together: null };
}

const line = (sessionId: string, verdict: Verdict, most: number, seenBy = 'infinity') => sql`(
  SELECT lp.*, row_number() OVER (ORDER BY lp.operation_id, lp.sub_index, lp.tx_hash, lp.op_index) AS rank
  FROM ${somePayments(sessionId, {
    where: sql`p.verdict = ${verdict} AND p.seen_at <= ${seenBy}::timestamptz`,
    most,
  })} lp)`;

async function first(db: Db, sessionId: string, verdict: Verdict): Promise<InboxPayment[]> {
  const { rows } = await db.execute<{ payment: RawPayment }>(sql`
    SELECT ${INBOX_PAYMENT} AS payment FROM ${line(sessionId, verdict, TOLD_ONE_BY_ONE)} lp
    WHERE lp.resolved_at IS NULL ORDER BY lp.rank`);
  return rows.map(({ payment }) => toInboxPayment(payment));
}

type RawSums = {
  payment: RawPayment | null;
  sums: { code: string; issuer: string | null; amount: string; payments: number }[];
  assets: number;
};

/** The payments of a session that are told together: those with a verdict, from the first through the `rank`-th. */
type Told = { readonly verdict: Verdict; readonly reason: HeldReason; readonly rank: number };

/** What is told together under this fact; null when it is no such fact. */
export function toldBy(fact: string): Told | null {
  const [, reason = '', rank = ''] = /^together:([a-z_]+):([1-9]\d{0,8})$/.exec(fact) ?? [];
  const verdict = VERDICTS.find((v) => v === (reason === 'underpaid' ? 'credited' : reason));
  if (verdict === undefined || reason === 'credited') return null;
  return { verdict, reason: reason as HeldReason, rank: Number(rank) };
}

/**
 * The sums of what is told together, of the payments that were in the inbox by then (an instant as PostgreSQL writes it);
 * null where there are fewer. It reads as many payments as it sums up.
 */
export async function toldTogether(
  db: Db,
  sessionId: string,
  { verdict, reason, rank }: Told,
  seenBy?: string,
): Promise<JudgedException | null> {
  const { rows } = await db.execute<{ found: RawSums }>(sql`
    WITH line AS MATERIALIZED (SELECT * FROM ${line(sessionId, verdict, rank, seenBy)} l),
    sums AS (SELECT asset_code, asset_issuer, sum(amount) AS amount, count(*) AS n, min(rank) AS first
      FROM line GROUP BY asset_code, asset_issuer)
    SELECT json_build_object(
      'payment', (SELECT ${INBOX_PAYMENT} FROM line lp WHERE lp.rank = ${rank}),
      'sums', (SELECT coalesce(json_agg(json_build_object('code', asset_code, 'issuer', asset_issuer,
          'amount', amount::text, 'payments', n) ORDER BY first), '[]')
        FROM (SELECT * FROM sums ORDER BY first LIMIT ${ASSETS_SUMMED}) f),
      'assets', (SELECT count(*) FROM sums)) AS found`);
  const found = rows[0]?.found;
  if (!found?.payment) return null;
  const sums = found.sums.map(({ code, issuer, amount, payments }) => ({
    asset: { code, issuer },
    amount: parseStored(amount),
    payments,
  }));
  const furtherAssets = Math.max(0, found.assets - ASSETS_SUMMED);
  return {
    ...byItself(toInboxPayment(found.payment), reason),
    together: { payments: rank, sums, furtherAssets },
  };
}
