/**
 * A database as it is after years: finished sessions with all their rows, a thousand open ones in care, and a hundred
 * broken rows of every kind, scattered, as somebody else's UPDATE leaves them. All of it set-based.
 */
import type { Client } from 'pg';
import { account, ACCOUNTS } from './accounts.ts';

/** Broken rows of each kind. */
export const BROKEN = 100;
/** Sessions that are open and in care: as many as a shop has at once, however long it has been in business. */
const OPEN = 1_000;
/** Sessions inserted by one statement. */
const CHUNK = 50_000;
/** Older than every deadline that a run may look at, younger than 400 days. */
const YOUNGEST_DAYS = 1;

/** Of the sessions that are open: the inserted payments have their session's number as their ledger, and all count. */
const UNBOUNDED = 2_000_000_000;

const uuid = (what: string, i = 'i') => `md5('${what} ' || ${i})::uuid`;
const hash = (what: string) => `(md5('${what}' || i) || md5(i || '${what}'))`;

/** Merchants and watched accounts, and so many finished sessions: 70 % paid, 25 % expired, 5 % cancelled. */
export async function fill(client: Client, sessions: number): Promise<void> {
  await client.query(`
    WITH a AS (SELECT i, ${uuid('merchant')} AS id, ${account()} AS account
      FROM generate_series(0, ${ACCOUNTS - 1}) i),
    m AS (INSERT INTO merchants (id, wallet_address, business_name, email, webhook_url, webhook_secret)
      SELECT id, account, 'Shop ' || i, i || '@example.com', 'https://shop.example/' || i, 'secret' FROM a)
    INSERT INTO settlement.watched_accounts (account, through_ledger, read_ledgers, read_at, recheck_cursor,
      rechecked_at)
    SELECT account, 1000, '{}', now(), '4294967296000', now() - interval '12 hours' FROM a`);
  await client.query(`
    WITH c AS (INSERT INTO settlement.coverage (account, asset, ledgers)
      SELECT account, '*', '{[2,1002)}' FROM settlement.watched_accounts)
    INSERT INTO settlement.ledgers (sequence, hash, prev_hash, closed_at, operation_count)
    VALUES (1000, 'a', NULL, now() - interval '1 hour', 1), (1001, 'b', 'a', now(), 1)`);
  for (let from = 1; from <= sessions; from += CHUNK) {
    await client.query(finished(from, Math.min(from + CHUNK - 1, sessions), sessions));
  }
  await client.query(opened(sessions + 1, sessions + OPEN));
}

/** One statement: the foreign keys of sessions and payments, which point to each other, are checked at its end. */
function finished(from: number, to: number, of: number): string {
  return `
    WITH n AS (SELECT i, ${uuid('session')} AS id, ${uuid('merchant', `(i % ${ACCOUNTS})`)} AS merchant,
        ${uuid('payment')} AS payment, ${uuid('event')} AS event, ${account()} AS account, ${hash('tx')} AS tx,
        now() - interval '${YOUNGEST_DAYS} days' - interval '400 days' * (${of} - i) / ${of} AS at,
        CASE WHEN i % 20 < 14 THEN 'paid' WHEN i % 20 < 19 THEN 'expired' ELSE 'cancelled' END AS status
      FROM generate_series(${from}, ${to}) i),
    s AS (INSERT INTO checkout_sessions (id, merchant_id, amount, asset_code, receiving_account, memo, status,
        created_at, expires_at, opened_after, final_deadline, seen_status, seen_expires_at, seen_memo, closed_through_ledger,
        payment_id)
      SELECT id, merchant, 10, 'XLM', account, i::text, status::session_status, at, at + interval '30 minutes',
        1, at + interval '30 minutes', status::session_status, at + interval '30 minutes', i::text,
        CASE WHEN status <> 'paid' THEN i END, CASE WHEN status = 'paid' THEN payment END FROM n),
    p AS (INSERT INTO payments (id, session_id, merchant_id, tx_hash, amount, asset_code, sender_address,
        confirmed_at, created_at, settled_at)
      SELECT payment, id, merchant, tx, 10, 'XLM', account, at, at, at FROM n WHERE status = 'paid'),
    l AS (INSERT INTO settlement.ledger_payments (tx_hash, op_index, sub_index, operation_id, ledger, closed_at,
        type, account, sender, asset_code, amount, reference, reference_source, seen_at, verdict, session_id,
        decided_at)
      SELECT tx, 0, 0, i::bigint << 32, i, at, 'payment', account, account, 'XLM', 10, i::text, 'memo', at,
        'credited', id, at FROM n WHERE status = 'paid'),
    r AS (INSERT INTO settlement.reported_payments (session_id, tx_hash, first_at, answer, answered_at)
      SELECT id, tx, at, 'paid', at FROM n WHERE i % 20 < 7),
    f AS (INSERT INTO settlement.session_references SELECT account, i::text, id FROM n),
    j AS (INSERT INTO settlement.session_journal (session_id, at, from_status, to_status, cause, ledger, actor)
      SELECT id, at, 'pending', status, 'as the ledger says', i, 'settle' FROM n),
    a AS (INSERT INTO settlement.attention (subject, kind, detail, resolved_at, resolved_by, reason)
      SELECT id::text, 'held_money', 'x', at, 'an operator', 'returned' FROM n WHERE i % 200 = 0),
    e AS (INSERT INTO settlement.events (id, session_id, merchant_id, type, fact, body, occurred_at)
      SELECT event, id, merchant, kind, status, repeat('event ', 50), at
      FROM (SELECT *, CASE status WHEN 'paid' THEN 'payment.confirmed' ELSE 'session.' || status END AS kind
        FROM n) k),
    t AS (INSERT INTO settlement.delivery_attempts (delivery_id, attempt, started_at, finished_at, outcome,
        response_status)
      SELECT ${uuid('delivery')}, 1, at, at, 'delivered', 200 FROM n)
    INSERT INTO webhook_deliveries (merchant_id, session_id, event, payload, delivery_id, sequence, status,
      response_status, delivered_at, attempts, created_at, event_id, endpoint_id)
    SELECT merchant, id, 'payment.confirmed', jsonb_build_object('data', repeat('event ', 50)),
      ${uuid('delivery')}, 1, 'delivered', 200, at, 1, at, event, merchant FROM n`;
}

/** Open sessions in care: opened within the half hour, watched, their runs looked for within the half hour. */
function opened(from: number, to: number): string {
  return `
    WITH s AS (INSERT INTO checkout_sessions (id, merchant_id, amount, asset_code, receiving_account, memo,
        created_at, expires_at, opened_after, seen_status, seen_expires_at, seen_memo)
      SELECT ${uuid('session')}, ${uuid('merchant', `(i % ${ACCOUNTS})`)}, 10, 'XLM', ${account()}, i::text,
        at, at + interval '1 hour', ${UNBOUNDED}, 'pending', at + interval '1 hour', i::text
      FROM generate_series(${from}, ${to}) i, LATERAL (SELECT now() - interval '1 minute' * (i % 30) AS at) o
      RETURNING id, receiving_account, expires_at),
    f AS (INSERT INTO settlement.session_references
      SELECT ${account()}, i::text, ${uuid('session')} FROM generate_series(${from}, ${to}) i)
    INSERT INTO settlement.active_sessions (session_id, live_session, account, asset, deadline, checked_at)
    SELECT id, id, receiving_account, 'native', expires_at, now() - interval '30 minutes' FROM s`;
}

/** Opens so many sessions and puts the payment of each into the inbox, undecided. Returns the sessions' ids. */
export async function openAndPay(client: Client, sessions: number): Promise<string[]> {
  const { rows } = await client.query<{ last: number }>(
    'SELECT max(memo::int) AS last FROM checkout_sessions',
  );
  const from = (rows[0]?.last ?? 0) + 1;
  const to = from + sessions - 1;
  await client.query(opened(from, to));
  const paid = await client.query<{ id: string }>(`
    WITH l AS (INSERT INTO settlement.ledger_payments (tx_hash, op_index, sub_index, operation_id, ledger, closed_at,
        type, account, sender, asset_code, amount, reference, reference_source)
      SELECT ${hash('tx')}, 0, 0, i::bigint << 32, i, now(), 'payment', ${account()}, ${account()}, 'XLM', 10,
        i::text, 'memo' FROM generate_series(${from}, ${to}) i RETURNING tx_hash),
    u AS (INSERT INTO settlement.undecided_payments (tx_hash, op_index, sub_index) SELECT tx_hash, 0, 0 FROM l)
    SELECT ${uuid('session')} AS id FROM generate_series(${from}, ${to}) i`);
  return paid.rows.map(({ id }) => id);
}

/** A hundred finished sessions with this status that nothing was done to yet, anywhere in the table. */
const some = (status: string, part: number) => `
  SELECT id FROM (SELECT id, row_number() OVER (ORDER BY md5(id::text)) AS n FROM checkout_sessions
    WHERE status = '${status}' AND created_at < now() - interval '${YOUNGEST_DAYS} days'
      AND legacy IS NULL) c
  WHERE n > ${part * BROKEN} AND n <= ${(part + 1) * BROKEN}`;

const OPENED_AGAIN = `closed_through_ledger = NULL, final_deadline = NULL, created_at = now() - interval '20 minutes'`;
const IN_TIME = `${OPENED_AGAIN}, expires_at = now() + interval '1 hour'`;
const OVER = `${OPENED_AGAIN}, expires_at = now() - interval '10 minutes'`;
const inCare = (changed: string) => `
  WITH s AS (${changed} RETURNING s.id, receiving_account, expires_at)
  INSERT INTO settlement.active_sessions (session_id, live_session, account, asset, deadline, checked_at)
  SELECT id, id, receiving_account, 'native', expires_at, now() - interval '1 hour' FROM s`;
const change = (set: string, status: string, part: number) =>
  `UPDATE checkout_sessions s SET ${set} FROM (${some(status, part)}) c WHERE s.id = c.id`;

/** What somebody else has done to the rows, kind by kind. Takes the candidates of the database as it was filled. */
const BREAKING: readonly string[] = [
  // stuck_processing, timed by settle and not
  inCare(
    change(
      `status = 'processing', processing_since = now() - interval '10 minutes', ${IN_TIME}`,
      'expired',
      0,
    ),
  ),
  inCare(change(`status = 'processing', ${IN_TIME}`, 'expired', 0)),
  // not_in_care: of the day's look, and of every run's
  change(`status = 'pending', ${IN_TIME}`, 'expired', 0),
  change(`status = 'pending', ${OVER}`, 'expired', 0),
  // overdue
  inCare(change(`status = 'pending', ${OVER}`, 'expired', 0)),
  // foreign_ending: ended by somebody, and opened again by somebody
  change(`closed_through_ledger = NULL`, 'expired', 0),
  change(`status = 'pending'`, 'expired', 1),
  // paid_without_payment: the foreign key takes back payment_id
  `DELETE FROM payments p USING (${some('paid', 0)}) c WHERE p.session_id = c.id`,
  // unsettled_payment: a row that somebody wrote beside an ending, and one whose session somebody ended
  `INSERT INTO payments (session_id, merchant_id, tx_hash, amount, asset_code, sender_address, confirmed_at)
   SELECT s.id, s.merchant_id, md5(s.id::text), 10, 'XLM', 'G', now()
   FROM checkout_sessions s JOIN (${some('expired', 2)}) c ON s.id = c.id`,
  change(`status = 'expired'`, 'paid', 1),
  // undecided_payment
  `WITH u AS (UPDATE settlement.ledger_payments l SET verdict = NULL, decided_at = NULL
     FROM (${some('paid', 2)}) c WHERE l.session_id = c.id RETURNING l.*)
   INSERT INTO settlement.undecided_payments SELECT tx_hash, op_index, sub_index, now() - interval '2 minutes' FROM u`,
  // event_overdue
  `UPDATE webhook_deliveries d SET status = 'pending', delivered_at = NULL,
     next_retry_at = now() - interval '10 minutes' FROM (${some('paid', 3)}) c WHERE d.session_id = c.id`,
  // foreign_delivery
  `UPDATE webhook_deliveries d SET status = 'pending', delivered_at = NULL, event_id = NULL, endpoint_id = NULL,
     created_at = now() FROM (${some('paid', 4)}) c WHERE d.session_id = c.id`,
  // missed_payment: accounts that were not read again for a day
  `UPDATE settlement.watched_accounts SET rechecked_at = now() - interval '25 hours'
   WHERE account IN (SELECT account FROM settlement.watched_accounts ORDER BY md5(account) LIMIT ${BROKEN})`,
];

/** Breaks a hundred rows of every kind. */
export async function breakRows(client: Client): Promise<void> {
  for (const statement of BREAKING) await client.query(statement);
}
