/**
 * A database that the older backend has filled, with every state and every defect's aftermath that rows can hold, is
 * adopted while that backend's API goes on writing. The ledger says what each session must become.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { MuxedAccount, Operation, Account, Asset } from '@stellar/stellar-sdk';
import { referenceFor } from '../../src/db/ids.ts';
import { checkAdoption } from '../../src/db/adopt.ts';
import { migrate } from '../../src/db/migrate.ts';
import { BACKEND_SCHEMA } from '../db/backend.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { startReconciling, type Reconciling } from './reconciling.ts';

/** What the backend's row says, what came, and what the session must become. */
type Kind = {
  readonly status: string;
  /** Payments, in lumens: in time, and after the deadline. */
  readonly inTime?: readonly string[];
  readonly late?: readonly string[];
  /** Rows in `payments`: how many. */
  readonly rows?: number;
  readonly rowAmount?: string;
  /** Deliveries of payment.confirmed, by status. */
  readonly deliveries?: readonly string[];
  /** Still open for half an hour. */
  readonly young?: boolean;
  readonly asset?: string;
  readonly becomes: string;
  /** Events payment.confirmed that are ours afterwards: made, or taken over. */
  readonly told: number;
  readonly attention?: string;
};

const KINDS: Readonly<Record<string, Kind>> = {
  'paid and told': {
    status: 'paid',
    inTime: ['10'],
    rows: 1,
    deliveries: ['delivered'],
    becomes: 'paid',
    told: 0,
  },
  'paid, its webhook still open': {
    status: 'paid',
    inTime: ['10'],
    rows: 1,
    deliveries: ['failed'],
    becomes: 'paid',
    told: 1,
  },
  'paid, two webhooks of it open (D24)': {
    status: 'paid',
    inTime: ['10'],
    rows: 1,
    deliveries: ['pending', 'pending'],
    becomes: 'paid',
    told: 1,
  },
  'paid, told, a second webhook open (D24)': {
    status: 'paid',
    inTime: ['10'],
    rows: 1,
    deliveries: ['delivered', 'pending'],
    becomes: 'paid',
    told: 0,
  },
  'paid before our time, nobody knows whether told': {
    status: 'paid',
    inTime: ['10'],
    rows: 1,
    becomes: 'paid',
    told: 0,
  },
  'paid without a row (D27)': { status: 'paid', inTime: ['10'], becomes: 'paid', told: 1 },
  'paid without a row or money': {
    status: 'paid',
    becomes: 'paid',
    told: 0,
    attention: 'paid_without_evidence',
  },
  'pending for ever, though paid (D1, D12)': {
    status: 'pending',
    inTime: ['10'],
    becomes: 'paid',
    told: 1,
  },
  'pending for ever, unpaid (D2)': { status: 'pending', becomes: 'expired', told: 0 },
  'expired, though paid in time (D20)': {
    status: 'expired',
    inTime: ['10'],
    becomes: 'paid',
    told: 1,
  },
  'expired, unpaid': { status: 'expired', becomes: 'expired', told: 0 },
  'expired, paid too late (D10)': { status: 'expired', late: ['10'], becomes: 'expired', told: 0 },
  'cancelled, though paid (D25)': { status: 'cancelled', inTime: ['10'], becomes: 'paid', told: 1 },
  // A cancellation counts from the ledger on by which it is seen: here that is after the deadline.
  'cancelled, unpaid': { status: 'cancelled', becomes: 'expired', told: 0 },
  'stuck in processing, paid (D19)': {
    status: 'processing',
    inTime: ['10'],
    becomes: 'paid',
    told: 1,
  },
  'stuck in processing, unpaid and open': {
    status: 'processing',
    young: true,
    becomes: 'pending',
    told: 0,
  },
  'a row, but pending': { status: 'pending', inTime: ['10'], rows: 1, becomes: 'paid', told: 1 },
  'a row, but expired, and told (D25)': {
    status: 'expired',
    inTime: ['10'],
    rows: 1,
    deliveries: ['delivered'],
    becomes: 'paid',
    told: 0,
  },
  'two rows (D24)': {
    status: 'paid',
    inTime: ['10', '10'],
    rows: 2,
    deliveries: ['delivered'],
    becomes: 'paid',
    told: 0,
  },
  'paid in parts of one transaction (D9, D11)': {
    status: 'expired',
    inTime: ['4', '6'],
    becomes: 'paid',
    told: 1,
  },
  'one stroop short, but paid (D8)': {
    status: 'paid',
    inTime: ['9.9999999'],
    rows: 1,
    rowAmount: '9.9999999',
    deliveries: ['delivered'],
    becomes: 'paid',
    told: 0,
    attention: 'paid_but_short',
  },
  'an issued asset without issuer, paid in lumens (D5)': {
    status: 'pending',
    asset: 'USDC',
    inTime: ['10'],
    becomes: 'expired',
    told: 0,
  },
  'open, and paid while nobody looked': {
    status: 'pending',
    young: true,
    inTime: ['10'],
    becomes: 'paid',
    told: 1,
  },
  'open, unpaid': { status: 'pending', young: true, becomes: 'pending', told: 0 },
};

const EACH = 130;
const MINUTE = 60_000;

type Session = {
  id: string;
  memo: string;
  kind: string;
  opened: Date;
  expires: Date;
  hashes: string[];
};

let database: TestDatabase;
let it: Reconciling;
const sessions: Session[] = [];
let colliding: string[];

beforeAll(async () => {
  database = await createTestDatabase({ template: null });
  await database.rows(BACKEND_SCHEMA);
  it = await startReconciling(database);
  await it.ledger.fund(it.customer.address, '1000000');
  for (const [kind, { young = false }] of Object.entries(KINDS)) {
    for (let i = 0; i < EACH; i += 1) {
      const id = randomUUID();
      const opened = new Date(Date.now() - (young ? 20 : 90) * MINUTE);
      const expires = new Date(opened.getTime() + (young ? 120 : 30) * MINUTE);
      sessions.push({ id, memo: referenceFor(id), kind, opened, expires, hashes: [] });
    }
  }
  await putOnLedger('inTime', 85, ({ young }) => young !== true);
  await putOnLedger('late', 40, () => true);
  await putOnLedger('inTime', 15, ({ young }) => young === true);
  await writeRows();
}, 120_000);
afterAll(() => it.close());

/** Pays sessions in transactions of up to 100 operations, each to a muxed address; the parts of a session stay together. */
async function putOnLedger(
  when: 'inTime' | 'late',
  minutesAgo: number,
  which: (kind: Kind) => boolean,
): Promise<void> {
  const at = (Date.now() - minutesAgo * MINUTE) / 1000;
  it.pass(Math.max(Math.ceil(at - it.ledger.chain.history.latest().closedAt), 1));
  const due = sessions.filter(({ kind }) => which(KINDS[kind] as Kind));
  const payments = due.flatMap((session) =>
    ((KINDS[session.kind] as Kind)[when] ?? []).map((amount) => ({ session, amount })),
  );
  // An even number: nobody's two parts are torn apart.
  for (let i = 0; i < payments.length; i += 98) {
    const batch = payments.slice(i, i + 98);
    const paid = await it.customer.run(
      batch.map(({ session, amount }) =>
        Operation.payment({
          destination: new MuxedAccount(
            new Account(it.shop.address, '0'),
            session.memo,
          ).accountId(),
          asset: Asset.native(),
          amount,
        }),
      ),
      { fee: '20000' },
    );
    expect(paid.successful).toBe(true);
    for (const { session } of batch) session.hashes.push(paid.hash);
  }
}

/** The rows as the backend left them, in few statements. */
async function writeRows(): Promise<void> {
  const merchant = await database.rows<{ id: string }>('SELECT id FROM merchants');
  const merchantId = merchant[0]?.id;
  await database.rows(
    `INSERT INTO checkout_sessions (id, merchant_id, amount, asset_code, receiving_account, memo, status, created_at, expires_at)
     SELECT x.id, $2::uuid, 10, x.asset, $3, x.memo, x.status::session_status, x.opened, x.expires
     FROM jsonb_to_recordset($1::jsonb) AS x(id uuid, asset text, memo text, status text, opened timestamptz, expires timestamptz)`,
    [
      JSON.stringify(
        sessions.map((s) => ({
          ...s,
          status: KINDS[s.kind]?.status,
          asset: KINDS[s.kind]?.asset ?? 'XLM',
        })),
      ),
      merchantId,
      it.shop.address,
    ],
  );
  const rows = sessions.flatMap((s) =>
    Array.from({ length: KINDS[s.kind]?.rows ?? 0 }, (_, n) => ({
      id: s.id,
      // The second row names another transaction, as two detectors saw them.
      hash: n === 0 ? (s.hashes[0] ?? '') : randomUUID().replaceAll('-', '').repeat(2),
      amount: KINDS[s.kind]?.rowAmount ?? '10',
      at: new Date(s.opened.getTime() + (n + 5) * MINUTE),
    })),
  );
  await database.rows(
    `INSERT INTO payments (session_id, merchant_id, tx_hash, amount, asset_code, sender_address, confirmed_at, created_at)
     SELECT x.id, $2::uuid, x.hash, x.amount, 'XLM', $3, x.at, x.at
     FROM jsonb_to_recordset($1::jsonb) AS x(id uuid, hash text, amount numeric, at timestamptz)`,
    [JSON.stringify(rows), merchantId, it.customer.address],
  );
  const deliveries = sessions.flatMap((s) =>
    (KINDS[s.kind]?.deliveries ?? []).map((status, n) => ({ id: s.id, status, sequence: n + 1 })),
  );
  await database.rows(
    `INSERT INTO webhook_deliveries (merchant_id, session_id, event, payload, delivery_id, sequence, status, created_at)
     SELECT $2::uuid, x.id, 'payment.confirmed', '{}', gen_random_uuid(), x.sequence, x.status::webhook_delivery_status, now() - interval '80 minutes'
     FROM jsonb_to_recordset($1::jsonb) AS x(id uuid, status text, sequence int)`,
    [JSON.stringify(deliveries), merchantId],
  );
  // Two sessions with one memo (D4), and an ended one from long before.
  colliding = [randomUUID(), randomUUID()];
  await database.rows(
    `INSERT INTO checkout_sessions (id, merchant_id, amount, asset_code, receiving_account, memo, status, created_at, expires_at)
     SELECT id, $2::uuid, 10, 'XLM', $3, '777', 'pending'::session_status, now() - interval '90 minutes', now() - interval '60 minutes'
     FROM unnest($1::uuid[]) id
     UNION ALL SELECT gen_random_uuid(), $2::uuid, 10, 'XLM', $3, 'old' || n, 'expired'::session_status, now() - interval '90 days', now() - interval '89 days'
     FROM generate_series(1, 100) n`,
    [colliding, merchantId, it.shop.address],
  );
}

/** The backend's API, which goes on: it expires on reading and cancels, whatever the session is meanwhile (D25). */
async function keepWriting(until: { over: boolean }): Promise<number> {
  let writes = 0;
  const young = new Set(sessions.filter((s) => KINDS[s.kind]?.young).map((s) => s.id));
  const old = sessions.filter((s) => !young.has(s.id));
  for (let i = 0; !until.over; i += 7) {
    const { id, kind } = old[i % old.length] as Session;
    const status = KINDS[kind]?.status === 'cancelled' ? 'cancelled' : 'expired';
    // Not over a session that was `paid` for the backend: its GET expires open ones only, but with a stale read.
    if (KINDS[kind]?.status !== 'paid') {
      await database.rows(
        `UPDATE checkout_sessions SET status = $2::session_status WHERE id = $1`,
        [id, status],
      );
      writes += 1;
    }
    await sleep(2);
  }
  return writes;
}

test('every session comes into its right state, is told once, and the audit is green', async () => {
  const before = await checkAdoption(database.url, null);
  expect(before).toMatchObject({ migrated: false, stops: [], doubledPayments: EACH });
  expect(before.adds.tables).toEqual(['webhook_endpoints', 'payment_links']);
  expect(before.sessions).toMatchObject({ all: sessions.length + 102, endedBefore: 100 });

  await migrate(database.url, { networkPassphrase: it.ledger.networkPassphrase });
  await database.rows('UPDATE settlement.network SET adopted_at = now()');
  const writing = { over: false };
  const writer = keepWriting(writing);
  await it.catchUp();
  await it.reconcile();
  await it.catchUp();
  await it.reconcile();
  writing.over = true;
  expect(await writer).toBeGreaterThan(50);
  // A `processing` that settle has seen first is timed from there, and shown for two minutes.
  await database.rows(
    `UPDATE checkout_sessions SET processing_since = now() - interval '6 minutes' WHERE status = 'processing'`,
  );
  for (let run = 0; ; run += 1) {
    await it.catchUp();
    const active = await database.rows<{ id: string }>(
      'SELECT session_id AS id FROM settlement.active_sessions',
    );
    for (const { id } of active) it.running.add(id);
    const { event_overdue: _, ...found } = await it.reconcile();
    if (Object.keys(found).length === 0) break;
    expect(run).toBeLessThan(5);
  }

  const states = await database.rows<{
    id: string;
    status: string;
    rows: number;
    told: number;
    attention: string | null;
  }>(`SELECT s.id, s.status,
      (SELECT count(*)::int FROM payments p WHERE p.session_id = s.id AND superseded_by IS NULL) AS rows,
      (SELECT count(*)::int FROM settlement.events e WHERE e.session_id = s.id AND type = 'payment.confirmed') AS told,
      (SELECT string_agg(kind, ', ' ORDER BY kind) FROM settlement.attention a
        WHERE a.subject = s.id::text AND resolved_at IS NULL) AS attention
    FROM checkout_sessions s`);
  const byId = new Map(states.map((state) => [state.id, state]));
  const wrong = sessions.flatMap((s) => {
    const { becomes, told, attention = null } = KINDS[s.kind] as Kind;
    const is = byId.get(s.id);
    const should = {
      id: s.id,
      status: becomes,
      told,
      attention,
      rows: becomes === 'paid' && s.kind !== 'paid without a row or money' ? 1 : 0,
    };
    return JSON.stringify(is, Object.keys(should).sort()) ===
      JSON.stringify(should, Object.keys(should).sort())
      ? []
      : [{ kind: s.kind, is, should }];
  });
  expect(
    Object.entries(Object.groupBy(wrong, (w) => w.kind)).map(([kind, all]) => [
      kind,
      all?.length,
      all?.[0],
    ]),
  ).toEqual([]);
  const open = await database.rows(
    `SELECT count(*)::int AS n FROM webhook_deliveries WHERE event_id IS NULL AND status IN ('pending', 'failed')`,
  );
  expect(open).toEqual([{ n: 0 }]);
  const old = await database.rows(`SELECT count(*)::int AS n FROM checkout_sessions WHERE legacy`);
  expect(old).toEqual([{ n: 100 }]);
  expect(await it.audited()).toEqual([]);
}, 180_000);

test('a database that cannot be adopted is told so, with what to do', async () => {
  const foreign = await createTestDatabase({ template: null });
  await foreign.rows('CREATE TABLE checkout_sessions (id uuid)');
  const { stops } = await checkAdoption(foreign.url, null);
  expect(stops).toEqual([expect.stringContaining('merchants, payments')]);
  await foreign.close();
  const empty = await createTestDatabase({ template: null });
  expect(await checkAdoption(empty.url, null)).toMatchObject({ stops: [], sessions: { all: 0 } });
  await empty.close();
});
