/** The work that every arm is given: sessions as a backend inserts them, and payments of which every tenth comes twice. */
import { randomBytes, randomUUID } from 'node:crypto';
import { Keypair } from '@stellar/stellar-sdk';
import type { Pool } from 'pg';
import { referenceFor } from '../src/db/ids.ts';
import type { Payment } from './arms/arm.ts';

/** A merchant with the sink as its webhook, and the account on which its sessions are paid. */
export type Shop = { readonly merchantId: string; readonly account: string };

/** The merchant's secret, as the existing backend makes them: 32 bytes in hex. */
export const SECRET = 'c0ffee'.repeat(10) + 'beef';

/** Of every session. */
export const PRICE = '10.0000000';
/** A payment that comes a second time comes so many places behind the first: often while that is under way. */
const BEHIND = 10;
let operation = 2n << 32n;

/** Inserts a merchant, with an account that nobody watches yet. */
export async function openShop(pool: Pool, sink: string): Promise<Shop> {
  const merchantId = randomUUID();
  const account = Keypair.random().publicKey();
  await pool.query(
    `INSERT INTO merchants (id, wallet_address, business_name, email, webhook_url, webhook_secret)
     VALUES ($1, $2, 'bench', $2, $3, $4)`,
    [merchantId, account, `http://${sink}/hook`, SECRET],
  );
  return { merchantId, account };
}

/** Begins to watch an account from the given ledger on. */
export async function watch(pool: Pool, account: string, ledger: number): Promise<void> {
  await pool.query(
    'INSERT INTO settlement.watched_accounts (account, through_ledger) VALUES ($1, $2)',
    [account, ledger],
  );
}

/** Inserts open sessions that last for an hour, with their places in our work list. Returns their ids. What came to their account in ledgers up to `openedAfter` counts without any reading. */
export async function insertSessions(
  pool: Pool,
  shop: Shop,
  count: number,
  openedAfter: number,
): Promise<string[]> {
  const ids = Array.from({ length: count }, () => randomUUID());
  await pool.query(
    `WITH s AS (INSERT INTO checkout_sessions (id, merchant_id, amount, asset_code, receiving_account, memo, expires_at,
         opened_after, seen_status, seen_expires_at, seen_memo)
       SELECT id, $1, ${PRICE}, 'XLM', $2, memo, over.at, $5, 'pending', over.at, memo
       FROM unnest($3::uuid[], $4::text[]) AS x(id, memo), (SELECT now() + interval '1 hour' AS at) over
       RETURNING id, expires_at)
     INSERT INTO settlement.active_sessions (session_id, live_session, account, asset, deadline)
     SELECT id, id, $2, 'native', expires_at FROM s`,
    [shop.merchantId, shop.account, ids, ids.map(referenceFor), openedAfter],
  );
  return ids;
}

/**
 * One payment for each session, in order; every tenth session has a second one a little later: in turn the same
 * transaction reported again, and another transaction that pays again.
 */
export function paymentsFor(shop: Shop, sessionIds: readonly string[]): Payment[] {
  const arriving: { payment: Payment; place: number }[] = [];
  sessionIds.forEach((sessionId, i) => {
    const payment = paymentOf(shop, sessionId);
    arriving.push({ payment, place: i });
    if (i % 10 !== 5) return;
    const again = i % 20 === 5 ? payment : paymentOf(shop, sessionId);
    arriving.push({ payment: again, place: i + BEHIND + 0.5 });
  });
  return arriving.sort((a, b) => a.place - b.place).map(({ payment }) => payment);
}

function paymentOf({ account }: Shop, sessionId: string): Payment {
  operation += 4096n;
  return {
    sessionId,
    txHash: randomBytes(32).toString('hex'),
    innerTxHash: null,
    opIndex: 0,
    subIndex: 0,
    operationId: operation.toString(),
    ledger: Number(operation >> 32n),
    closedAt: new Date().toISOString(),
    type: 'payment',
    account,
    sender: 'GBENCHCUSTOMER',
    asset: { code: 'XLM', issuer: null },
    amount: PRICE,
    reference: referenceFor(sessionId),
    referenceSource: 'memo_id',
  };
}

/** What became of sessions: the check that every arm must pass. */
export type Checked = {
  sessions: number;
  /** Not paid, or paid and nobody told. */
  lost: number;
  /** More than one live payment row, or told under more than one id. */
  paidTwice: number;
  /** Told again under the same id: allowed, the receiver knows it. */
  toldAgain: number;
  /** Payments that came and have no row: money that nobody will ever find. */
  withoutRow: number;
};

/** Compares what the database and the sink hold with what was paid. */
export async function check(
  pool: Pool,
  payments: readonly Payment[],
  arrived: ReadonlyMap<string, { posts: number; ids: ReadonlySet<string> }>,
): Promise<Checked> {
  const ids = [...new Set(payments.map((p) => p.sessionId))];
  const { rows } = await pool.query<{ id: string; status: string; rows: number }>(
    `SELECT s.id, s.status, (SELECT count(*)::int FROM payments p
       WHERE p.session_id = s.id AND p.superseded_by IS NULL) AS rows
     FROM checkout_sessions s WHERE s.id = ANY($1::uuid[])`,
    [ids],
  );
  const hashes = [...new Set(payments.map((p) => p.txHash))];
  const found = await pool.query<{ n: number }>(
    'SELECT count(*)::int AS n FROM settlement.ledger_payments WHERE tx_hash = ANY($1)',
    [hashes],
  );
  const told = rows.map(({ id }) => arrived.get(id));
  return {
    sessions: ids.length,
    lost: rows.filter((r, i) => r.status !== 'paid' || r.rows < 1 || !told[i]).length,
    paidTwice: rows.filter((r, i) => r.rows > 1 || (told[i]?.ids.size ?? 0) > 1).length,
    toldAgain: told.filter((t) => t !== undefined && t.posts > t.ids.size).length,
    withoutRow: hashes.length - (found.rows[0]?.n ?? 0),
  };
}
