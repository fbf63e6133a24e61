/**
 * The ledger payments of sessions, one after the other in the order in which they count: of most sessions all in one
 * statement, of those with many page by page. Anybody can send a session any number of payments, so none are collected.
 */
import { sql } from 'drizzle-orm';
import { byPlace, type SeenPayment } from '../domain/audit-fold.ts';
import type { Db } from './connection.ts';
import {
  INBOX_PAYMENT,
  paymentPages,
  PAYMENTS_OF_SESSION,
  toInboxPayment,
  type RawPayment,
} from './inbox-payment.ts';

/** A session with so many payments is read with the others of its page. */
const FEW = 50;
/** Payments that are fetched from a cursor at once. */
const PAGE = 1_000;

/** A session, and what takes its payments. */
export type Taker = {
  readonly id: string;
  /** The ledger after which it was opened; null: not known. */
  readonly openedAfter: number | null;
  readonly add: (payment: SeenPayment) => void;
};

type Raw = RawPayment & { seenAt: string };

const SEEN = sql`${INBOX_PAYMENT}::jsonb || jsonb_build_object('seenAt', lp.seen_at)`;

/** Gives each session its payments. All of it must be read in one transaction, which sees one snapshot. */
export async function auditPayments(db: Db, takers: readonly Taker[]): Promise<void> {
  const few = await readFew(
    db,
    takers.map(({ id }) => id),
  );
  for (const { id, openedAfter, add } of takers) {
    const inOrder = byPlace(openedAfter ?? 0);
    const payments = few.get(id) ?? [];
    if (payments.length <= FEW) {
      for (const payment of payments.sort(inOrder)) add(payment);
      continue;
    }
    for await (const payment of merged(ownPlaces(db, id), placed(db, id), inOrder)) add(payment);
  }
}

async function readFew(db: Db, ids: readonly string[]): Promise<Map<string, SeenPayment[]>> {
  const { rows } = await db.execute<{ id: string; payment: Raw }>(sql`
    SELECT s.id, ${SEEN} AS payment FROM checkout_sessions s
    CROSS JOIN LATERAL (SELECT * FROM ${PAYMENTS_OF_SESSION} p LIMIT ${FEW + 1}) lp
    WHERE s.id = ANY(${sql.param(ids)}::uuid[])`);
  const found = new Map<string, SeenPayment[]>();
  for (const { id, payment } of rows) {
    const payments = found.get(id);
    if (payments === undefined) found.set(id, [toSeen(payment)]);
    else payments.push(toSeen(payment));
  }
  return found;
}

/** Those that count in their own place, in ledger order. */
async function* ownPlaces(db: Db, id: string): AsyncGenerator<SeenPayment> {
  const pages = paymentPages<Raw>(db, id, { row: SEEN, where: sql`p.placed_after IS NULL` });
  for await (const page of pages) yield* page.map(toSeen);
}

let cursors = 0;

/** The few that count behind a later ledger: sorted once, and read from a cursor. */
async function* placed(db: Db, id: string): AsyncGenerator<SeenPayment> {
  cursors += 1;
  const name = sql.raw(`placed_${cursors}`);
  await db.execute(sql`DECLARE ${name} NO SCROLL CURSOR FOR
    SELECT ${SEEN} AS payment FROM (
      SELECT p.* FROM checkout_sessions s, LATERAL ${PAYMENTS_OF_SESSION} p
      WHERE s.id = ${id} AND p.placed_after IS NOT NULL
      ORDER BY p.placed_after, p.operation_id, p.sub_index, p.tx_hash, p.op_index OFFSET 0) lp`);
  try {
    for (;;) {
      const { rows } = await db.execute<{ payment: Raw }>(
        sql`FETCH ${sql.raw(String(PAGE))} FROM ${name}`,
      );
      yield* rows.map(({ payment }) => toSeen(payment));
      if (rows.length < PAGE) return;
    }
  } finally {
    // A transaction that has failed has no cursors any more.
    await db.execute(sql`CLOSE ${name}`).catch(() => undefined);
  }
}

async function* merged(
  a: AsyncGenerator<SeenPayment>,
  b: AsyncGenerator<SeenPayment>,
  inOrder: (a: SeenPayment, b: SeenPayment) => number,
): AsyncGenerator<SeenPayment> {
  try {
    let [x, y] = [await a.next(), await b.next()];
    while (x.done !== true || y.done !== true) {
      if (y.done === true || (x.done !== true && inOrder(x.value, y.value) <= 0)) {
        if (x.done !== true) yield x.value;
        x = await a.next();
      } else {
        yield y.value;
        y = await b.next();
      }
    }
  } finally {
    await a.return(undefined);
    await b.return(undefined);
  }
}

function toSeen({ seenAt, ...raw }: Raw): SeenPayment {
  return { ...toInboxPayment(raw), seenAt: new Date(seenAt) };
}

/** Ledger payments of sessions by their keys, of those that these sessions have. */
export async function paymentsByKey(
  db: Db,
  wanted: readonly { readonly session: string; readonly key: string }[],
): Promise<Map<string, SeenPayment>> {
  if (wanted.length === 0) return new Map();
  const keys = wanted.map(({ session, key }) => {
    const [tx, op, sub] = key.split(':');
    return { session, tx, op: Number(op), sub: Number(sub) };
  });
  const { rows } = await db.execute<{ session: string; payment: Raw }>(sql`
    SELECT k.session, ${SEEN} AS payment
    FROM jsonb_to_recordset(${JSON.stringify(keys)}::jsonb) AS k(session uuid, tx text, op int, sub int)
    JOIN settlement.ledger_payments lp
      ON (lp.tx_hash, lp.op_index, lp.sub_index) = (k.tx, k.op, k.sub) AND lp.session_id = k.session`);
  return new Map(
    rows.map(({ session, payment }) => {
      const found = toSeen(payment);
      return [`${session} ${found.txHash}:${found.opIndex}:${found.subIndex}`, found];
    }),
  );
}
