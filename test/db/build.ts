/** Rows as a backend and the watcher write them, with defaults, so that a test names only what it is about. */
import { randomBytes, randomUUID } from 'node:crypto';
import { Keypair } from '@stellar/stellar-sdk';
import { assetKey, type Asset } from '../../src/domain/asset.ts';
import type { LedgerPayment } from '../../src/domain/ledger-payment.ts';
import { storeFindings } from '../../src/db/inbox.ts';
import { requestCancel } from '../../src/db/sessions.ts';
import { insertMerchant, type TestDatabase } from '../support/database.ts';
import { minute, pay, USDC } from '../domain/build.ts';

/** A session in the database, and what paying it needs. */
export type StoredSession = {
  readonly id: string;
  readonly merchantId: string;
  readonly account: string;
  readonly reference: string;
};

type Fields = {
  id: string;
  merchantId: string;
  account: string;
  reference: string;
  price: string;
  asset: Asset;
  status: string;
  metadata: unknown;
  createdAt: Date;
  expiresAt: Date;
  processingSince: Date | null;
  /** The minutes between which its account was read, and that is proven; null: it is not watched. */
  covered: readonly [from: number, through: number] | null;
  /** Whether it stands in the work list. */
  active: boolean;
};

/** The number of the ledger that closed at a minute; minute 0 is ledger 10000. */
export function ledgerAt(minutes: number): number {
  return 10_000 + minutes * 12;
}

/**
 * A session as the backend inserts it: by default 10 USDC, opened in minute 0, to be paid by minute 30, on an account
 * of its own that is read through minute 6.
 */
export async function insertSession(
  database: TestDatabase,
  fields: Partial<Fields> = {},
): Promise<StoredSession> {
  const s: Omit<Fields, 'merchantId'> = {
    id: randomUUID(),
    account: newAccount(),
    reference: '4242',
    price: '10',
    asset: USDC,
    status: 'pending',
    metadata: null,
    createdAt: minute(0),
    expiresAt: minute(30),
    processingSince: null,
    covered: [-1, 6],
    active: true,
    ...fields,
  };
  const merchantId = fields.merchantId ?? (await insertMerchant(database));
  await database.rows(
    `INSERT INTO checkout_sessions (id, merchant_id, amount, asset_code, asset_issuer, receiving_account, memo,
       status, metadata, created_at, expires_at, processing_since, opened_after, seen_status, seen_expires_at, seen_memo)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
       $13, CASE WHEN $13::bigint IS NOT NULL THEN $8::session_status END, CASE WHEN $13 IS NOT NULL THEN $11::timestamptz END,
       CASE WHEN $13 IS NOT NULL THEN $7::text END)`,
    [
      s.id,
      merchantId,
      s.price,
      s.asset.code,
      s.asset.issuer,
      s.account,
      s.reference,
      s.status,
      s.metadata === null ? null : JSON.stringify(s.metadata),
      s.createdAt,
      s.expiresAt,
      s.processingSince,
      s.covered === null && !s.active ? null : ledgerAt(minutesOf(s.createdAt)) - 1,
    ],
  );
  if (s.covered !== null) await cover(database, s.account, ...s.covered);
  if (s.active) {
    await database.rows(
      `INSERT INTO settlement.active_sessions (session_id, live_session, account, asset, deadline)
       VALUES ($1, $1, $2, $3, $4)`,
      [s.id, s.account, assetKey(s.asset), s.expiresAt],
    );
  }
  return { id: s.id, merchantId, account: s.account, reference: s.reference };
}

/** An account that no other test uses. */
export function newAccount(): string {
  return Keypair.random().publicKey();
}

/** Minutes after minute 0, rounded down to whole ledgers. */
function minutesOf(time: Date): number {
  return Math.floor((time.getTime() - minute(0).getTime()) / 5_000) / 12;
}

/** The longest chain that a test gets at once: two days. */
const MOST_MINUTES = 2_880;

/** The chain has every ledger from an hour before a minute on through another, one every 5 s, and one more. */
export async function chain(database: TestDatabase, through: number, from = 0): Promise<void> {
  const first = Math.max(from, 0);
  await database.rows(
    `INSERT INTO settlement.ledgers (sequence, hash, closed_at, operation_count)
     SELECT n, lpad(n::text, 64, '0'), $1::timestamptz + (n - $2::bigint) * interval '5 seconds', 0
     FROM generate_series($3::bigint - 720, $4::bigint) AS n ON CONFLICT DO NOTHING`,
    [
      minute(0),
      ledgerAt(0),
      ledgerAt(first),
      ledgerAt(Math.min(through, first + MOST_MINUTES)) + 1,
    ],
  );
}

/** The account was read after one minute through another, and that is proven; the chain goes on one ledger further. */
export async function cover(
  database: TestDatabase,
  account: string,
  from: number,
  through: number,
): Promise<void> {
  await chain(database, through, from);
  await database.rows(
    `WITH watched AS (
       INSERT INTO settlement.watched_accounts AS w (account, through_ledger, read_ledgers)
       VALUES ($1, $3, int8multirange(int8range($2::bigint + 1, $3::bigint + 1)))
       ON CONFLICT (account) DO UPDATE SET through_ledger = $3, read_ledgers = w.read_ledgers + excluded.read_ledgers)
     INSERT INTO settlement.coverage AS c (account, asset, ledgers)
     VALUES ($1, '*', int8multirange(int8range($2::bigint + 1, $3::bigint + 1)))
     ON CONFLICT (account, asset) DO UPDATE SET ledgers = c.ledgers + excluded.ledgers`,
    [account, ledgerAt(from), ledgerAt(through)],
  );
}

/** A cancellation that was completed when the newest ledger was that of a minute, whatever other tests have added since. */
export async function cancelAt(
  database: TestDatabase,
  sessionId: string,
  minutes: number,
): Promise<void> {
  await requestCancel(database.pool, sessionId);
  await database.rows('DELETE FROM settlement.cancel_requests WHERE session_id = $1', [sessionId]);
  await database.rows(
    `WITH cancelled AS (UPDATE checkout_sessions SET cancel_at = $2 WHERE id = $1)
     UPDATE settlement.active_sessions SET deadline = least(deadline, $2), wake_after = now() WHERE session_id = $1`,
    [sessionId, minute(minutes)],
  );
}

/** A ledger payment of a session under a hash of its own: by default USDC, in minute 5. */
export function paymentFor(
  session: Pick<StoredSession, 'account' | 'reference'>,
  amount: string,
  fields: Partial<LedgerPayment> = {},
): LedgerPayment {
  const { verdict: _, resolved: __, placedAfter: ___, ...payment } = pay(1, amount, fields);
  return {
    ...payment,
    txHash: randomBytes(32).toString('hex'),
    account: session.account,
    reference: session.reference,
    ...fields,
  };
}

/** Puts a payment of the session into the inbox. */
export async function receive(
  database: TestDatabase,
  session: Pick<StoredSession, 'account' | 'reference'>,
  amount: string,
  fields: Partial<LedgerPayment> = {},
): Promise<LedgerPayment> {
  const payment = paymentFor(session, amount, fields);
  await storeFindings(database.pool, { payments: [payment], undecoded: [] });
  return payment;
}

/** A row of `payments` as the older backend writes it: the transaction pays the session. Returns its id. */
export async function insertPaymentRow(
  database: TestDatabase,
  session: Pick<StoredSession, 'id' | 'merchantId'>,
  payment: Pick<LedgerPayment, 'txHash' | 'sender' | 'closedAt'>,
  amount = '10',
): Promise<string> {
  const id = randomUUID();
  await database.rows(
    `INSERT INTO payments (id, session_id, merchant_id, tx_hash, amount, asset_code, sender_address, confirmed_at)
     VALUES ($1, $2, $3, $4, $5, 'USDC', $6, $7)`,
    [id, session.id, session.merchantId, payment.txHash, amount, payment.sender, payment.closedAt],
  );
  return id;
}

const TABLES = [
  'checkout_sessions',
  'payments',
  'webhook_deliveries',
  'webhook_dead_letters',
  'settlement.active_sessions',
  'settlement.cancel_requests',
  'settlement.coverage',
  'settlement.history_holes',
  'settlement.attention',
  'settlement.delivery_attempts',
  'settlement.endpoint_state',
  'settlement.events',
  'settlement.ledger_payments',
  'settlement.parked_records',
  'settlement.reported_payments',
  'settlement.session_journal',
  'settlement.session_references',
  'settlement.session_totals',
  'settlement.undecided_payments',
  'settlement.watched_accounts',
];

/** Every row of every table that settling can touch, with the transaction that last wrote it. */
export async function everyRow(database: TestDatabase): Promise<Record<string, unknown[]>> {
  const found: Record<string, unknown[]> = {};
  for (const table of TABLES) {
    found[table] = await database.rows(`SELECT t.xmin::text AS written_by, t.* FROM ${table} t
      ORDER BY t.ctid`);
  }
  return found;
}

/** What the database says about a session, in the words of a test. */
export async function stateOf(database: TestDatabase, sessionId: string) {
  const [state] = await database.rows<{
    status: string;
    closed_through_ledger: string | null;
    payments: { txHash: string; amount: string }[];
    verdicts: string[];
    events: string[];
    deliveries: string[];
    attention: string[];
  }>(
    `SELECT s.status, s.closed_through_ledger,
      (SELECT coalesce(json_agg(json_build_object('txHash', p.tx_hash, 'amount', p.amount::text)), '[]')
        FROM payments p WHERE p.session_id = s.id AND p.superseded_by IS NULL) AS payments,
      (SELECT coalesce(json_agg(coalesce(lp.verdict, 'undecided') ORDER BY lp.operation_id, lp.tx_hash), '[]')
        FROM settlement.ledger_payments lp
        WHERE lp.account = s.receiving_account AND lp.reference = s.memo) AS verdicts,
      (SELECT coalesce(json_agg(e.type ORDER BY e.type), '[]') FROM settlement.events e
        WHERE e.session_id = s.id) AS events,
      (SELECT coalesce(json_agg(d.event ORDER BY d.sequence), '[]') FROM webhook_deliveries d
        WHERE d.session_id = s.id) AS deliveries,
      (SELECT coalesce(json_agg(a.kind ORDER BY a.kind), '[]') FROM settlement.attention a
        WHERE a.subject = s.id::text AND a.resolved_at IS NULL) AS attention
    FROM checkout_sessions s WHERE s.id = $1`,
    [sessionId],
  );
  if (!state) throw new Error(`There is no session ${sessionId}.`);
  return state;
}
