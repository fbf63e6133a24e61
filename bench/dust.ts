/**
 * What a session costs by the number of payments that strangers send it: a curve for each thing that is done with a session.
 *   node_modules/.bin/node bench/dust.ts [payments …]      (5 to 500,000 unless given; it takes minutes)
 * Exits 1 when something that must be flat costs over twice as much beside the most payments as beside the fewest, or when
 * the audit's memory grows. The figures are written to bench/results/dust.txt when all sizes are measured.
 */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { auditDatabase } from '../src/db/audit.ts';
import { auditSessions } from '../src/db/audit-sessions.ts';
import { inSnapshot } from '../src/db/audit-snapshot.ts';
import { connect, type Db } from '../src/db/connection.ts';
import { nextDeliveries } from '../src/db/deliveries.ts';
import { findSessions } from '../src/db/discrepancies.ts';
import { heldSessions } from '../src/db/held.ts';
import { heldOfGone, heldWithoutSession } from '../src/db/held-strays.ts';
import { migrate } from '../src/db/migrate.ts';
import { explainPayments } from '../src/db/payments.ts';
import { lookTogether, settleOnce } from '../src/db/settle.ts';
import { createSettleQueue } from '../src/db/settle-queue.ts';
import { findOverdueEvents, findUndecided } from '../src/db/unfinished.ts';
import { viewSession } from '../src/db/view.ts';
import { startPostgres } from '../src/sandbox/postgres.ts';
import { dust, openSession } from './dust-rows.ts';

/** Beside the most payments it may cost so many times what it costs beside the fewest; below the floor nobody measures. */
const [BAR, FLOOR_MS] = [2, 4];
/** The audit's process may grow by so much. */
const MOST_GROWTH_MB = 60;
/** The middle one of so many is told. */
const TIMES = 9;
/** What must be flat. */
const FLAT = ['settle', 'look', 'view', 'send', 'why', 'held', 'reconcile', 'audit of another'];

type Audit = { ms: number; peakMb: number; findings: number };
type Row = { payments: number; bytes: number; ms: Record<string, number>; audit: Audit };

const [mode, address] = process.argv.slice(2);
if (mode === '--audit' && address !== undefined) await auditHere(address);
else await measureAll();

async function auditHere(url: string): Promise<void> {
  const started = performance.now();
  const { findings } = await auditDatabase(url);
  const ms = performance.now() - started;
  const peakMb = process.resourceUsage().maxRSS / 1024;
  const [first] = findings;
  if (first !== undefined) console.error(first);
  console.log(JSON.stringify({ ms, peakMb, findings: findings.length } satisfies Audit));
}

/** Each audit is a process of its own, so that its peak is its own. */
function audit(url: string): Promise<Audit> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), '--audit', url], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout.on('data', (chunk) => (out += String(chunk)));
  return new Promise((resolve, reject) => {
    child.once('close', (code) => {
      if (code === 0) resolve(JSON.parse(out) as Audit);
      else reject(new Error(`The audit ended with ${code}.`));
    });
  });
}

async function measureAll(): Promise<void> {
  const given = process.argv.slice(2).map(Number).filter(Number.isFinite);
  const sizes = given.length > 0 ? given : [5, 500, 5_000, 50_000, 500_000];
  const postgres = await startPostgres({ progress: () => undefined });
  const rows: Row[] = [];
  for (const size of sizes) {
    const url = await postgres.createDatabase(`dust_${size}`);
    await migrate(url, { networkPassphrase: 'bench' });
    rows.push(await measure(url, size));
    console.error(`# ${JSON.stringify(rows.at(-1))}`);
  }
  await postgres.stop();
  const lines = report(rows);
  console.log(lines.join('\n'));
  if (given.length === 0) {
    writeFileSync(new URL('results/dust.txt', import.meta.url), `${lines.join('\n')}\n`);
  }
}

async function measure(url: string, payments: number): Promise<Row> {
  const database = connect(url, { max: 3 });
  const client = new Client({ connectionString: url });
  await client.connect();
  const { db, pool } = database;
  const [id, other] = [await openSession(client, 0), await openSession(client, 1)];
  await dust(client, id, 0, payments);
  await dust(client, other, 0, 5);
  await client.query('VACUUM ANALYZE');
  const queue = createSettleQueue(database);
  await queue.settle(other);
  const filling = performance.now();
  for (let isMore = true; isMore;) isMore = (await queue.settle(id))?.isMore === true;
  const each = (performance.now() - filling) / payments;
  await client.query('VACUUM ANALYZE');
  const { rows: found } = await client.query<{ tx_hash: string }>(
    'SELECT tx_hash FROM settlement.ledger_payments WHERE session_id = $1 LIMIT 1',
    [id],
  );
  const hash = found[0]?.tx_hash ?? '';
  let next = payments;
  const ms = {
    settle: await timed(
      async () => void (await settleOnce(pool, [id])),
      () => dust(client, id, next++, 1),
    ),
    look: await timed(async () => void (await lookTogether(db, [id]))),
    view: await timed(async () => void (await viewSession(db, id, new Date()))),
    send: await timed(async () => void (await nextDeliveries(db, id))),
    why: await timed(async () => void (await explainPayments(db, hash))),
    held: await timed(() => held(db)),
    reconcile: await timed(() => reconcile(db)),
    'audit of another': await timed(async () => {
      await inSnapshot(db, (snapshot) => auditSessions(snapshot, [other]));
    }),
    'held, all of it': await timed(() => heldAll(db), undefined, 1),
    'settle each': each,
  };
  const bytes = Buffer.byteLength(JSON.stringify(await viewSession(db, id, new Date())));
  await client.end();
  await database.close();
  return { payments, bytes, ms, audit: await audit(url) };
}

/** What `settle payments held` shows at once. */
async function held(db: Db): Promise<void> {
  await heldSessions(db, null, null);
  for await (const _ of heldWithoutSession(db)) break;
}

/** The inbox whole, for what was judged for sessions that are gone. */
async function heldAll(db: Db): Promise<void> {
  for await (const _ of heldOfGone(db));
}

/** What a pass of reconciliation asks. */
async function reconcile(db: Db): Promise<void> {
  await findUndecided(db);
  await findOverdueEvents(db, null);
  for (const kind of [
    'stuck_processing',
    'paid_without_payment',
    'unsettled_payment',
    'foreign_ending',
    'not_in_care',
    'overdue',
  ] as const) {
    await findSessions(db, kind, { after: null, thorough: false });
  }
}

async function timed(
  work: () => Promise<void>,
  before: () => Promise<void> = () => Promise.resolve(),
  times = TIMES,
): Promise<number> {
  const taken: number[] = [];
  // The first one opens connections and plans.
  for (let i = 0; i <= times; i += 1) {
    await before();
    const started = performance.now();
    await work();
    if (i > 0 || times === 1) taken.push(performance.now() - started);
  }
  return taken.sort((a, b) => a - b)[Math.floor(taken.length / 2)] ?? 0;
}

function report(rows: readonly Row[]): string[] {
  const names = Object.keys(rows[0]?.ms ?? {});
  const lines = [
    ['payments', 'view bytes', ...names.map((name) => `${name} ms`), 'audit ms', 'audit MB'].join(
      '\t',
    ),
    ...rows.map(({ payments, bytes, ms, audit: { ms: time, peakMb } }) =>
      [
        payments,
        bytes,
        ...names.map((name) => ms[name]?.toFixed(2)),
        time.toFixed(0),
        peakMb.toFixed(0),
      ].join('\t'),
    ),
  ];
  const [first, last] = [rows[0], rows.at(-1)];
  if (first === undefined || last === undefined) return lines;
  const judge = (isGood: boolean, text: string) => {
    lines.push(`${isGood ? 'good' : 'NOT GOOD'}: ${text}`);
    if (!isGood) process.exitCode = 1;
  };
  for (const name of FLAT) {
    const [few, many] = [first.ms[name] ?? 0, last.ms[name] ?? 0];
    judge(
      many <= BAR * Math.max(few, FLOOR_MS),
      `${name}, ${few.toFixed(2)} ms and ${many.toFixed(2)} ms`,
    );
  }
  const grown = last.audit.peakMb - first.audit.peakMb;
  judge(grown <= MOST_GROWTH_MB, `the audit's memory grows by ${grown.toFixed(0)} MB`);
  judge(
    rows.every(({ audit: { findings } }) => findings === 0),
    'the audit finds nothing',
  );
  return lines;
}
