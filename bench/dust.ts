/**
 * What a session costs by the number of payments that strangers send it: a curve for each thing that is done with a session.
 *   node_modules/.bin/node bench/dust.ts [--all | payments …]      (--all: up to 500,000; it takes minutes)
 * Exits 1 when one of the first five costs over twice as much beside the most as beside the fewest.
 */
import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { auditDatabase } from '../src/db/audit.ts';
import { connect, type Database } from '../src/db/connection.ts';
import { nextDeliveries } from '../src/db/deliveries.ts';
import { migrate } from '../src/db/migrate.ts';
import { explainPayments, heldPayments } from '../src/db/payments.ts';
import { lookTogether, settleOnce, settleTogether } from '../src/db/settle.ts';
import { viewSession } from '../src/db/view.ts';
import { startPostgres } from '../src/sandbox/postgres.ts';
import { account } from './accounts.ts';

/** Beside the most payments it may cost so many times what it costs beside the fewest; below a floor nobody measures. */
const [BAR, FLOOR_MS] = [2, 4];
/** The middle one of so many is told. */
const TIMES = 7;
const LEDGER = 1_000;
const OPENED = '2026-01-01T00:00:00Z';

type Row = { payments: number; bytes: number; ms: Record<string, number> };

const given = process.argv.slice(2).map(Number).filter(Number.isFinite);
const usual = [5, 500, 5_000, 50_000];
const sizes = process.argv.includes('--all')
  ? [...usual, 500_000]
  : given.length > 0
    ? given
    : usual;

const postgres = await startPostgres({ progress: () => undefined });
const url = await postgres.createDatabase('dust');
await migrate(url, { networkPassphrase: 'bench' });
const database = connect(url, { max: 3 });
const client = new Client({ connectionString: url });
await client.connect();
const rows: Row[] = [];
for (const size of sizes) rows.push(await measure(size));
await client.end();
await database.close();
await postgres.stop();
report();

async function measure(payments: number): Promise<Row> {
  const id = await openSession();
  await dust(id, 0, payments);
  await client.query('VACUUM ANALYZE');
  const filled = performance.now();
  await settleTogether(database.pool, [id]);
  const perPayment = (performance.now() - filled) / payments;
  await client.query('VACUUM ANALYZE');
  const { db, pool }: Database = database;
  const { rows: found } = await client.query<{ tx_hash: string }>(
    'SELECT tx_hash FROM settlement.ledger_payments WHERE session_id = $1 LIMIT 1',
    [id],
  );
  const hash = found[0]?.tx_hash ?? '';
  let next = payments;
  const ms = {
    settle: await timed(
      async () => void (await settleOnce(pool, [id])),
      () => dust(id, next++, 1),
    ),
    look: await timed(async () => void (await lookTogether(db, [id]))),
    view: await timed(async () => void (await viewSession(db, id, new Date()))),
    send: await timed(async () => void (await nextDeliveries(db, id))),
    why: await timed(async () => void (await explainPayments(db, hash))),
    held: await timed(async () => void (await heldPayments(db)), undefined, 1),
    audit: await timed(async () => void (await auditDatabase(url)), undefined, 1),
    'settle each': perPayment,
  };
  const bytes = Buffer.byteLength(JSON.stringify(await viewSession(db, id, new Date())));
  return { payments, bytes, ms };
}

async function timed(
  work: () => Promise<void>,
  before: () => Promise<void> = () => Promise.resolve(),
  times = TIMES,
): Promise<number> {
  const taken: number[] = [];
  for (let i = 0; i < times; i += 1) {
    await before();
    const started = performance.now();
    await work();
    taken.push(performance.now() - started);
  }
  return taken.sort((a, b) => a - b)[Math.floor(times / 2)] ?? 0;
}

/** A session of ten lumens whose account is read, and an endpoint that wants every event. */
async function openSession(): Promise<string> {
  const [id, merchant] = [randomUUID(), randomUUID()];
  const shop = account(String(rows.length));
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
    `INSERT INTO settlement.ledgers (sequence, hash, closed_at, operation_count)
     SELECT i, md5(i::text), $1::timestamptz + i * interval '1 second', 0 FROM generate_series(1, 2000) i
     ON CONFLICT DO NOTHING`,
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

/** Payments of a stroop of another asset, the `from`-th and those behind it. */
async function dust(id: string, from: number, count: number): Promise<void> {
  await client.query(
    `WITH dust AS (
       INSERT INTO settlement.ledger_payments (tx_hash, op_index, sub_index, operation_id, ledger, closed_at, type,
         account, sender, asset_code, asset_issuer, amount, reference, reference_source)
       SELECT md5(s.id::text || i) || md5(i || s.id::text), 0, 0, (${LEDGER}::bigint << 32) + i * 4096 + 1, ${LEDGER},
         s.created_at + interval '1000 seconds', 'payment', s.receiving_account, s.receiving_account, 'DUST',
         s.receiving_account, 0.0000001, s.memo, 'memo_id'
       FROM checkout_sessions s, generate_series($2::int, $2::int + $3::int - 1) i WHERE s.id = $1
       RETURNING tx_hash, op_index, sub_index)
     INSERT INTO settlement.undecided_payments (tx_hash, op_index, sub_index) SELECT * FROM dust`,
    [id, from, count],
  );
}

function report(): void {
  const names = Object.keys(rows[0]?.ms ?? {});
  console.log(['payments', 'view bytes', ...names.map((name) => `${name} ms`)].join('\t'));
  for (const { payments, bytes, ms } of rows) {
    console.log([payments, bytes, ...names.map((name) => ms[name]?.toFixed(2))].join('\t'));
  }
  const [first, last] = [rows[0], rows.at(-1)];
  if (first === undefined || last === undefined) return;
  for (const name of ['settle', 'look', 'view', 'send', 'why'] as const) {
    const [few, many] = [first.ms[name] ?? 0, last.ms[name] ?? 0];
    const isFlat = many <= BAR * Math.max(few, FLOOR_MS);
    console.log(
      `${isFlat ? 'flat' : 'NOT FLAT'}: ${name}, ${few.toFixed(2)} ms and ${many.toFixed(2)} ms`,
    );
    if (!isFlat) process.exitCode = 1;
  }
}
