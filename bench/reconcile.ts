/**
 * What it costs reconciliation to look: every statement that it executes to find what is wrong, as it executes it, with
 * EXPLAIN (ANALYZE, BUFFERS), by number of finished sessions, a hundred broken rows of every kind beside them.
 * Buffers do not vary from machine to machine; times do. bench/reconcile-price.ts shows what the indexes cost settle.
 *   node_modules/.bin/node bench/reconcile.ts [sessions …] [--plans]
 */
import { drizzle } from 'drizzle-orm/node-postgres';
import { Client } from 'pg';
import { connect, type Db } from '../src/db/connection.ts';
import { findSessions, type SessionDiscrepancy } from '../src/db/discrepancies.ts';
import { migrate } from '../src/db/migrate.ts';
import { accountsToReadAgain } from '../src/db/read-again.ts';
import * as schema from '../src/db/schema/index.ts';
import { findWrongTotals } from '../src/db/totals-check.ts';
import {
  findForeignDeliveries,
  findOverdueEvents,
  findUndecided,
  takeUnchecked,
} from '../src/db/unfinished.ts';
import { newestReading } from '../src/db/watching.ts';
import { startPostgres } from '../src/sandbox/postgres.ts';
import { breakRows, fill } from './reconcile-rows.ts';

const withPlans = process.argv.includes('--plans');
const given = process.argv.slice(2).map(Number).filter(Number.isFinite);
const sizes = given.length > 0 ? given : [10_000, 100_000, 1_000_000];

type Statement = { readonly sql: string; readonly params: unknown[] };
/** A node of EXPLAIN's answer; its buffers include those of the nodes below. */
type Plan = {
  'Node Type': string;
  'Index Name'?: string;
  'Relation Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Shared Hit Blocks': number;
  'Shared Read Blocks': number;
  Plans?: Plan[];
};
type Explained = { Plan: Plan; 'Execution Time': number };
/** The median of this many times is taken: a look takes a millisecond, and the machine has other things to do. */
const TURNS = 9;
type Measured = {
  readonly found: number;
  readonly buffers: number;
  readonly ms: number;
  readonly plan: Plan;
};

const sessions = (kind: SessionDiscrepancy, thorough: boolean) => async (db: Db) =>
  (await findSessions(db, kind, { after: null, thorough })).found.length;

/** What a run asks, by kind; and what it asks once a day. */
const LOOKS: Readonly<Record<string, (db: Db) => Promise<number>>> = {
  watcher_silent: async (db) => ((await newestReading(db)).at === null ? 0 : 1),
  missed_payment: async (db) => (await accountsToReadAgain(db, 50)).length,
  'wrong_totals, daily': async (db) => (await findWrongTotals(db, null)).found.length,
  undecided_payment: async (db) => (await findUndecided(db)).length,
  stuck_processing: sessions('stuck_processing', false),
  paid_without_payment: sessions('paid_without_payment', false),
  unsettled_payment: sessions('unsettled_payment', false),
  foreign_ending: sessions('foreign_ending', false),
  not_in_care: sessions('not_in_care', false),
  'not_in_care, daily': sessions('not_in_care', true),
  overdue: sessions('overdue', false),
  foreign_delivery: async (db) => (await findForeignDeliveries(db, null)).found.length,
  event_overdue: async (db) => (await findOverdueEvents(db, null)).found.length,
  no_run: async (db) => (await takeUnchecked(db)).length,
};

const postgres = await startPostgres({ progress: () => undefined });
console.log('kind                   sessions  found  buffers  per row       ms  reads by');
let atFirst: number | undefined;
for (const size of sizes) {
  const started = performance.now();
  const url = await postgres.createDatabase(`reconcile_${size}`);
  await migrate(url, { networkPassphrase: 'bench' });
  const client = new Client({ connectionString: url });
  await client.connect();
  await fill(client, size);
  await breakRows(client);
  await client.query('VACUUM ANALYZE');
  await client.end();
  console.log(
    `# ${size} sessions are there after ${((performance.now() - started) / 1000).toFixed(0)} s`,
  );
  let total = 0;
  for (const [kind, look] of Object.entries(LOOKS)) {
    const measured = await measure(url, look);
    print(kind, size, measured);
    if (!kind.includes('daily')) total += measured.buffers;
  }
  atFirst ??= total;
  console.log(
    `all of a run           ${String(size).padStart(8)}         ${String(total).padStart(6)}  ${(total / atFirst).toFixed(2)} times the first`,
  );
}
await postgres.stop();

/** Executes the product's own function in a transaction that is rolled back, and explains the statement it has sent. */
async function measure(url: string, look: (db: Db) => Promise<number>): Promise<Measured> {
  const database = connect(url, { max: 1 });
  const client = await database.pool.connect();
  const sent: Statement[] = [];
  const db = drizzle(client, {
    schema,
    logger: { logQuery: (sql, params) => void sent.push({ sql, params }) },
  });
  const inVain = async <T>(work: () => Promise<T>): Promise<T> => {
    await client.query('BEGIN');
    try {
      return await work();
    } finally {
      await client.query('ROLLBACK');
    }
  };
  const found = await inVain(() => look(db));
  const [statement, ...others] = sent;
  if (statement === undefined || others.length > 0) {
    throw new Error(`One statement was expected, not ${sent.length}.`);
  }
  const explained: Explained[] = [];
  for (let turn = 0; turn < TURNS; turn += 1) {
    const { rows } = await inVain(() =>
      client.query<{ 'QUERY PLAN': [Explained] }>(
        `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${statement.sql}`,
        statement.params,
      ),
    );
    explained.push(...(rows[0]?.['QUERY PLAN'] ?? []));
  }
  client.release();
  await database.close();
  // Later turns find what the earlier ones have written and rolled back: their pages are not counted.
  const [first] = explained;
  const times = explained.map((e) => e['Execution Time']).sort((a, b) => a - b);
  const ms = times[Math.floor(times.length / 2)];
  if (first === undefined || ms === undefined) throw new Error('EXPLAIN has answered nothing.');
  const { Plan: plan } = first;
  return { found, plan, ms, buffers: buffersOf(plan) };
}

function buffersOf(plan: Plan): number {
  return plan['Shared Hit Blocks'] + plan['Shared Read Blocks'];
}

function print(kind: string, size: number, { found, buffers, ms, plan }: Measured): void {
  const columns = [
    kind.padEnd(21),
    String(size).padStart(8),
    String(found).padStart(5),
    String(buffers).padStart(7),
    (buffers / Math.max(found, 1)).toFixed(1).padStart(7),
    ms.toFixed(2).padStart(7),
    [...new Set(accesses(plan))].join(', '),
  ];
  console.log(columns.join('  '));
  if (withPlans) console.log(inWords(plan).join('\n'));
}

/** The indexes that a plan reads, and the tables that it reads whole. */
function accesses(plan: Plan): string[] {
  const { 'Node Type': type, 'Index Name': index, 'Relation Name': relation } = plan;
  const here = index ?? (type.endsWith('Seq Scan') ? `all of ${relation}` : undefined);
  return [...(here === undefined ? [] : [here]), ...(plan.Plans ?? []).flatMap(accesses)];
}

/** The plan without what says nothing: which node reads which table by which index, how often, how many pages. */
function inWords(plan: Plan, depth = 1): string[] {
  const { 'Node Type': type, 'Index Name': index, 'Relation Name': relation } = plan;
  const over = [index, relation].filter((name) => name !== undefined).join(' on ');
  const rows = `rows=${plan['Actual Rows']} loops=${plan['Actual Loops']} buffers=${buffersOf(plan)}`;
  return [
    `${'  '.repeat(depth)}${type}${over && ` ${over}`}  ${rows}`,
    ...(plan.Plans ?? []).flatMap((below) => inWords(below, depth + 1)),
  ];
}
