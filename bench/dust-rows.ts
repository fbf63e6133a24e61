/** The rows of bench/dust.ts: sessions whose account is read, and payments that look as reading stores them. */
import { randomUUID } from 'node:crypto';
import type { Client } from 'pg';
import { account } from './accounts.ts';

const OPENED = '2026-01-01T00:00:00Z';
/** Operations of one ledger, all of them payments to the session. */
const PER_LEDGER = 500;
/** One payment in so many is in the session's own asset. */
const OWN_ASSET_EACH = 10;

/** A session of ten lumens whose account is read, and an endpoint that wants every event. `n` names its account. */
export async function openSession(client: Client, n: number): Promise<string> {
  const [id, merchant] = [randomUUID(), randomUUID()];
  const shop = account(String(n));
  await client.query(
    `INSERT INTO merchants (id, wallet_address, business_name, email, webhook_url, webhook_secret)
     VALUES ($1::uuid, $1::text, 'A shop', $1::text, 'https://shop.example/hook', 'secret')`,
    [merchant],
  );
  await client.query(
    `INSERT INTO webhook_endpoints (merchant_id, url, events, secret)
     VALUES ($1, 'https://shop.example/all', '["payment.exception"]', 'secret')`,
    [merchant],
  );
  await client.query(
    `INSERT INTO settlement.ledgers (sequence, hash, prev_hash, closed_at, operation_count)
     SELECT i, md5(i::text), CASE WHEN i > 1 THEN md5((i - 1)::text) END, $1::timestamptz + i * interval '1 second', ${PER_LEDGER}
     FROM generate_series(1, 1500) i ON CONFLICT DO NOTHING`,
    [OPENED],
  );
  await client.query(
    `INSERT INTO settlement.watched_accounts (account, through_ledger, read_ledgers)
     SELECT ${shop}, 1500, int8multirange(int8range(1, 1501))`,
  );
  await client.query(
    `INSERT INTO settlement.coverage (account, asset, ledgers)
     SELECT ${shop}, '*', int8multirange(int8range(1, 1501))`,
  );
  await client.query(
    `INSERT INTO checkout_sessions (id, merchant_id, amount, asset_code, receiving_account, memo, created_at,
       expires_at, opened_after, seen_status, seen_expires_at, seen_memo)
     SELECT $1, $2, 10, 'XLM', ${shop}, '42', $3::timestamptz, $3::timestamptz + interval '30 minutes', 1, 'pending',
       $3::timestamptz + interval '30 minutes', '42'`,
    [id, merchant, OPENED],
  );
  return id;
}

/** Payments of a stroop, most of them in another asset, the `from`-th and those behind it. */
export async function dust(client: Client, id: string, from: number, count: number): Promise<void> {
  await client.query(
    `WITH dust AS (
       INSERT INTO settlement.ledger_payments (tx_hash, op_index, sub_index, operation_id, ledger, closed_at, type,
         account, sender, asset_code, asset_issuer, amount, reference, reference_source)
       SELECT md5(s.id::text || i) || md5(i || s.id::text), 0, 0, ((2 + i / ${PER_LEDGER})::bigint << 32) + (i % ${PER_LEDGER} + 1) * 4096 + 1,
         2 + i / ${PER_LEDGER}, s.created_at + (2 + i / ${PER_LEDGER}) * interval '1 second', 'payment', s.receiving_account,
         s.receiving_account, CASE WHEN i % ${OWN_ASSET_EACH} = 0 THEN 'XLM' ELSE 'DUST' END,
         CASE WHEN i % ${OWN_ASSET_EACH} > 0 THEN s.receiving_account END, 0.0000001, s.memo, 'memo_id'
       FROM checkout_sessions s, generate_series($2::int, $2::int + $3::int - 1) i WHERE s.id = $1
       RETURNING tx_hash, op_index, sub_index)
     INSERT INTO settlement.undecided_payments (tx_hash, op_index, sub_index) SELECT * FROM dust`,
    [id, from, count],
  );
}
