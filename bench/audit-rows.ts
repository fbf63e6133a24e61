/**
 * A database in good order, as it is after years: sessions and what they received are inserted set-based, their outcome is
 * written by settle itself, two hundred in a commit, and their webhooks were accepted.
 */
import type { Client, Pool } from 'pg';
import { settleOnce } from '../src/db/settle.ts';
import { account, ACCOUNTS } from './accounts.ts';

/** Sessions inserted by one statement, settled in one commit. */
const [CHUNK, BATCH] = [20_000, 200];

const uuid = (what: string, i = 'i') => `md5('${what} ' || ${i})::uuid`;

/**
 * So many sessions: 70 % paid, 25 % expired, 5 % cancelled, over four hundred days, one webhook each. The client may
 * take its time; the pool is for settle.
 */
export async function fillInOrder(client: Client, pool: Pool, sessions: number): Promise<void> {
  await client.query(`
    WITH a AS (SELECT i, ${uuid('merchant')} AS id, ${account()} AS account
      FROM generate_series(0, ${ACCOUNTS - 1}) i),
    m AS (INSERT INTO merchants (id, wallet_address, business_name, email, webhook_url, webhook_secret)
      SELECT id, account, 'Shop ' || i, i || '@example.com', 'https://shop.example/' || i, 'secret' FROM a)
    INSERT INTO settlement.watched_accounts (account, through_ledger, read_ledgers)
    SELECT account, ${sessions + 1}, '{}' FROM a`);
  await client.query(`
    WITH w AS (INSERT INTO settlement.coverage (account, asset, ledgers)
      SELECT account, '*', int8multirange(int8range(1, ${sessions + 2})) FROM settlement.watched_accounts)
    INSERT INTO settlement.ledgers (sequence, hash, prev_hash, closed_at, operation_count)
    SELECT i, md5('ledger ' || i), CASE WHEN i > 1 THEN md5('ledger ' || (i - 1)) END,
      CASE WHEN i > ${sessions} THEN date_trunc('second', now()) ELSE ${closedAt(sessions)} END, 1
    FROM generate_series(1, ${sessions + 1}) i`);
  for (let from = 1; from <= sessions; from += CHUNK) {
    const to = Math.min(from + CHUNK - 1, sessions);
    await client.query(received(from, to, sessions));
    const { rows } = await client.query<{ id: string }>(
      `SELECT ${uuid('session')} AS id FROM generate_series(${from}, ${to}) i`,
    );
    for (let i = 0; i < rows.length; i += BATCH) {
      await settleOnce(
        pool,
        rows.slice(i, i + BATCH).map(({ id }) => id),
      );
    }
    await client.query(ACCEPTED);
  }
}

/** When ledger i of so many closed. */
const closedAt = (of: number) =>
  `date_trunc('second', now() - interval '1 day' - interval '400 days' * (${of} - i) / ${of})`;

/** Ledger i holds the payment of session i, half a minute after it was opened. */
function received(from: number, to: number, of: number): string {
  return `
    WITH n AS (SELECT i, ${uuid('session')} AS id, ${uuid('merchant', `(i % ${ACCOUNTS})`)} AS merchant,
        ${account()} AS account, md5('x' || i) || md5(i || 'x') AS tx,
        ${closedAt(of)} AS at
      FROM generate_series(${from}, ${to}) i),
    s AS (INSERT INTO checkout_sessions (id, merchant_id, amount, asset_code, receiving_account, memo, created_at,
        expires_at, cancel_at, opened_after)
      SELECT id, merchant, 10, 'XLM', account, i::text, at - interval '30 seconds', at + interval '30 minutes',
        CASE WHEN i % 20 = 19 THEN at + interval '5 minutes' END, greatest(i - 1, 0) FROM n),
    f AS (INSERT INTO settlement.session_references SELECT account, i::text, id FROM n)
    INSERT INTO settlement.ledger_payments (tx_hash, op_index, sub_index, operation_id, ledger, closed_at, type,
      account, sender, asset_code, amount, reference, reference_source, seen_at)
    SELECT tx, 0, 0, i::bigint << 32 | 4097, i, at, 'payment', account, account, 'XLM', 10, i::text, 'memo_id', at
    FROM n WHERE i % 20 < 14`;
}

/** The sessions' workflows have sent everything, and are at rest. */
const ACCEPTED = `
  WITH d AS (UPDATE webhook_deliveries SET status = 'delivered', response_status = 200, attempts = 1,
      delivered_at = now() WHERE status = 'pending' RETURNING delivery_id),
  a AS (INSERT INTO settlement.delivery_attempts (delivery_id, attempt, finished_at, outcome, response_status)
    SELECT delivery_id, 1, now(), 'answered', 200 FROM d)
  DELETE FROM settlement.active_sessions`;
