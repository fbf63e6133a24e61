/**
 * What must be so when a round is at rest: by the books (certify/books), what reached the receiver and Temporal's list.
 * The product's rows, and its list of what is held, are what is judged; `settle audit` is one check among these.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { auditDatabase } from '../../src/db/audit.ts';
import { connect } from '../../src/db/connection.ts';
import { heldPayments } from '../../src/db/payments.ts';
import { sessionWorkflowId } from '../../src/workflows/contract.ts';
import { names } from '../books/expect.ts';
import { assetName, type Movement } from '../books/ledger.ts';
import { decimalOf } from '../books/money.ts';
import { sessionOf } from './merchant.ts';
import { outcome, type Judged } from './outcome.ts';
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
  const judged = await judgedBy(stack);
  const posts = Map.groupBy(stack.merchant.posts, sessionOf);
  const parts = await Promise.all([
    audited(stack),
    conserved(stack, { knowsAll: true }),
    edges(stack),
    runs(stack, sessions),
    processes(stack),
    ...sessions.map((session) => outcome(stack, session, judged, posts.get(session.id) ?? [])),
  ]);
  const violations = parts.flatMap((part) => part.violations);
  for (const problem of stack.proxy.undisciplined.splice(0)) {
    violations.push({ check: 'isolation', problem });
  }
  for (const problem of workload.complaints) violations.push({ check: 'answers', problem });
  for (const { id, isSent } of workload.resent) {
    if (isSent()) continue;
    violations.push({ check: 'delivered', problem: `session ${id}: was not sent again as asked.` });
  }
  const counted = parts.reduce((sum, part) => sum + part.counted, 0);
  return { violations, counted: counted + workload.counts.asked };
}

/** What sessions are judged by now. What the world did until now is taken into account here, once. */
export async function judgedBy(stack: Stack): Promise<Judged> {
  return {
    books: expected(stack).books,
    world: stack.diary.world(),
    held: await listedAsHeld(stack),
  };
}

/** The product's own list, as `settle payments held` prints it: `key reason amount`, by session. */
async function listedAsHeld({ databaseUrl }: Stack): Promise<Map<string, string[]>> {
  const database = connect(databaseUrl, { max: 1, applicationName: 'certificate' });
  try {
    const held = await heldPayments(database.db);
    const bySession = Map.groupBy(held, ({ sessionId }) => sessionId ?? '');
    const inText = (list: typeof held) =>
      list.map(({ payment, reason, amount }) => `${payment} ${reason} ${amount}`);
    return new Map([...bySession].map(([id, list]) => [id, inText(list)]));
  } finally {
    await database.close();
  }
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
  facts: string;
  verdict: string | null;
};

/**
 * Every movement of the ledger's books is one row of the inbox, and the other way round. `knowsAll`: every session is in the
 * diary, so that what names none of them must be nobody's.
 */
export async function conserved(stack: Stack, { knowsAll }: { knowsAll: boolean }): Promise<Part> {
  const part = collect();
  const rows = await stack.rows<InboxRow>(
    `SELECT concat_ws(':', tx_hash, op_index, sub_index) AS key, verdict, concat_ws(' ', account,
        CASE WHEN asset_issuer IS NULL THEN 'native' ELSE asset_code || ':' || asset_issuer END,
        amount::text, coalesce(reference, 'nobody'), sender, ledger, extract(epoch FROM closed_at)::bigint) AS facts
     FROM settlement.ledger_payments`,
  );
  const stored = new Map(rows.map((row) => [row.key, row]));
  const { books, due } = expected(stack);
  const sessions = [...stack.diary.entries().values()].map(({ asked }) => asked);
  const isOfSession = (movement: Movement) =>
    sessions.some(({ terms, edits, assigned }) => {
      const versions = [terms, ...edits.map((edit) => edit.terms)];
      return versions.some((one) => names(movement, one)) || assigned.has(movement.key);
    });
  for (const movement of due) {
    const { key } = movement;
    const row = stored.get(key);
    const wanted = factsOf(movement);
    const problem = `${key}: ${wanted} came, the inbox has ${row?.facts}.`;
    part.must(row?.facts === wanted, 'conservation', problem);
    part.must(row?.verdict !== null, 'conservation', `${key} has no verdict.`);
    if (knowsAll && !isOfSession(movement)) {
      const isRight = row?.verdict === 'unmatched';
      part.must(isRight, 'conservation', `${key} names nobody, and is ${row?.verdict}.`);
    }
    stored.delete(key);
  }
  // A page may begin before the first opening: what it shows from there is true, and nobody's.
  const happened = new Map(books.movements.map((movement) => [movement.key, movement]));
  for (const { key, facts } of stored.values()) {
    const movement = happened.get(key);
    const wanted = movement === undefined ? 'nothing' : factsOf(movement);
    part.must(facts === wanted, 'conservation', `${key}: ${wanted} came, the inbox has ${facts}.`);
  }
  return part;
}

function factsOf({
  account,
  asset,
  amount,
  reference,
  sender,
  ledger,
  closedAt,
}: Movement): string {
  const facts = [account, assetName(asset), decimalOf(amount), reference ?? 'nobody', sender];
  return [...facts, ledger, closedAt / 1000].join(' ');
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
