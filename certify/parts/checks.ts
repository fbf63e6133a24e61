/**
 * What must be so when a round is at rest: from the ledger's own books, what reached the receiver, the rows and
 * Temporal's list. But for `settle audit`, which is one of the checks, nothing here is computed by the product.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { auditDatabase } from '../../src/db/audit.ts';
import { formatAmount } from '../../src/domain/money.ts';
import { sessionWorkflowId } from '../../src/workflows/contract.ts';
import { arrivals, type Arrival } from '../../test/pipeline/model.ts';
import type { Post } from './merchant.ts';
import { outcome } from './outcome.ts';
import { expected } from './rest.ts';
import type { Stack } from './stack.ts';
import { collect, type Part, type Violation } from './violation.ts';
import { OF_WORKERS } from './worker.ts';
import type { RoundSession, Workload } from './workload.ts';

/** Makes every check; `counted` says how many single facts were looked at. */
export async function check(
  stack: Stack,
  workload: Workload,
): Promise<{ violations: Violation[]; counted: number }> {
  const { sessions } = workload;
  const all = await expected(stack);
  const posts = Map.groupBy(stack.merchant.posts, sessionOf);
  const parts = await Promise.all([
    audited(stack),
    conserved(stack, all),
    edges(stack),
    runs(stack, sessions),
    processes(stack),
    ...sessions.map((session) => outcome(stack, session, all, posts.get(session.id) ?? [])),
  ]);
  const violations = parts.flatMap((part) => part.violations);
  for (const problem of stack.proxy.undisciplined.splice(0)) {
    violations.push({ check: 'isolation', problem });
  }
  for (const problem of workload.complaints) violations.push({ check: 'answers', problem });
  const counted = parts.reduce((sum, part) => sum + part.counted, 0);
  return { violations, counted: counted + workload.counts.asked };
}

/** `settle audit`, every finding a violation. */
export async function audited({ databaseUrl }: Stack): Promise<Part> {
  const { findings, sessions, ledgerPayments, events } = await auditDatabase(databaseUrl);
  const part = collect(sessions + ledgerPayments + events);
  for (const { promise, subject, problem } of findings) {
    part.must(false, 'audit', `${promise} ${subject}: ${problem}`);
  }
  return part;
}

type InboxRow = {
  key: string;
  account: string;
  asset: string;
  amount: string;
  reference: string | null;
  verdict: string | null;
};

/** Every movement of the ledger's books is one row of the inbox, and the other way round. */
export async function conserved(stack: Stack, all: readonly Arrival[]): Promise<Part> {
  const part = collect();
  const rows = await stack.rows<InboxRow>(
    `SELECT concat_ws(':', tx_hash, op_index, sub_index) AS key, account, amount::text, reference, verdict,
      CASE WHEN asset_issuer IS NULL THEN 'native' ELSE asset_code || ':' || asset_issuer END AS asset
     FROM settlement.ledger_payments`,
  );
  const stored = new Map(rows.map((row) => [row.key, row]));
  for (const { key, account, asset, amount, reference } of all) {
    const row = stored.get(key);
    const wanted = [account, asset, formatAmount(amount), reference].join(' ');
    const found = row && [row.account, row.asset, row.amount, row.reference].join(' ');
    part.must(found === wanted, 'conservation', `${key}: ${wanted} came, the inbox has ${found}.`);
    part.must(row?.verdict !== null, 'conservation', `${key} has no verdict.`);
    stored.delete(key);
  }
  // A page may begin before the first opening: what it shows from there is true, and nobody's.
  const earlier = new Map([...stored.values()].map(({ account }) => [account, 0]));
  const happened = new Set(arrivals(stack.ledger, earlier).map(({ key }) => key));
  for (const key of stored.keys()) {
    part.must(happened.has(key), 'conservation', `${key} never happened.`);
  }
  return part;
}

const ALLOWED = new Set([
  'none pending',
  'pending pending',
  'pending processing',
  'processing pending',
  'processing processing',
  'pending paid',
  'processing paid',
  'pending expired',
  'processing expired',
  'pending cancelled',
  'processing cancelled',
  'cancelled cancelled', // the ending that a backend wrote is proven
  'cancelled paid', // … or is not, since the money had come in time
  'cancelled expired', // … or its deadline came first
]);

async function edges(stack: Stack): Promise<Part> {
  const rows = await stack.rows<{ edge: string; id: string }>(
    `SELECT DISTINCT from_status || ' ' || to_status AS edge, session_id::text AS id
     FROM settlement.session_journal
     -- Who sends an event again leaves a note, and no change.
     WHERE actor = 'settle' OR from_status IS DISTINCT FROM to_status`,
  );
  const part = collect();
  for (const { edge, id } of rows) {
    part.must(ALLOWED.has(edge), 'edges', `session ${id} went from ${edge.replace(' ', ' to ')}.`);
  }
  return part;
}

/** Temporal's list of what runs lags behind a little; what it shows wrongly must go. */
async function runs({ temporal }: Stack, sessions: readonly RoundSession[]): Promise<Part> {
  const part = collect(sessions.length);
  const ours = new Set(sessions.map(({ id }) => sessionWorkflowId(id)));
  let open: string[] = [];
  for (const end = Date.now() + 15_000; Date.now() < end; await sleep(200)) {
    open = [];
    const query = `WorkflowType = 'checkoutSession' AND ExecutionStatus = 'Running'`;
    for await (const { workflowId } of temporal.workflow.list({ query })) {
      if (ours.has(workflowId)) open.push(workflowId);
    }
    if (open.length === 0) return part;
  }
  for (const id of open) part.must(false, 'runs', `${id} runs, though its session is at rest.`);
  return part;
}

/** Ten connections for sessions, unless a cell makes them fewer, and six of the reader. */
const POOL_MOST = 16;

/** What the workers' processes must not show: an end, a failed replay, a stuck or a surplus connection. */
export async function processes(stack: Stack): Promise<Part> {
  const part = collect();
  for (const problem of stack.unasked.splice(0))
    part.must(false, 'process', `Ended unasked: ${problem}`);
  const replay = /nondeterminism|TMPRL1100/i.exec(stack.logged());
  part.must(replay === null, 'process', `A worker's log says ${replay?.[0]}.`);
  const stuck = await stack.rows<{ query: string }>(
    `SELECT query FROM pg_stat_activity WHERE ${OF_WORKERS}
       AND state LIKE 'idle in transaction%' AND state_change < now() - interval '2 seconds'`,
  );
  part.must(
    stuck.length === 0,
    'process',
    `A connection sits in a transaction: ${stuck[0]?.query}`,
  );
  // Connections of a worker that was killed go when PostgreSQL has noticed.
  const most = stack.workers.length * POOL_MOST;
  let open = 0;
  for (const end = Date.now() + 10_000; Date.now() < end; await sleep(200)) {
    const [row] = await stack.rows<{ n: number }>(
      `SELECT count(*)::int AS n FROM pg_stat_activity WHERE ${OF_WORKERS}`,
    );
    open = row?.n ?? 0;
    if (open <= most) break;
  }
  part.must(open <= most, 'process', `Workers hold ${open} connections, and may have ${most}.`);
  return part;
}

function sessionOf({ body }: Post): string {
  try {
    return (JSON.parse(body) as { data: { sessionId: string } }).data.sessionId;
  } catch {
    return '';
  }
}
